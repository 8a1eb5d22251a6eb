import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
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
}

type FlushWaiter = (error?: Error) => void;

/**
 * Keeps each file's contents as one sparse file of the machine's file system. Reads and writes go
 * through the page cache and finish at once; flushes of one file are shared.
 */
export class LocalData implements Data {
  readonly #directory: string;
  /** In order of last use. */
  readonly #open = new Map<FileKey, OpenFile>();

  constructor(directory: string) {
    this.#directory = directory;
    for (let shard = 0; shard < shards; shard += 1) {
      mkdirSync(path.join(directory, shardName(shard)), { recursive: true });
    }
  }

  read(file: FileKey, offset: number, target: Uint8Array): number {
    const { descriptor } = this.#file(file);
    let done = 0;
    while (done < target.length) {
      const got = readSync(descriptor, target, done, target.length - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    if (done < target.length) target.fill(0, done);
    return target.length;
  }

  write(file: FileKey, offset: number, bytes: Uint8Array): number {
    const { descriptor } = this.#file(file);
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
    const { descriptor } = this.#file(file);
    if (fstatSync(descriptor).size > length) ftruncateSync(descriptor, length);
  }

  allocated(file: FileKey): number {
    return fstatSync(this.#file(file).descriptor).blocks * 512;
  }

  seek(file: FileKey, offset: number, what: "data" | "hole"): number | undefined {
    // Node has no SEEK_DATA: without it a file is one piece of data, which POSIX allows.
    const { size } = fstatSync(this.#file(file).descriptor);
    if (what === "hole") return Math.max(offset, size);
    return offset < size ? offset : undefined;
  }

  remove(file: FileKey): void {
    const open = this.#open.get(file);
    if (open !== undefined) this.#close(file, open);
    try {
      unlinkSync(this.#path(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  whenDurable(file: FileKey, call: FlushWaiter): void {
    const open = this.#file(file);
    open.waiting.push(call);
    if (open.flushing === undefined) this.#flush(open);
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
  }

  #flush(open: OpenFile): void {
    const waiters = open.waiting;
    open.waiting = [];
    open.flushing = waiters;
    fdatasync(open.descriptor, (error) => {
      open.flushing = undefined;
      for (const call of waiters) call(error ?? undefined);
      if (open.waiting.length > 0) this.#flush(open);
    });
  }

  #file(file: FileKey): OpenFile {
    const known = this.#open.get(file);
    if (known !== undefined) {
      this.#open.delete(file);
      this.#open.set(file, known);
      return known;
    }
    if (this.#open.size >= openFilesLimit) this.#closeOldest();
    const descriptor = openSync(this.#path(file), constants.O_RDWR | constants.O_CREAT, 0o600);
    const opened: OpenFile = { descriptor, flushing: undefined, waiting: [] };
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
    else open.flushing.push(() => closeSync(open.descriptor));
  }

  #path(file: FileKey): string {
    return path.join(this.#directory, shardName(file % shards), String(file));
  }
}

function shardName(shard: number): string {
  return shard.toString(16).padStart(2, "0");
}
