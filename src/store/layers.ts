import { assert } from "../base/assert.ts";
import type { ByteString } from "./byte-string.ts";
import type { OrderedMap } from "./ordered-map.ts";
import { type Entry, maximumKeyLength, type Range, type Reader, type Writer } from "./store.ts";

/** A value, or null where the key was removed and hides what lies below. */
export type Change = Uint8Array | null;

/** Changes in memory that lie over whatever is below them. */
export interface Layer {
  get(key: ByteString): Change | undefined;
  /** Entries with `from` <= key < `to`; keys that come or go during the walk may be missed. */
  walk(from: ByteString, to: ByteString, reverse: boolean): Iterator<[ByteString, Change]>;
}

/** Reads through layers of changes, the newest first, down to a base. */
export class LayeredReader implements Reader {
  protected readonly layers: readonly Layer[];
  readonly #base: Reader;

  constructor(layers: readonly Layer[], base: Reader) {
    this.layers = layers;
    this.#base = base;
  }

  get(key: ByteString): Uint8Array | undefined {
    for (const layer of this.layers) {
      const change = layer.get(key);
      if (change !== undefined) return change ?? undefined;
    }
    return this.#base.get(key);
  }

  scan(range: Range): Generator<Entry> {
    return scanLayers(this.layers, this.#base, range);
  }
}

export function* scanLayers(
  layers: readonly Layer[],
  base: Reader,
  range: Range,
): Generator<Entry> {
  const reverse = range.reverse ?? false;
  const sources = layers.map((layer) => layer.walk(range.from, range.to, reverse));
  const { limit: _limit, ...unlimited } = range;
  sources.push(pairs(base.scan(unlimited)));
  let left = range.limit ?? Infinity;
  for (const [key, change] of merge(sources, reverse)) {
    if (left <= 0) return;
    if (change === null) continue;
    left -= 1;
    yield { key, value: change };
  }
}

function* pairs(entries: Iterable<Entry>): Generator<[ByteString, Change]> {
  for (const { key, value } of entries) yield [key, value];
}

/** Merges ordered sources; where several have a key, the first source's value is taken. */
function* merge(
  sources: readonly Iterator<[ByteString, Change]>[],
  reverse: boolean,
): Generator<[ByteString, Change]> {
  const heads = sources.map((source) => source.next());
  for (;;) {
    let best: ByteString | undefined;
    for (const head of heads) {
      if (head.done) continue;
      const [key] = head.value;
      if (best === undefined || (reverse ? key > best : key < best)) best = key;
    }
    if (best === undefined) return;
    let change: Change | undefined;
    for (const [index, head] of heads.entries()) {
      if (head.done || head.value[0] !== best) continue;
      if (change === undefined) change = head.value[1];
      heads[index] = sources[index]!.next();
    }
    yield [best, change ?? null];
  }
}

/** A reader with the changes of one transaction on top. */
export class LayeredWriter extends LayeredReader implements Writer {
  readonly #changes: OrderedMap<Change>;

  constructor(changes: OrderedMap<Change>, layers: readonly Layer[], base: Reader) {
    super([changes, ...layers], base);
    this.#changes = changes;
  }

  put(key: ByteString, value: Uint8Array): void {
    checkKey(key);
    this.#changes.set(key, Uint8Array.prototype.slice.call(value));
  }

  remove(key: ByteString): void {
    this.#changes.set(key, null);
  }
}

export function checkKey(key: ByteString): void {
  assert(key.length > 0 && key.length <= maximumKeyLength, `a key of ${key.length} bytes`);
}
