import type { ByteString } from "./byte-string.ts";

/**
 * A map in memory whose keys can be walked in order. Lookups and changes cost what a Map's do; the
 * order is made again at a walk after many keys came or went.
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
    // A look at an empty map would still work out the key's hash.
    return this.#values.size === 0 ? undefined : this.#values.get(key);
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
    this.#sortWhenMany();
    const sorted = this.#sorted;
    const start = lowerBound(sorted, from);
    const end = lowerBound(sorted, to);
    const recent = this.#added.filter((key) => key >= from && key < to).sort();
    const merged = recent.length === 0 ? undefined : mergeUnique(sorted.slice(start, end), recent);
    const count = merged === undefined ? end - start : merged.length;
    for (let step = 0; step < count; step += 1) {
      const at = reverse ? count - 1 - step : step;
      const key = merged === undefined ? sorted[start + at]! : merged[at]!;
      const value = this.#values.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  #sortWhenMany(): void {
    const few = Math.max(fewKeys, this.#sorted.length / 8);
    if (this.#added.length <= few && this.#removed <= this.#sorted.length / 2) return;
    const kept =
      this.#removed > 0 ? this.#sorted.filter((key) => this.#values.has(key)) : this.#sorted;
    this.#sorted = mergeUnique(kept, this.#added.sort());
    this.#added = [];
    this.#removed = 0;
  }
}

/** Keys that a walk sorts for itself rather than all keys again. */
const fewKeys = 64;

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
