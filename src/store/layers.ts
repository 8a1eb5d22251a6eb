import { type ByteString, byteString, bytesOf, type OrderedMap } from "./ordered-map.ts";
import { assert } from "../base/assert.ts";
import { type Entry, maximumKeyLength, type Range, type Reader, type Writer } from "./store.ts";

/** A value, or null where the key was removed and hides what lies below. */
export type Change = Uint8Array | null;

/** Changes in memory that lie over whatever is below them. */
export type Layer = Pick<OrderedMap<Change>, "get" | "walk">;

/** Reads through layers of changes, the newest first, down to a base. */
export class LayeredReader implements Reader {
  protected readonly layers: readonly Layer[];
  readonly #base: Reader;

  constructor(layers: readonly Layer[], base: Reader) {
    this.layers = layers;
    this.#base = base;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const name = byteString(key);
    for (const layer of this.layers) {
      const change = layer.get(name);
      if (change !== undefined) return change ?? undefined;
    }
    return this.#base.get(key);
  }

  *scan(range: Range): Generator<Entry> {
    const reverse = range.reverse ?? false;
    const from = byteString(range.from);
    const to = byteString(range.to);
    const sources: Iterator<[ByteString, Change]>[] = this.layers.map((layer) =>
      layer.walk(from, to, reverse),
    );
    const { limit: _limit, ...unlimited } = range;
    sources.push(named(this.#base.scan(unlimited)));
    let left = range.limit ?? Infinity;
    for (const [name, change] of merge(sources, reverse)) {
      if (left <= 0) return;
      if (change === null) continue;
      left -= 1;
      yield { key: bytesOf(name), value: change };
    }
  }
}

function* named(entries: Iterable<Entry>): Generator<[ByteString, Change]> {
  for (const { key, value } of entries) yield [byteString(key), value];
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
      const [name] = head.value;
      if (best === undefined || (reverse ? name > best : name < best)) best = name;
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

  put(key: Uint8Array, value: Uint8Array): void {
    assert(key.length > 0 && key.length <= maximumKeyLength, `a key of ${key.length} bytes`);
    this.#changes.set(byteString(key), Uint8Array.prototype.slice.call(value));
  }

  remove(key: Uint8Array): void {
    this.#changes.set(byteString(key), null);
  }
}
