import type { ByteString } from "./byte-string.ts";

/** Keys that can be walked in order, which is made again at a walk after many came. */
export class OrderedKeys {
  #sorted: ByteString[] = [];
  #added: ByteString[] = [];

  /** A key may be added again. */
  add(key: ByteString): void {
    this.#added.push(key);
  }

  /** All that are there, or were. */
  get length(): number {
    return this.#sorted.length + this.#added.length;
  }

  retain(isThere: (key: ByteString) => boolean): void {
    this.#sorted = mergeUnique(this.#sorted, this.#added.sort()).filter(isThere);
    this.#added = [];
  }

  /** Keys with `from` <= key < `to`, each once; those that come during the walk may be missed. */
  *walk(from: ByteString, to: ByteString, reverse: boolean): Generator<ByteString> {
    this.#sortWhenMany();
    const sorted = this.#sorted;
    const start = lowerBound(sorted, from);
    const end = lowerBound(sorted, to);
    const recent = this.#added.filter((key) => key >= from && key < to).sort();
    const merged = recent.length === 0 ? undefined : mergeUnique(sorted.slice(start, end), recent);
    const count = merged === undefined ? end - start : merged.length;
    for (let step = 0; step < count; step += 1) {
      const at = reverse ? count - 1 - step : step;
      yield merged === undefined ? sorted[start + at]! : merged[at]!;
    }
  }

  #sortWhenMany(): void {
    if (this.#added.length <= Math.max(fewKeys, this.#sorted.length / 8)) return;
    this.#sorted = mergeUnique(this.#sorted, this.#added.sort());
    this.#added = [];
  }
}

/** Keys that a walk sorts for itself rather than all keys again. */
const fewKeys = 64;

/** Both are ascending; a key may stand in both, or more than once. */
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
