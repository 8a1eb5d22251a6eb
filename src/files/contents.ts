// The contents of inodes: small ones in the store (InlineContents), others in the data engine, where
// they survive a crash each on its own. The order of changes here makes the two one thing again:
// what is cut off goes only after the new size is durable, and bytes count after a crash only as
// far as they are known to have been flushed (`Node.solidLength`) or stand in the store (`Redo`).
import type { Clock, Timer } from "../base/clock.ts";
import { type Data, NoSpace } from "../data/data.ts";
import type { Store, Writer } from "../store/store.ts";
import { EAGAIN, ENOSPC, ESTALE, type Failure } from "./failure.ts";
import type { InlineContents } from "./inline-contents.ts";
import type { InodeTable } from "./inode-table.ts";
import { contentsSettleMs, smallWriteFactor } from "./limits.ts";
import type { Node } from "./node.ts";
import { Redo, storedPieces } from "./redo.ts";

export interface ContentsOptions {
  readonly store: Store;
  readonly data: Data;
  readonly clock: Clock;
  readonly inodes: InodeTable;
  readonly inline: InlineContents;
  /** Bytes after which a flush begins that nobody asked for. */
  readonly earlyFlushBytes: number;
}

export class Contents {
  readonly #store: Store;
  readonly #data: Data;
  readonly #clock: Clock;
  readonly #inodes: InodeTable;
  readonly #inline: InlineContents;
  readonly #earlyFlushBytes: number;
  /** Files with contents that are not known to be flushed. */
  readonly #unsettled = new Set<Node>();
  readonly #flushes = new Map<Node, Set<Flush>>();
  /** Bytes of large writes since the last flush of the file began. */
  readonly #uncommitted = new Map<Node, number>();
  #settling: Timer | undefined;

  constructor(options: ContentsOptions) {
    const { store, data, clock, inodes, inline } = options;
    this.#store = store;
    this.#data = data;
    this.#clock = clock;
    this.#inodes = inodes;
    this.#inline = inline;
    this.#earlyFlushBytes = options.earlyFlushBytes;
  }

  /** Writes again what a crash may have taken out of the data engine. */
  recover(): void {
    const pieces = this.#store.read((reader) =>
      Array.from(storedPieces(reader), (piece) => ({ ...piece, bytes: Buffer.from(piece.bytes) })),
    );
    for (const { file, offset, bytes } of pieces) {
      const node = this.#inodes.get(file);
      // Of an inode that can't be read, or is another now: the check tells about it.
      if (node === undefined || node.isInline) continue;
      void this.#data.write(file, offset, bytes);
      node.redo ??= new Redo(file);
      node.redo.has(offset, bytes.length);
      this.#settleLater(node);
    }
  }

  /** `target` lies within the file's size. */
  read(node: Node, offset: number, target: Uint8Array): number | Promise<number> {
    if (node.isInline) {
      this.#inline.read(node, offset, target);
      return target.length;
    }
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

  /**
   * Writes all of `bytes` and makes the file as long as they need. `stable`: a commit follows at
   * once.
   */
  write(
    node: Node,
    offset: number,
    bytes: Uint8Array,
    stable: boolean,
  ): number | Failure | Promise<number | Failure> {
    if (node.removed) return ESTALE;
    if (node.isInline && this.#inline.fits(offset + bytes.length)) {
      this.#inline.write(node, offset, bytes);
      return bytes.length;
    }
    if (!this.#mayChange(node)) {
      // A copy also of a Buffer, whose own `slice` makes none: the caller reuses its bytes.
      return this.#writeLater(node, offset, Uint8Array.prototype.slice.call(bytes), stable);
    }
    const refused = node.isInline && this.#store.write((writer) => this.#spill(writer, node));
    if (refused) return refused;
    if (offset > node.length) this.#cutBehindEnd(node);
    const wasUnflushed = node.isUnflushed;
    // Also what fails may have done a part.
    node.isUnflushed = true;
    let written: number | Promise<number>;
    try {
      written = this.#data.write(node.number, offset, bytes);
    } catch (error) {
      return refusal(error);
    }
    if (typeof written === "number") {
      if (!wasUnflushed && stable) node.isUnflushed = !this.#redo(node, offset, bytes);
      const outcome = this.#wrote(node, offset, written);
      const isMuch = node.redo?.isLarge || (!stable && this.#isMuch(node, written));
      if (isMuch && !this.#flushes.has(node)) this.#flush(node, () => {});
      return outcome;
    }
    return this.#wroteLater(node, offset, written);
  }

  /** The caller stores the node with the same writer and calls `resized` then. */
  resize(writer: Writer, node: Node, size: number): Failure | undefined {
    if (node.isInline) {
      if (this.#inline.fits(size)) {
        this.#inline.resize(node, size);
        return undefined;
      }
      // Contents that a crash would leave to another inode; the caller comes again in a moment.
      if (node.length > 0 && node.changeableAt > this.#store.durable) return EAGAIN;
      const refused = this.#spill(writer, node);
      if (refused) return refused;
    }
    if (size < node.length) {
      for (const flush of this.#flushes.get(node) ?? []) flush.to = Math.min(flush.to, size);
      node.redo?.cut(writer, size);
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
    return undefined;
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
    if (node.isInline) return what === "data" ? offset : node.length;
    const end = node.cutAt < 0 ? node.length : node.cutAt;
    const found = offset < end ? this.#data.seek(node.number, offset, what) : undefined;
    if (what === "hole") return Math.max(offset, Math.min(found ?? end, end));
    return found === undefined || found >= end ? undefined : found;
  }

  /** Calls back once `isDurable`; the record may be ahead of what is stored. */
  whenDurable(node: Node, call: (error?: Error) => void): void {
    if (this.isDurable(node)) call();
    else this.#flush(node, call);
  }

  /** Whether everything written so far is durable, or will be with the node's record. */
  isDurable(node: Node): boolean {
    if (node.isInline) return true;
    return !node.isUnflushed && node.solidLength === node.length && !this.#isAwaited(node);
  }

  /** Whether something was neither flushed nor stored when a flush began that is not over. */
  #isAwaited(node: Node): boolean {
    for (const flush of this.#flushes.get(node) ?? []) if (flush.wasUnflushed) return true;
    return false;
  }

  /** Flushes what nobody committed, a file at a time, so that other flushes needn't wait long. */
  async settle(): Promise<void> {
    for (const node of Array.from(this.#unsettled)) {
      await new Promise<void>((resolve) => this.#flush(node, () => resolve()));
    }
    if (this.#unsettled.size > 0) this.#settleSoon();
  }

  close(): void {
    this.#settling?.cancel();
  }

  /** Whether so much was written since the last flush that the disk shouldn't wait for a commit. */
  #isMuch(node: Node, written: number): boolean {
    if (written * smallWriteFactor < this.#earlyFlushBytes) return false;
    const bytes = (this.#uncommitted.get(node) ?? 0) + written;
    this.#uncommitted.set(node, bytes);
    return bytes >= this.#earlyFlushBytes;
  }

  #flush(node: Node, call: (error?: Error) => void): void {
    const flush = {
      to: node.cutAt < 0 ? node.length : node.cutAt,
      redone: node.redo?.lastNumber ?? 0,
      wasUnflushed: node.isUnflushed,
    };
    node.isUnflushed = false;
    this.#uncommitted.delete(node);
    this.#remember(node, flush);
    this.#data.whenDurable(node.number, (error) => {
      this.#forget(node, flush);
      if (error) {
        node.isUnflushed = true;
        return call(error);
      }
      if (!node.removed) this.#flushed(node, flush);
      if (node.removed || node.isFlushed) this.#unsettled.delete(node);
      call();
    });
  }

  #flushed(node: Node, flush: Flush): void {
    if (flush.to > node.solidLength) node.solidLength = flush.to;
    else if (flush.redone === 0) return;
    node.redo?.flushed(flush.redone);
    this.#inodes.saveLater(node);
  }

  /** Whether the bytes become durable with the node's record, without a flush. */
  #redo(node: Node, offset: number, bytes: Uint8Array): boolean {
    if (node.cutAt >= 0 || offset > node.solidLength) return false;
    const redo = (node.redo ??= new Redo(node.number));
    if (!redo.add(offset, bytes)) return false;
    node.solidLength = Math.max(node.solidLength, offset + bytes.length);
    this.#settleLater(node);
    return true;
  }

  /** Gives a file that grows too large for the store contents of its own. */
  #spill(writer: Writer, node: Node): Failure | undefined {
    const contents = this.#inline.all(node);
    // A crash may have left some, of a spill that it took back.
    this.#data.truncate(node.number, 0);
    try {
      if (contents.length > 0) void this.#data.write(node.number, 0, contents);
    } catch (error) {
      return refusal(error);
    }
    this.#inline.spill(writer, node, contents);
    this.#inodes.save(writer, node);
    this.#settleLater(node);
    return undefined;
  }

  async #writeLater(
    node: Node,
    offset: number,
    bytes: Uint8Array,
    stable: boolean,
  ): Promise<number | Failure> {
    while (!node.removed && !this.#mayChange(node)) {
      await new Promise<void>((resolve) => this.#store.whenDurable(node.changeableAt, resolve));
    }
    return this.write(node, offset, bytes, stable);
  }

  async #wroteLater(
    node: Node,
    offset: number,
    written: Promise<number>,
  ): Promise<number | Failure> {
    node.pins += 1;
    try {
      return this.#wrote(node, offset, await written);
    } catch (error) {
      return refusal(error);
    } finally {
      node.pins -= 1;
    }
  }

  /** Whether a crash can't bring back what was before; cuts off what is past the end then. */
  #mayChange(node: Node): boolean {
    if (node.changeableAt > this.#store.durable) return false;
    if (node.cutAt < 0) return true;
    this.#data.truncate(node.number, node.cutAt);
    // What a crash took leaves a hole.
    const isSparse = node.sparseBytes >= 0 || node.cutAt < node.length;
    node.cutAt = -1;
    if (node.solidLength < node.length) this.#settleLater(node);
    if (isSparse) {
      node.sparseBytes = this.#data.allocated(node.number);
      this.#inodes.saveLater(node);
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
    if (offset + count > node.length) node.length = offset + count;
    this.#settleLater(node);
    if (node.sparseBytes >= 0) node.sparseBytes = this.#data.allocated(node.number);
    return count;
  }

  #remember(node: Node, flush: Flush): void {
    node.pins += 1;
    const known = this.#flushes.get(node);
    if (known === undefined) this.#flushes.set(node, new Set([flush]));
    else known.add(flush);
  }

  #forget(node: Node, flush: Flush): void {
    node.pins -= 1;
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

/** A flush that is under way, and what is durable once it is over. */
interface Flush {
  to: number;
  /** The last write of `Node.redo` that it makes needless; 0: there was none. */
  readonly redone: number;
  readonly wasUnflushed: boolean;
}

function refusal(error: unknown): Failure {
  if (error instanceof NoSpace) return ENOSPC;
  throw error;
}
