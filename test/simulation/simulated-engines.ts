// The contracts that the product has for its disk, over the simulated one.
import { type Data, type FileKey, NoSpace } from "../../src/data/data.ts";
import type { JournalFiles, JournalSegment } from "../../src/store/lmdb/journal-files.ts";
import type { SimulatedDisk, SimulatedFile } from "./simulated-disk.ts";

const blockBytes = 4096;

export class SimulatedJournalFiles implements JournalFiles {
  readonly #disk: SimulatedDisk;
  readonly #creating: () => void;
  readonly #removed: () => void;
  /** What stands in a segment that is used again. */
  #former: Buffer = Buffer.alloc(0);

  /** `creating` is called before a segment is made, `removed` after one is gone. */
  constructor(disk: SimulatedDisk, creating: () => void, removed: () => void) {
    this.#disk = disk;
    this.#creating = creating;
    this.#removed = removed;
  }

  list(): string[] {
    return [...this.#disk.segments.files.keys()].sort();
  }

  read(name: string): Buffer {
    return this.#disk.segments.files.get(name)!.current;
  }

  create(name: string): JournalSegment {
    this.#creating();
    this.#disk.segments.flushRemovals();
    const file = this.#disk.segments.make(name, true, this.#former);
    this.#former = Buffer.alloc(0);
    return {
      write: (bytes, offset) => file.change({ kind: "write", offset, bytes: Buffer.from(bytes) }),
      flush: (_isLonely, call) => this.#disk.flush(file, () => call(null)),
      close: () => {},
    };
  }

  remove(name: string): void {
    this.#disk.segments.remove(name);
    this.#removed();
  }

  retire(name: string): void {
    this.#former = this.read(name);
    this.remove(name);
  }
}

export class SimulatedData implements Data {
  readonly #disk: SimulatedDisk;

  constructor(disk: SimulatedDisk) {
    this.#disk = disk;
  }

  read(file: FileKey, offset: number, target: Uint8Array): number {
    target.fill(0);
    const contents = this.#file(file)?.current ?? Buffer.alloc(0);
    target.set(contents.subarray(offset, offset + target.length));
    return target.length;
  }

  write(file: FileKey, offset: number, bytes: Uint8Array): number {
    const there = this.#file(file) ?? this.#disk.contents.make(file, false);
    const fitting = Buffer.from(bytes.subarray(0, this.#disk.room));
    there.change({ kind: "write", offset, bytes: fitting });
    if (fitting.length < bytes.length) throw new NoSpace("ENOSPC");
    return bytes.length;
  }

  truncate(file: FileKey, length: number): void {
    const there = this.#file(file);
    if (there !== undefined && there.current.length > length) {
      there.change({ kind: "truncate", length });
    }
  }

  length(file: FileKey): number {
    return this.#file(file)?.current.length ?? 0;
  }

  allocated(file: FileKey): number {
    return Math.ceil(this.length(file) / blockBytes) * blockBytes;
  }

  seek(file: FileKey, offset: number, what: "data" | "hole"): number | undefined {
    const length = this.length(file);
    if (what === "hole") return Math.max(offset, length);
    return offset < length ? offset : undefined;
  }

  remove(file: FileKey): void {
    this.#disk.contents.remove(file);
  }

  whenDurable(file: FileKey, call: (error?: Error) => void): void {
    const there = this.#file(file);
    if (there === undefined) call();
    else this.#disk.flush(there, () => call());
  }

  room(): number {
    return Infinity;
  }

  list(): Iterable<FileKey> {
    return [...this.#disk.contents.files.keys()];
  }

  async close(): Promise<void> {
    const files = [...this.#disk.contents.files.values()];
    await Promise.all(
      files.map((file) => new Promise<void>((resolve) => this.#disk.flush(file, resolve))),
    );
    this.#disk.contents.flushRemovals();
  }

  #file(file: FileKey): SimulatedFile | undefined {
    return this.#disk.contents.files.get(file);
  }
}
