import type { Data, FileKey } from "../data.ts";

const blockSize = 4096;

/** Keeps contents in memory by blocks, so that holes take no room: for tests. */
export class MemoryData implements Data {
  readonly #files = new Map<FileKey, Map<number, Uint8Array>>();

  read(file: FileKey, offset: number, target: Uint8Array): number {
    const blocks = this.#files.get(file);
    target.fill(0);
    eachBlock(offset, target.length, (index, within, from, length) => {
      const block = blocks?.get(index);
      if (block) target.set(block.subarray(within, within + length), from);
    });
    return target.length;
  }

  write(file: FileKey, offset: number, bytes: Uint8Array): number {
    let blocks = this.#files.get(file);
    if (blocks === undefined) this.#files.set(file, (blocks = new Map()));
    eachBlock(offset, bytes.length, (index, within, from, length) => {
      let block = blocks.get(index);
      if (block === undefined) blocks.set(index, (block = new Uint8Array(blockSize)));
      block.set(bytes.subarray(from, from + length), within);
    });
    return bytes.length;
  }

  truncate(file: FileKey, length: number): void {
    const blocks = this.#files.get(file);
    if (blocks === undefined) return;
    const first = Math.floor(length / blockSize);
    for (const index of blocks.keys()) if (index > first) blocks.delete(index);
    if (length % blockSize === 0) blocks.delete(first);
    else blocks.get(first)?.fill(0, length % blockSize);
  }

  allocated(file: FileKey): number {
    return (this.#files.get(file)?.size ?? 0) * blockSize;
  }

  seek(file: FileKey, offset: number, what: "data" | "hole"): number | undefined {
    const blocks = this.#files.get(file) ?? new Map<number, Uint8Array>();
    const last = Math.max(-1, ...blocks.keys());
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
