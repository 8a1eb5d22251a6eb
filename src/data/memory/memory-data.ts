import type { Data, FileKey } from "../data.ts";

const blockSize = 4096;

interface Contents {
  length: number;
  readonly blocks: Map<number, Uint8Array>;
}

/** Keeps contents in memory by blocks, so that holes take no room: for tests. */
export class MemoryData implements Data {
  readonly #files = new Map<FileKey, Contents>();
  /** What `room` answers: a test fills the disk with it. */
  free = Infinity;

  room(): number {
    return this.free;
  }

  read(file: FileKey, offset: number, target: Uint8Array): number {
    const blocks = this.#files.get(file)?.blocks;
    target.fill(0);
    eachBlock(offset, target.length, (index, within, from, length) => {
      const block = blocks?.get(index);
      if (block) target.set(block.subarray(within, within + length), from);
    });
    return target.length;
  }

  write(file: FileKey, offset: number, bytes: Uint8Array): number {
    let contents = this.#files.get(file);
    if (contents === undefined)
      this.#files.set(file, (contents = { length: 0, blocks: new Map() }));
    const { blocks } = contents;
    contents.length = Math.max(contents.length, offset + bytes.length);
    eachBlock(offset, bytes.length, (index, within, from, length) => {
      let block = blocks.get(index);
      if (block === undefined) blocks.set(index, (block = new Uint8Array(blockSize)));
      block.set(bytes.subarray(from, from + length), within);
    });
    return bytes.length;
  }

  truncate(file: FileKey, length: number): void {
    const contents = this.#files.get(file);
    if (contents === undefined) return;
    const { blocks } = contents;
    contents.length = Math.min(contents.length, length);
    const first = Math.floor(length / blockSize);
    for (const index of blocks.keys()) if (index > first) blocks.delete(index);
    if (length % blockSize === 0) blocks.delete(first);
    else blocks.get(first)?.fill(0, length % blockSize);
  }

  length(file: FileKey): number {
    return this.#files.get(file)?.length ?? 0;
  }

  allocated(file: FileKey): number {
    return (this.#files.get(file)?.blocks.size ?? 0) * blockSize;
  }

  seek(file: FileKey, offset: number, what: "data" | "hole"): number | undefined {
    const { length, blocks } = this.#files.get(file) ?? { length: 0, blocks: new Map() };
    const last = Math.ceil(length / blockSize) - 1;
    for (let index = Math.floor(offset / blockSize); index <= last; index += 1) {
      if (blocks.has(index) === (what === "data")) return Math.max(offset, index * blockSize);
    }
    return what === "data" ? undefined : Math.max(offset, (last + 1) * blockSize);
  }

  remove(file: FileKey): void {
    this.#files.delete(file);
  }

  whenDurable(_file: FileKey, call: (error?: Error) => void): void {
    call();
  }

  list(): Iterable<FileKey> {
    return [...this.#files.keys()];
  }

  async close(): Promise<void> {}
}

function eachBlock(
  offset: number,
  length: number,
  visit: (index: number, within: number, from: number, length: number) => void,
): void {
  for (let from = 0; from < length;) {
    const at = offset + from;
    const within = at % blockSize;
    const step = Math.min(blockSize - within, length - from);
    visit(Math.floor(at / blockSize), within, from, step);
    from += step;
  }
}
