import { spareBuffers, transferBytes } from "./limits.ts";

/** Bytes of the kernel's largest request: a WRITE with its headers, and room to spare. */
const bufferBytes = transferBytes + 64 * 1024;

/**
 * Buffers for requests. Each has room for the largest; what of it was never written to takes no
 * memory, so that many small requests may wait in one each.
 */
export class RequestBuffers {
  readonly #spare: Buffer[] = [];
  /** Taken and neither given back nor kept. */
  used = 0;

  take(): Buffer {
    this.used += 1;
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
  }

  giveBack(buffer: Buffer): void {
    this.used -= 1;
    this.giveBackKept(buffer);
  }

  /** The buffer outlives its request. */
  keep(): void {
    this.used -= 1;
  }

  giveBackKept(buffer: Buffer): void {
    if (this.#spare.length < spareBuffers) this.#spare.push(buffer);
  }
}
