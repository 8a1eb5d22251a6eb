import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import path from "node:path";

/** The disk below the journal, handed in so that a test can cut writes short and lose them. */
export interface JournalFiles {
  /** Names in ascending order. */
  list(): string[];
  read(name: string): Buffer;
  /** Makes a new segment, durable by name; anything may stand in it. */
  create(name: string): JournalSegment;
  /** A crash may bring the segment back until a `create` after this has returned. */
  remove(name: string): void;
  /** The same for a segment that may be written over: all that it has is older than what follows. */
  retire(name: string): void;
}

export interface JournalSegment {
  /** Writes at the offset; the bytes may be lost in a crash until `flush` calls back. */
  write(bytes: Uint8Array, offset: number): void;
  /** `isLonely`: hardly anybody would be held up if it blocked until the flush is over. */
  flush(isLonely: boolean, call: (error: Error | null) => void): void;
  close(): void;
}

const journalSuffix = ".journal";
const spareSuffix = ".spare";
/** Segments kept to be written over: their room is on the disk, so that flushes are cheaper. */
const sparesLimit = 2;
/** Zeros written ahead into a new segment, so that a flush need not change the file's size. */
const preallocatedBytes = 8 << 20;

export class DirectoryJournalFiles implements JournalFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  list(): string[] {
    return this.#namesWith(journalSuffix);
  }

  read(name: string): Buffer {
    return readFileSync(this.#path(name));
  }

  create(name: string): JournalSegment {
    const [spare] = this.#namesWith(spareSuffix);
    if (spare !== undefined) renameSync(this.#path(spare), this.#path(name));
    const descriptor = openSync(this.#path(name), spare === undefined ? "w+" : "r+");
    if (spare === undefined) {
      writeSync(descriptor, Buffer.alloc(preallocatedBytes), 0, preallocatedBytes, 0);
      fsyncSync(descriptor);
    }
    this.#flushDirectory();
    return new FileSegment(descriptor);
  }

  remove(name: string): void {
    unlinkSync(this.#path(name));
  }

  retire(name: string): void {
    if (this.#namesWith(spareSuffix).length >= sparesLimit) this.remove(name);
    else renameSync(this.#path(name), this.#path(name + spareSuffix));
  }

  #namesWith(suffix: string): string[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(suffix))
      .sort();
  }

  #path(name: string): string {
    return path.join(this.#directory, name);
  }

  #flushDirectory(): void {
    const directory = openSync(this.#directory, "r");
    fsyncSync(directory);
    closeSync(directory);
  }
}

/** How long a flush may usually take for the whole process to wait for it. */
const blockingFlushMs = 0.4;
/** Share of the newest flush in what is taken for usual. */
const newestShare = 0.2;

class FileSegment implements JournalSegment {
  readonly #descriptor: number;
  #usualMs = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
    }
  }

  /** Blocking saves a fast disk's flush the way to another thread and back, a third of its time. */
  flush(isLonely: boolean, call: (error: Error | null) => void): void {
    const startMs = performance.now();
    if (isLonely && this.#usualMs < blockingFlushMs) {
      let failure: Error | null = null;
      try {
        fdatasyncSync(this.#descriptor);
      } catch (error) {
        failure = error as Error;
      }
      this.#took(performance.now() - startMs);
      call(failure);
      return;
    }
    fdatasync(this.#descriptor, (error) => {
      this.#took(performance.now() - startMs);
      call(error);
    });
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #took(ms: number): void {
    this.#usualMs += (ms - this.#usualMs) * newestShare;
  }
}
