import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import path from "node:path";

import { type Data, type FileKey, NoSpace } from "../data.ts";
import { openFilesLimit, shards } from "./limits.ts";

interface OpenFile {
  readonly descriptor: number;
  /** Whoever waits for the flush that is under way, and for the one after it. */
  flushing: FlushWaiter[] | undefined;
  waiting: FlushWaiter[];
  /** To be closed when nobody waits any more. */
  isLeft: boolean;
}

type FlushWaiter = (error?: Error) => void;

/**
 * Keeps each file's contents as one sparse file of the machine's file system. Reads and writes go
 * through the page cache and finish at once; flushes of one file are shared. The first flush of a
 * new file makes its name durable too: Linux's own file systems promise that among themselves.
 */
export class LocalData implements Data {
  readonly #directory: string;
  /** In order of last use. */
  readonly #open = new Map<FileKey, OpenFile>();
  /** Shards that files were removed from. */
  readonly #thinned = new Set<number>();

  constructor(directory: string) {
    this.#directory = directory;
    for (let shard = 0; shard < shards; shard += 1) {
      mkdirSync(path.join(directory, shardName(shard)), { recursive: true });
    }
  }

  read(file: FileKey, offset: number, target: Uint8Array): number {
    const open = this.#existing(file);
    const filled = open === undefined ? 0 : readInto(target, open.descriptor, offset);
    if (filled < target.length) target.fill(0, filled);
    return target.length;
  }

  write(file: FileKey, offset: number, bytes: Uint8Array): number {
    const create = constants.O_RDWR | constants.O_CREAT;
    const { descriptor } = this.#known(file) ?? this.#opened(file, create);
    let done = 0;
    try {
      while (done < bytes.length) {
        done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") throw new NoSpace(code);
      throw error;
    }
    return done;
  }

  truncate(file: FileKey, length: number): void {
    const open = this.#existing(file);
    if (open === undefined) return;
    if (fstatSync(open.descriptor).size > length) ftruncateSync(open.descriptor, length);
  }

  length(file: FileKey): number {
    const open = this.#existing(file);
    return open === undefined ? 0 : fstatSync(open.descriptor).size;
  }

  allocated(file: FileKey): number {
    const open = this.#existing(file);
    return open === undefined ? 0 : fstatSync(open.descriptor).blocks * 512;
  }

  seek(file: FileKey, offset: number, what: "data" | "hole"): number | undefined {
    // Node has no SEEK_DATA: without it a file is one piece of data, which POSIX allows.
    const size = this.length(file);
    if (what === "hole") return Math.max(offset, size);
    return offset < size ? offset : undefined;
  }

  remove(file: FileKey): void {
    const open = this.#open.get(file);
    if (open !== undefined) this.#close(file, open);
    try {
      unlinkSync(this.#path(file));
      this.#thinned.add(file % shards);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  whenDurable(file: FileKey, call: FlushWaiter): void {
    const open = this.#existing(file);
    if (open === undefined) return call();
    open.waiting.push(call);
    if (open.flushing === undefined) this.#flush(open);
  }

  room(): number {
    const { bavail, bsize } = statfsSync(this.#directory);
    return bavail * bsize;
  }

  *list(): Generator<FileKey> {
    for (let shard = 0; shard < shards; shard += 1) {
      const names = readdirSync(path.join(this.#directory, shardName(shard)));
      for (const name of names) yield Number(name);
    }
  }

  async close(): Promise<void> {
    const waits = [...this.#open.keys()].map(
      (file) => new Promise<void>((resolve) => this.whenDurable(file, () => resolve())),
    );
    await Promise.all(waits);
    for (const [file, open] of this.#open) this.#close(file, open);
    for (const shard of this.#thinned) flushDirectory(path.join(this.#directory, shardName(shard)));
  }

  #flush(open: OpenFile): void {
    const waiters = open.waiting;
    open.waiting = [];
    open.flushing = waiters;
    fdatasync(open.descriptor, (error) => {
      // The system tells of what it could not write once, and takes it for written from then on:
      // only a crash is safe, after which clients send again what was not committed.
      if (error) throw error;
      open.flushing = undefined;
      for (const call of waiters) call();
      // One of the callbacks may have begun the next flush.
      if (open.flushing !== undefined) return;
      if (open.waiting.length > 0) this.#flush(open);
      else if (open.isLeft) closeSync(open.descriptor);
    });
  }

  #existing(file: FileKey): OpenFile | undefined {
    const known = this.#known(file);
    if (known !== undefined) return known;
    try {
      return this.#opened(file, constants.O_RDWR);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  #known(file: FileKey): OpenFile | undefined {
    const known = this.#open.get(file);
    if (known !== undefined) {
      this.#open.delete(file);
      this.#open.set(file, known);
    }
    return known;
  }

  #opened(file: FileKey, flags: number): OpenFile {
    if (this.#open.size >= openFilesLimit) this.#closeOldest();
    const descriptor = openSync(this.#path(file), flags, 0o600);
    const opened: OpenFile = { descriptor, flushing: undefined, waiting: [], isLeft: false };
    this.#open.set(file, opened);
    return opened;
  }

  /** A file that is being flushed stays open, so that its descriptor isn't reused meanwhile. */
  #closeOldest(): void {
    for (const [file, open] of this.#open) {
      if (open.flushing !== undefined) continue;
      this.#close(file, open);
      return;
    }
  }

  #close(file: FileKey, open: OpenFile): void {
    this.#open.delete(file);
    if (open.flushing === undefined) closeSync(open.descriptor);
    else open.isLeft = true;
  }

  #path(file: FileKey): string {
    return path.join(this.#directory, shardName(file % shards), String(file));
  }
}

function shardName(shard: number): string {
  return shard.toString(16).padStart(2, "0");
}

/** Returns how many bytes there were. */
function readInto(target: Uint8Array, descriptor: number, offset: number): number {
  let done = 0;
  while (done < target.length) {
    const got = readSync(descriptor, target, done, target.length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function flushDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}
