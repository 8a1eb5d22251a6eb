import { type ByteString, byteStringOf } from "./byte-string.ts";
import type { Store, Writer } from "./store.ts";

/**
 * Records of one kind in a store, as JSON under `<name>/<id>`: what the cloud services keep.
 * Reads and writes outside a transaction are transactions of their own.
 */
export class Table<T> {
  readonly #store: Store;
  readonly #name: string;

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
  }

  get(id: string): T | undefined {
    return this.#store.read((reader) => {
      const value = reader.get(this.#key(id));
      return value && decode<T>(value);
    });
  }

  /** Every record whose id starts with `prefix`, ordered by id. */
  list(prefix = ""): T[] {
    const from = this.#key(prefix);
    const to = `${from}\u00ff`;
    return this.#store.read((reader) =>
      Array.from(reader.scan({ from, to }), (entry) => decode<T>(entry.value)),
    );
  }

  put(id: string, record: T, writer?: Writer): void {
    const value = Buffer.from(JSON.stringify(record));
    if (writer) writer.put(this.#key(id), value);
    else this.#store.write((own) => own.put(this.#key(id), value));
  }

  remove(id: string, writer?: Writer): void {
    if (writer) writer.remove(this.#key(id));
    else this.#store.write((own) => own.remove(this.#key(id)));
  }

  #key(id: string): ByteString {
    return byteStringOf(`${this.#name}/${id}`);
  }
}

function decode<T>(value: Uint8Array): T {
  return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString());
}
