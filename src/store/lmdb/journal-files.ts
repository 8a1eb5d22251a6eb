import {
  closeSync,
  fdatasync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import path from "node:path";

/** The disk below the journal, handed in so that a test can cut writes short and lose them. */
export interface JournalFiles {
  /** Names in ascending order. */
  list(): string[];
  read(name: string): Buffer;
  /** Makes a new, empty segment, durable by name. */
  create(name: string): JournalSegment;
  /** A crash may bring the segment back until a `create` after this has returned. */
  remove(name: string): void;
}

export interface JournalSegment {
  /** Writes at the offset; the bytes may be lost in a crash until `flush` calls back. */
  write(bytes: Uint8Array, offset: number): void;
  flush(call: (error: Error | null) => void): void;
  close(): void;
}

/** Zeros written ahead, so that a flush need not change the file's size: it is twice as fast. */
const preallocatedBytes = 4 << 20;

export class DirectoryJournalFiles implements JournalFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  list(): string[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(".journal"))
      .sort();
  }

  read(name: string): Buffer {
    return readFileSync(path.join(this.#directory, name));
  }

  create(name: string): JournalSegment {
    const descriptor = openSync(path.join(this.#directory, name), "w+");
    writeSync(descriptor, Buffer.alloc(preallocatedBytes), 0, preallocatedBytes, 0);
    fsyncSync(descriptor);
    this.#flushDirectory();
    return {
      write: (bytes, offset) => {
        for (let done = 0; done < bytes.length;) {
          done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
        }
      },
      flush: (call) => fdatasync(descriptor, call),
      close: () => closeSync(descriptor),
    };
  }

  remove(name: string): void {
    unlinkSync(path.join(this.#directory, name));
  }

  #flushDirectory(): void {
    const directory = openSync(this.#directory, "r");
    fsyncSync(directory);
    closeSync(directory);
  }
}
