/** Byte strings (one character a byte) compare as bytes do. */
export type ByteString = string;

export function byteString(bytes: Uint8Array): ByteString {
  return Buffer.prototype.latin1Slice.call(bytes, 0, bytes.length);
}

export function bytesOf(text: ByteString): Buffer {
  return Buffer.from(text, "latin1");
}

/**
 * A map in memory whose keys can be walked in order. Lookups and changes cost what a Map's do; the
 * order is made again at the first walk after keys came or went.
 */
export class OrderedMap<Value> {
  readonly #values = new Map<ByteString, Value>();
  #sorted: ByteString[] = [];
  #added: ByteString[] = [];
  #removed = 0;

  get size(): number {
    return this.#values.size;
  }

  get(key: ByteString): Value | undefined {
    return this.#values.get(key);
  }

  set(key: ByteString, value: Value): void {
    const before = this.#values.size;
    this.#values.set(key, value);
    if (this.#values.size !== before) this.#added.push(key);
  }

  delete(key: ByteString): void {
    if (this.#values.delete(key)) this.#removed += 1;
  }

  entries(): IterableIterator<[ByteString, Value]> {
    return this.#values.entries();
  }

  /** Entries with `from` <= key < `to`; keys that come or go during the walk may be missed. */
  *walk(from: ByteString, to: ByteString, reverse: boolean): Generator<[ByteString, Value]> {
    const keys = this.#inOrder();
    const start = lowerBound(keys, from);
    const end = lowerBound(keys, to);
    for (let step = 0; step < end - start; step += 1) {
      const key = keys[reverse ? end - 1 - step : start + step]!;
      const value = this.#values.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  #inOrder(): ByteString[] {
    if (this.#added.length > 0 || this.#removed > this.#sorted.length / 2) {
      const added = this.#added.sort();
      const kept =
        this.#removed > 0 ? this.#sorted.filter((key) => this.#values.has(key)) : this.#sorted;
      this.#sorted = mergeUnique(kept, added);
      this.#added = [];
      this.#removed = 0;
    }
    return this.#sorted;
  }
}

/** Both are ascending; a key that was removed and came back stands in both. */
function mergeUnique(a: readonly ByteString[], b: readonly ByteString[]): ByteString[] {
  const merged: ByteString[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const takeA = j >= b.length || (i < a.length && a[i]! <= b[j]!);
    const key = takeA ? a[i++]! : b[j++]!;
    if (merged.length === 0 || merged[merged.length - 1] !== key) merged.push(key);
  }
  return merged;
}

function lowerBound(keys: readonly ByteString[], key: ByteString): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
