// Which of what a process did to its files reached the disk when the power went. What was flushed
// did. Of other writes each is there whole, torn or not at all; of other changes of names the first
// ones of each directory are, as a journaling file system has it. Flushing a file makes its name
// durable, which Linux's own file systems promise. Directories that were made are there.
import path from "node:path";

import type { SeededRandom } from "../../src/base/random.ts";
import { type Change, surviving } from "./simulated-disk.ts";

/** What fault-disk.c wrote down. */
export type DiskEvent =
  | { readonly kind: "open"; readonly descriptor: number; readonly path: string; flags: OpenFlags }
  | { readonly kind: "close"; readonly descriptor: number }
  | {
      readonly kind: "flushBegins" | "flushed" | "flushFailed";
      readonly descriptor: number;
      /** One flush at a time is in each. */
      readonly thread: number;
    }
  | {
      readonly kind: "write";
      readonly descriptor: number;
      readonly offset: number;
      readonly bytes: Buffer;
      /** The descriptor is one whose writes are flushed each. */
      readonly isFlushed: boolean;
    }
  | { readonly kind: "truncate"; readonly descriptor: number; readonly length: number }
  | { readonly kind: "unlink" | "makeDirectory"; readonly path: string }
  | { readonly kind: "rename"; readonly path: string; readonly to: string };

export interface OpenFlags {
  readonly created: boolean;
  readonly emptied: boolean;
}

export class LoggedDisk {
  /** Names and files as the process saw them. */
  readonly #files = new Map<string, LoggedFile>();
  readonly #directories = new Map<string, LoggedDirectory>();
  readonly #open = new Map<number, LoggedFile | LoggedDirectory>();

  /** What there was before, all of it on the disk. */
  constructor(files: ReadonlyMap<string, Buffer>) {
    for (const [name, bytes] of files) {
      const file = new LoggedFile(bytes);
      this.#files.set(name, file);
      this.#directory(path.dirname(name)).names.set(name, file);
    }
  }

  apply(event: DiskEvent): void {
    switch (event.kind) {
      case "open":
        return this.#opened(event.descriptor, event.path, event.flags);
      case "close":
        this.#open.delete(event.descriptor);
        return;
      case "write":
        return this.#file(event.descriptor).change(
          { kind: "write", offset: event.offset, bytes: event.bytes },
          event.isFlushed,
        );
      case "truncate":
        return this.#file(event.descriptor).change({ kind: "truncate", length: event.length });
      case "flushBegins":
        return this.#open.get(event.descriptor)!.flushBegins(event.thread);
      case "flushed":
        return this.#open.get(event.descriptor)!.flushed(event.thread);
      case "flushFailed":
        return this.#file(event.descriptor).flushFailed(event.thread);
      case "unlink":
        this.#files.delete(event.path);
        return this.#named(event.path, { path: event.path, file: undefined });
      case "rename":
        return this.#renamed(event.path, event.to);
      case "makeDirectory":
    }
  }

  /** What a machine finds that starts again. */
  afterLoss(random: SeededRandom): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    for (const directory of this.#directories.values()) {
      for (const [name, file] of directory.afterLoss(random)) {
        found.set(name, file.afterLoss(random));
      }
    }
    return found;
  }

  #opened(descriptor: number, name: string, { created, emptied }: OpenFlags): void {
    let file = this.#files.get(name);
    if (created && file === undefined) {
      file = new LoggedFile(Buffer.alloc(0));
      this.#files.set(name, file);
      this.#named(name, { path: name, file });
    }
    if (emptied && file !== undefined) file.change({ kind: "truncate", length: 0 });
    this.#open.set(descriptor, file ?? this.#directory(name));
  }

  #renamed(from: string, to: string): void {
    const file = this.#files.get(from)!;
    this.#files.delete(from);
    this.#files.set(to, file);
    if (path.dirname(from) !== path.dirname(to)) throw new Error(`${from} moved to ${to}`);
    this.#named(from, { path: from, file: undefined }, { path: to, file });
  }

  #named(name: string, ...changes: readonly NameChange[]): void {
    const directory = this.#directory(path.dirname(name));
    directory.change(changes);
    for (const { file } of changes) file?.namedBy(directory);
  }

  #directory(name: string): LoggedDirectory {
    let directory = this.#directories.get(name);
    if (directory === undefined) {
      directory = new LoggedDirectory();
      this.#directories.set(name, directory);
    }
    return directory;
  }

  #file(descriptor: number): LoggedFile {
    return this.#open.get(descriptor) as LoggedFile;
  }
}

interface NameChange {
  readonly path: string;
  readonly file: LoggedFile | undefined;
}

/** Names that are durable, and the changes since, each of them whole or not there. */
class LoggedDirectory {
  readonly names = new Map<string, LoggedFile>();
  #changes: (readonly NameChange[])[] = [];
  #durable = 0;
  /** By thread. */
  readonly #flushes = new Map<number, number>();

  /** Counts all changes so far. */
  get count(): number {
    return this.#durable + this.#changes.length;
  }

  change(changes: readonly NameChange[]): void {
    this.#changes.push(changes);
  }

  flushBegins(thread: number): void {
    this.#flushes.set(thread, this.count);
  }

  flushed(thread: number): void {
    this.settle(this.#flushes.get(thread)!);
  }

  /** The first so many changes are durable. */
  settle(count: number): void {
    while (this.#durable < count) {
      this.#apply(this.names, this.#changes.shift()!);
      this.#durable += 1;
    }
  }

  afterLoss(random: SeededRandom): Map<string, LoggedFile> {
    const names = new Map(this.names);
    const kept = random.below(this.#changes.length + 1);
    for (const changes of this.#changes.slice(0, kept)) this.#apply(names, changes);
    return names;
  }

  #apply(names: Map<string, LoggedFile>, changes: readonly NameChange[]): void {
    for (const { path: name, file } of changes) {
      if (file === undefined) names.delete(name);
      else names.set(name, file);
    }
  }
}

class LoggedFile {
  readonly #durable = new GrowingBytes();
  #changes: { readonly change: Change; readonly isFlushed: boolean }[] = [];
  #flushedChanges = 0;
  /** By thread. */
  readonly #flushes = new Map<number, { readonly upTo: number; readonly names: () => void }>();
  /** Makes its newest name durable. */
  #settleName = (): void => {};

  constructor(bytes: Buffer) {
    this.#durable.change({ kind: "write", offset: 0, bytes });
  }

  namedBy(directory: LoggedDirectory): void {
    const { count } = directory;
    this.#settleName = () => directory.settle(count);
  }

  /** `isFlushed` says nothing of the changes before it, which wait for a flush of their own. */
  change(change: Change, isFlushed = false): void {
    this.#changes.push({ change, isFlushed });
  }

  flushBegins(thread: number): void {
    const upTo = this.#flushedChanges + this.#changes.length;
    this.#flushes.set(thread, { upTo, names: this.#settleName });
  }

  flushed(thread: number): void {
    const { upTo, names } = this.#flushes.get(thread)!;
    while (this.#flushedChanges < upTo) {
      this.#durable.change(this.#changes.shift()!.change);
      this.#flushedChanges += 1;
    }
    names();
  }

  /** What was to be flushed is lost, and counts as flushed from now on. */
  flushFailed(thread: number): void {
    const { upTo } = this.#flushes.get(thread)!;
    if (upTo <= this.#flushedChanges) return;
    this.#changes.splice(0, upTo - this.#flushedChanges);
    this.#flushedChanges = upTo;
  }

  afterLoss(random: SeededRandom): Buffer {
    for (const { change, isFlushed } of this.#changes) {
      const part = isFlushed ? change : surviving(change, random);
      if (part !== undefined) this.#durable.change(part);
    }
    return this.#durable.bytes;
  }
}

/** Bytes changed in place. */
class GrowingBytes {
  #buffer = Buffer.alloc(0);
  #length = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  change(change: Change): void {
    if (change.kind === "truncate") {
      if (change.length > this.#length) this.#grow(change.length);
      this.#buffer.fill(0, change.length, this.#length);
      this.#length = change.length;
      return;
    }
    const end = change.offset + change.bytes.length;
    if (change.bytes.length > 0 && end > this.#length) this.#grow(end);
    change.bytes.copy(this.#buffer, change.offset);
  }

  #grow(length: number): void {
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(length, this.#buffer.length * 2));
      this.#buffer.copy(larger);
      this.#buffer = larger;
    }
    this.#length = length;
  }
}
