// The contents of inodes. Data and store survive a crash each on its own; the order of changes here
// makes them one thing again: what is cut off goes only after the new size is durable, and bytes
// count after a crash only as far as they are known to have been flushed (`Node.solidLength`).
import type { Clock, Timer } from "../base/clock.ts";
import { type Data, NoSpace } from "../data/data.ts";
import type { Store } from "../store/store.ts";
import { ENOSPC, ESTALE, type Failure } from "./failure.ts";
import { contentsSettleMs } from "./limits.ts";
import type { Node } from "./node.ts";

export interface ContentsOptions {
  readonly store: Store;
  readonly data: Data;
  readonly clock: Clock;
  /** The node's record is to be stored soon. */
  readonly saveLater: (node: Node) => void;
}

export class Contents {
  readonly #store: Store;
  readonly #data: Data;
  readonly #clock: Clock;
  readonly #saveLater: (node: Node) => void;
  /** Files that reach past what is known to be durable. */
  readonly #unsettled = new Set<Node>();
  readonly #flushes = new Map<Node, Set<Flush>>();
  #settling: Timer | undefined;

  constructor({ store, data, clock, saveLater }: ContentsOptions) {
    this.#store = store;
    this.#data = data;
    this.#clock = clock;
    this.#saveLater = saveLater;
  }

  /** `target` lies within the file's size. */
  read(node: Node, offset: number, target: Uint8Array): number | Promise<number> {
    const { cutAt } = node;
    if (cutAt < 0 || offset + target.length <= cutAt) {
      return this.#data.read(node.number, offset, target);
    }
    const there = Math.max(0, cutAt - offset);
    target.fill(0, there);
    if (there === 0) return target.length;
    const filled = this.#data.read(node.number, offset, target.subarray(0, there));
    return typeof filled === "number" ? target.length : filled.then(() => target.length);
  }

  /** Writes all of `bytes` and makes the file as long as they need. */
  write(
    node: Node,
    offset: number,
    bytes: Uint8Array,
  ): number | Failure | Promise<number | Failure> {
    if (node.removed) return ESTALE;
    if (!this.#mayChange(node)) {
      // A copy also of a Buffer, whose own `slice` makes none: the caller reuses its bytes.
      return this.#writeLater(node, offset, Uint8Array.prototype.slice.call(bytes));
    }
    if (offset > node.length) this.#cutBehindEnd(node);
    let written: number | Promise<number>;
    try {
      written = this.#data.write(node.number, offset, bytes);
    } catch (error) {
      return refusal(error);
    }
    if (typeof written === "number") return this.#wrote(node, offset, written);
    return written.then((count) => this.#wrote(node, offset, count), refusal);
  }

  /** The caller stores the node and calls `resized` then. */
  resize(node: Node, size: number): void {
    if (size < node.length) {
      for (const flush of this.#flushes.get(node) ?? []) flush.to = Math.min(flush.to, size);
      node.cutAt = node.cutAt < 0 ? size : Math.min(node.cutAt, size);
      node.solidLength = Math.min(node.solidLength, size);
      if (size === 0) node.sparseBytes = -1;
    } else if (size > node.length) {
      if (node.cutAt < 0) this.#cutBehindEnd(node);
      node.sparseBytes = this.#data.allocated(node.number);
      this.#settleLater(node);
    } else if (node.sparseBytes >= 0) {
      node.sparseBytes = this.#data.allocated(node.number);
    }
    node.length = size;
  }

  /** After the commit with the new size: what is past it goes when that is durable. */
  resized(node: Node): void {
    if (node.cutAt < 0) return;
    node.changeableAt = this.#store.applied;
    this.#store.whenDurable(node.changeableAt, () => {
      if (!node.removed) this.#mayChange(node);
    });
  }

  seek(node: Node, offset: number, what: "data" | "hole"): number | undefined {
    if (offset >= node.length) return undefined;
    const end = node.cutAt < 0 ? node.length : node.cutAt;
    const found = offset < end ? this.#data.seek(node.number, offset, what) : undefined;
    if (what === "hole") return Math.max(offset, Math.min(found ?? end, end));
    return found === undefined || found >= end ? undefined : found;
  }

  /** Calls back once everything written so far is durable; the node's record may be ahead then. */
  whenDurable(node: Node, call: (error?: Error) => void): void {
    const flush = { to: node.cutAt < 0 ? node.length : node.cutAt };
    this.#remember(node, flush);
    this.#data.whenDurable(node.number, (error) => {
      this.#forget(node, flush);
      if (error) return call(error);
      if (!node.removed && flush.to > node.solidLength) {
        node.solidLength = flush.to;
        this.#saveLater(node);
      }
      if (node.removed || node.solidLength === node.length) this.#unsettled.delete(node);
      call();
    });
  }

  /** Flushes what nobody committed, a file at a time, so that other flushes needn't wait long. */
  async settle(): Promise<void> {
    for (const node of Array.from(this.#unsettled)) {
      await new Promise<void>((resolve) => this.whenDurable(node, () => resolve()));
    }
    if (this.#unsettled.size > 0) this.#settleSoon();
  }

  close(): void {
    this.#settling?.cancel();
  }

  async #writeLater(node: Node, offset: number, bytes: Uint8Array): Promise<number | Failure> {
    while (!node.removed && !this.#mayChange(node)) {
      await new Promise<void>((resolve) => this.#store.whenDurable(node.changeableAt, resolve));
    }
    return this.write(node, offset, bytes);
  }

  /** Whether a crash can't bring back what was before; cuts off what is past the end then. */
  #mayChange(node: Node): boolean {
    if (node.changeableAt > this.#store.durable) return false;
    if (node.cutAt < 0) return true;
    this.#data.truncate(node.number, node.cutAt);
    node.cutAt = -1;
    if (node.solidLength < node.length) this.#settleLater(node);
    if (node.sparseBytes >= 0) {
      node.sparseBytes = this.#data.allocated(node.number);
      this.#saveLater(node);
    }
    return true;
  }

  /** Bytes past the end can be left from before a crash; what follows must read as zeros. */
  #cutBehindEnd(node: Node): void {
    this.#data.truncate(node.number, node.length);
    if (node.sparseBytes < 0) node.sparseBytes = 0;
  }

  #wrote(node: Node, offset: number, count: number): number | Failure {
    if (node.removed) return ESTALE;
    if (offset + count > node.length) {
      node.length = offset + count;
      this.#settleLater(node);
    }
    if (node.sparseBytes >= 0) node.sparseBytes = this.#data.allocated(node.number);
    return count;
  }

  #remember(node: Node, flush: Flush): void {
    const known = this.#flushes.get(node);
    if (known === undefined) this.#flushes.set(node, new Set([flush]));
    else known.add(flush);
  }

  #forget(node: Node, flush: Flush): void {
    const known = this.#flushes.get(node);
    known?.delete(flush);
    if (known?.size === 0) this.#flushes.delete(node);
  }

  #settleLater(node: Node): void {
    this.#unsettled.add(node);
    this.#settleSoon();
  }

  #settleSoon(): void {
    this.#settling ??= this.#clock.schedule(contentsSettleMs, () => {
      this.#settling = undefined;
      void this.settle();
    });
  }
}

/** A flush that is under way, and how far the contents are durable once it is over. */
interface Flush {
  to: number;
}

function refusal(error: unknown): Failure {
  if (error instanceof NoSpace) return ENOSPC;
  throw error;
}
