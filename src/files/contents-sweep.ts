import type { Clock, Timer } from "../base/clock.ts";
import type { Data, FileKey } from "../data/data.ts";
import type { Store } from "../store/store.ts";
import type { InodeTable } from "./inode-table.ts";
import { sweepStep } from "./limits.ts";

/**
 * Removes what a crash left among the contents and nobody can reach: contents whose inode is gone,
 * and bytes past the end of a file. Runs beside everything else, a few files at a time, from the
 * beginning to `isDone` or `stop`.
 */
export class ContentsSweep {
  readonly #store: Store;
  readonly #data: Data;
  readonly #clock: Clock;
  readonly #inodes: InodeTable;
  readonly #files: Iterator<FileKey>;
  #timer: Timer | undefined;
  isDone = false;

  constructor(parts: { store: Store; data: Data; clock: Clock; inodes: InodeTable }) {
    this.#store = parts.store;
    this.#data = parts.data;
    this.#clock = parts.clock;
    this.#inodes = parts.inodes;
    this.#files = this.#data.list()[Symbol.iterator]();
    this.#goOn();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #goOn(): void {
    this.#timer = this.#clock.schedule(0, () => this.#step());
  }

  #step(): void {
    for (let count = 0; count < sweepStep; count += 1) {
      const next = this.#files.next();
      if (next.done) {
        this.isDone = true;
        return;
      }
      this.#tidy(next.value);
    }
    this.#goOn();
  }

  #tidy(file: FileKey): void {
    const node = this.#inodes.peek(file);
    if (node === undefined || node.isInline) {
      // Not before the removal is durable.
      this.#store.whenDurable(this.#store.applied, () => this.#removeIfUnused(file));
    } else if (node.changeableAt <= this.#store.durable && this.#data.length(file) > node.length) {
      this.#data.truncate(file, node.length);
    }
  }

  /** Numbers are never used twice, but an inline file may have grown meanwhile. */
  #removeIfUnused(file: FileKey): void {
    const isUsed = this.#inodes.peek(file)?.isInline === false;
    if (!isUsed) this.#data.remove(file);
  }
}
