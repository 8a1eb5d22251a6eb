import { LayeredReader, LayeredWriter, type Change } from "../layers.ts";
import { OrderedMap } from "../ordered-map.ts";
import type { Reader, Sequence, Store, Writer } from "../store.ts";

const nothing: Reader = { get: () => undefined, scan: () => [] };

/** Keeps everything in memory and calls it durable: for tests, and for what may be lost. */
export class MemoryStore implements Store {
  readonly #entries = new OrderedMap<Change>();
  applied: Sequence = 0;

  get durable(): Sequence {
    return this.applied;
  }

  read<T>(work: (reader: Reader) => T): T {
    return work(new LayeredReader([this.#entries], nothing));
  }

  write<T>(work: (writer: Writer) => T): T {
    const changes = new OrderedMap<Change>();
    const result = work(new LayeredWriter(changes, [this.#entries], nothing));
    for (const [key, change] of changes.entries()) {
      if (change === null) this.#entries.delete(key);
      else this.#entries.set(key, change);
    }
    this.applied += 1;
    return result;
  }

  whenDurable(_sequence: Sequence, call: () => void): void {
    call();
  }

  async close(): Promise<void> {}
}
