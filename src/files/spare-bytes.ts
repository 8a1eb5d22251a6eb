import { spareContentsBytes } from "./limits.ts";

/**
 * Copies of bytes, in memory that was used for such before: what is allocated outside of the
 * JavaScript heap for every few thousand bytes is dear, and brings the garbage collector earlier.
 */
export class SpareBytes {
  readonly #limit: number;
  readonly #byLength = new Map<number, Uint8Array[]>();
  #total = 0;

  /** Keeps up to `limit` bytes, with what it takes to keep them. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  copy(bytes: Uint8Array): Uint8Array {
    const spare = this.#byLength.get(bytes.length)?.pop();
    if (spare === undefined) return Uint8Array.prototype.slice.call(bytes);
    this.#total -= spare.length + keptWith;
    spare.set(bytes);
    return spare;
  }

  /** Nobody uses these bytes any more. */
  giveBack(bytes: Uint8Array): void {
    if (this.#total + bytes.length + keptWith > this.#limit) this.#forget();
    const spares = this.#byLength.get(bytes.length);
    if (spares === undefined) this.#byLength.set(bytes.length, [bytes]);
    else spares.push(bytes);
    this.#total += bytes.length + keptWith;
  }

  /** Of lengths that nobody asks for: those that are of use come again. */
  #forget(): void {
    this.#byLength.clear();
    this.#total = 0;
  }
}

/** About the bytes of an array beside its elements. */
const keptWith = 200;

/** Of contents that are in the store now: small files' and stable writes'. */
export const spareContents = new SpareBytes(spareContentsBytes);
