// A disk in memory that loses what was not flushed: each change since the last flush of its file
// survives a crash whole, torn at any byte, or not at all.
import type { SeededRandom } from "../../src/base/random.ts";

export type Change =
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly length: number };

/** What a crash is: the power goes, or only the process, whose writes the system still has. */
export type CrashKind = "kill" | "power";

export class SimulatedFile {
  current: Buffer;
  #durable: Buffer;
  #changes: Change[] = [];
  #flushedChanges = 0;
  /** Its name survives a crash. */
  isNamed: boolean;

  constructor(contents: Buffer, isNamed: boolean) {
    this.current = contents;
    this.#durable = contents;
    this.isNamed = isNamed;
  }

  change(change: Change): void {
    this.current = changed(this.current, change);
    this.#changes.push(change);
  }

  /** Counts all changes so far, for `flushed`. */
  get changes(): number {
    return this.#flushedChanges + this.#changes.length;
  }

  flushed(upTo: number): void {
    this.isNamed = true;
    while (this.#flushedChanges < upTo) {
      this.#durable = changed(this.#durable, this.#changes.shift()!);
      this.#flushedChanges += 1;
    }
  }

  /** The file after a crash; undefined where not even its name is there. */
  afterCrash(kind: CrashKind, random: SeededRandom): SimulatedFile | undefined {
    if (kind === "kill") return new SimulatedFile(this.current, true);
    if (!this.isNamed && random.below(2) === 0) return undefined;
    let contents = this.#durable;
    for (const change of this.#changes) {
      const part = surviving(change, random);
      if (part !== undefined) contents = changed(contents, part);
    }
    return new SimulatedFile(contents, true);
  }
}

export function surviving(change: Change, random: SeededRandom): Change | undefined {
  const fate = random.below(4);
  if (fate === 0) return undefined;
  if (fate === 1 || change.kind === "truncate") return change;
  const { offset, bytes } = change;
  const torn = random.below(bytes.length + 1);
  return fate === 2
    ? { kind: "write", offset, bytes: bytes.subarray(0, torn) }
    : { kind: "write", offset: offset + torn, bytes: bytes.subarray(torn) };
}

function changed(contents: Buffer, change: Change): Buffer {
  if (change.kind === "truncate") return contents.subarray(0, change.length);
  const { offset, bytes } = change;
  if (bytes.length === 0) return contents;
  const next = Buffer.alloc(Math.max(contents.length, offset + bytes.length));
  contents.copy(next);
  bytes.copy(next, offset);
  return next;
}

/** Files by name: one directory of the simulated disk. */
export class SimulatedDirectory<Name> {
  readonly files = new Map<Name, SimulatedFile>();
  /** Removed, and possibly back after a crash. */
  readonly #removed = new Map<Name, SimulatedFile>();

  make(name: Name, isNamed: boolean, contents: Buffer = Buffer.alloc(0)): SimulatedFile {
    const file = new SimulatedFile(contents, isNamed);
    this.files.set(name, file);
    this.#removed.delete(name);
    return file;
  }

  remove(name: Name): void {
    const file = this.files.get(name);
    if (file === undefined) return;
    this.files.delete(name);
    this.#removed.set(name, file);
  }

  /** What was removed so far is gone for good. */
  flushRemovals(): void {
    this.#removed.clear();
  }

  /** `undoRemovals`: the crash came before any of them. */
  afterCrash(
    kind: CrashKind,
    random: SeededRandom,
    undoRemovals: boolean,
  ): SimulatedDirectory<Name> {
    const after = new SimulatedDirectory<Name>();
    const there = [...this.files];
    for (const removed of this.#removed) {
      const isBack = undoRemovals || (kind === "power" && random.below(2) === 0);
      if (isBack) there.push(removed);
    }
    for (const [name, file] of there) {
      const survivor = file.afterCrash(kind, random);
      if (survivor !== undefined) after.files.set(name, survivor);
    }
    return after;
  }
}

/** Journal segments and contents, with the flushes that are under way. */
export class SimulatedDisk {
  readonly segments: SimulatedDirectory<string>;
  readonly contents: SimulatedDirectory<number>;
  /** Bytes of contents that still fit: the write that has more is cut short. */
  room = Infinity;
  #flushes: { readonly file: SimulatedFile; readonly upTo: number; readonly call: () => void }[] =
    [];
  #isOver = false;

  constructor(
    segments = new SimulatedDirectory<string>(),
    contents = new SimulatedDirectory<number>(),
  ) {
    this.segments = segments;
    this.contents = contents;
  }

  /** Begins a flush, which ends when the simulation says. */
  flush(file: SimulatedFile, call: () => void): void {
    this.#flushes.push({ file, upTo: file.changes, call });
    if (this.#isOver) queueMicrotask(() => this.endFlushes());
  }

  /** How many flushes are under way. */
  get flushes(): number {
    return this.#flushes.length;
  }

  endFlush(index: number): void {
    const [flush] = this.#flushes.splice(index, 1);
    flush!.file.flushed(flush!.upTo);
    flush!.call();
  }

  endFlushes(): void {
    while (this.#flushes.length > 0) this.endFlush(0);
  }

  /** From now on flushes end by themselves: nobody simulates any more. */
  endSimulation(): void {
    this.#isOver = true;
    this.endFlushes();
  }

  afterCrash(kind: CrashKind, random: SeededRandom, undoSegmentRemovals: boolean): SimulatedDisk {
    return new SimulatedDisk(
      this.segments.afterCrash(kind, random, undoSegmentRemovals),
      this.contents.afterCrash(kind, random, false),
    );
  }
}
