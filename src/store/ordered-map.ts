import type { ByteString } from "./byte-string.ts";
import { OrderedKeys } from "./ordered-keys.ts";

/** A map in memory whose keys can be walked in order. Lookups and changes cost what a Map's do. */
export class OrderedMap<Value> {
  readonly #values = new Map<ByteString, Value>();
  readonly #keys = new OrderedKeys();

  get(key: ByteString): Value | undefined {
    return this.#values.get(key);
  }

  set(key: ByteString, value: Value): void {
    const before = this.#values.size;
    this.#values.set(key, value);
    if (this.#values.size !== before) this.#keys.add(key);
  }

  delete(key: ByteString): void {
    this.#values.delete(key);
  }

  entries(): IterableIterator<[ByteString, Value]> {
    return this.#values.entries();
  }

  /** Entries with `from` <= key < `to`; keys that come or go during the walk may be missed. */
  *walk(from: ByteString, to: ByteString, reverse: boolean): Generator<[ByteString, Value]> {
    if (this.#keys.length > 2 * this.#values.size) {
      this.#keys.retain((key) => this.#values.has(key));
    }
    for (const key of this.#keys.walk(from, to, reverse)) {
      const value = this.#values.get(key);
      if (value !== undefined) yield [key, value];
    }
  }
}
