import { padding } from "./xdr-reader.ts";

/** Bytes up to which a loop costs less than calling out of JavaScript. */
const shortLength = 32;

/**
 * Writes External Data Representation (RFC 4506) into one buffer that grows as needed. What is
 * written may be patched or cut back while the writer is in use.
 */
export class XdrWriter {
  #bytes: Uint8Array;
  #view: DataView;
  /** How much has been written; setting it smaller takes back what follows. */
  length = 0;

  constructor(capacity = 1024) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, capacity);
  }

  /** Bytes that it can take without growing. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** What was written lies in its first `length` bytes; valid until the next write. */
  get buffer(): Uint8Array {
    return this.#bytes;
  }

  /** A view of what was written, valid until the next write. */
  written(start = 0): Uint8Array {
    return this.#bytes.subarray(start, this.length);
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.length, value);
    this.length += 4;
  }

  /** A whole number from 0 to 2^53 - 1 as 64 bits; Infinity as all ones. */
  uint64(value: number): void {
    this.#reserve(8);
    if (value === Infinity) {
      this.#view.setUint32(this.length, 0xffffffff);
      this.#view.setUint32(this.length + 4, 0xffffffff);
    } else {
      this.#view.setUint32(this.length, Math.floor(value / 0x1_0000_0000));
      this.#view.setUint32(this.length + 4, value >>> 0);
    }
    this.length += 8;
  }

  bigUint64(value: bigint): void {
    this.#reserve(8);
    this.#view.setBigUint64(this.length, value);
    this.length += 8;
  }

  int64(value: number): void {
    this.#reserve(8);
    this.#view.setInt32(this.length, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(this.length + 4, value >>> 0);
    this.length += 8;
  }

  boolean(value: boolean): void {
    this.uint32(value ? 1 : 0);
  }

  fixedOpaque(bytes: Uint8Array): void {
    const { length } = bytes;
    const filled = length + padding(length);
    this.#reserve(filled);
    this.#clearLastWord(filled);
    if (length <= shortLength) {
      const to = this.#bytes;
      for (let at = 0; at < length; at += 1) to[this.length + at] = bytes[at]!;
    } else {
      this.#bytes.set(bytes, this.length);
    }
    this.length += filled;
  }

  opaque(bytes: Uint8Array): void {
    this.uint32(bytes.length);
    this.fixedOpaque(bytes);
  }

  /** A string of one character a byte. */
  byteString(text: string): void {
    const { length } = text;
    const filled = length + padding(length);
    this.uint32(length);
    this.#reserve(filled);
    this.#clearLastWord(filled);
    if (length <= shortLength) {
      const to = this.#bytes;
      for (let at = 0; at < length; at += 1) to[this.length + at] = text.charCodeAt(at);
    } else {
      Buffer.prototype.latin1Write.call(this.#bytes, text, this.length, length);
    }
    this.length += filled;
  }

  array<T>(items: readonly T[], item: (writer: XdrWriter, value: T) => void): void {
    this.uint32(items.length);
    for (const value of items) item(this, value);
  }

  /** Room for `length` bytes that the caller fills in; valid until the next write. */
  room(length: number): Uint8Array {
    this.#reserve(length);
    const start = this.length;
    this.length += length;
    return this.#bytes.subarray(start, start + length);
  }

  /** What another one has written from `start` on. */
  append(other: XdrWriter, start: number): void {
    const length = other.length - start;
    this.#reserve(length);
    Buffer.prototype.copy.call(other.#bytes, this.#bytes, this.length, start, other.length);
    this.length += length;
  }

  patchUint32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  /** What fills up the last word is zero. */
  #clearLastWord(filled: number): void {
    if (filled > 0) this.#view.setUint32(this.length + filled - 4, 0);
  }

  #reserve(length: number): void {
    const needed = this.length + length;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer, larger.byteOffset, larger.length);
  }
}
