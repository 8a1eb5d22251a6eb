import type { LongBuffers } from "./record-reader.ts";

/**
 * Long buffers of which all connections of a server use the one that was used last: without it each
 * that ever carried a large record would keep several megabytes, and go through all of them.
 */
export class SharedLongBuffers implements LongBuffers {
  readonly #length: number;
  readonly #limit: number;
  readonly #spare: Buffer[] = [];

  /** Of `length` bytes each; `limit` of them are kept while nobody uses them. */
  constructor(length: number, limit: number) {
    this.#length = length;
    this.#limit = limit;
  }

  take(minimum: number): Buffer {
    const spare = minimum <= this.#length ? this.#spare.pop() : undefined;
    return spare ?? Buffer.allocUnsafeSlow(Math.max(minimum, this.#length));
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length !== this.#length || this.#spare.length === this.#limit) return;
    this.#spare.push(buffer);
  }
}
