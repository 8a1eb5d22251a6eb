/**
 * Reads External Data Representation (RFC 4506) from a part of a buffer, without copying.
 * Everything of variable length takes a maximum; what doesn't fit throws `XdrError`.
 */
export class XdrReader {
  #bytes: Uint8Array = emptyBytes;
  #view: DataView = emptyView;
  #end = 0;
  /** Where the next read starts, in the buffer given to `reset`. */
  offset = 0;

  constructor(bytes: Uint8Array = emptyBytes) {
    this.reset(bytes, 0, bytes.length);
  }

  /** Points the reader at `bytes` from `start` to `end`; readers of hot paths are reused. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    // Nearly always the buffer of before.
    if (bytes !== this.#bytes) {
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#bytes = bytes;
    this.offset = start;
    this.#end = end;
  }

  /** A reader of a copy of what is left, for when the buffer is about to be used again. */
  detached(): XdrReader {
    const rest = Uint8Array.prototype.slice.call(this.#bytes, this.offset, this.#end);
    return new XdrReader(rest);
  }

  get remaining(): number {
    return this.#end - this.offset;
  }

  uint32(): number {
    const at = this.#advance(4);
    return this.#view.getUint32(at);
  }

  int32(): number {
    const at = this.#advance(4);
    return this.#view.getInt32(at);
  }

  /** An unsigned 64-bit number that has to fit a double exactly: offsets, sizes, file ids. */
  uint53(): number {
    const at = this.#advance(8);
    const high = this.#view.getUint32(at);
    if (high > 0x1fffff) throw new XdrError("a 64-bit number is larger than 2^53 - 1");
    return high * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  /** As `uint53`, but what is larger reads as Infinity: lengths "to the end of the file". */
  uint64OrInfinity(): number {
    const at = this.#advance(8);
    const high = this.#view.getUint32(at);
    if (high > 0x1fffff) return Infinity;
    return high * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  /** Any unsigned 64-bit number, exactly: what is only compared. */
  uint64(): number | bigint {
    const at = this.#advance(8);
    const high = this.#view.getUint32(at);
    if (high > 0x1fffff) return this.#view.getBigUint64(at);
    return high * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  bigUint64(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  /** Signed: seconds. What is beyond 2^53 - 1, either way, reads as that, as Linux clamps times. */
  int64(): number {
    const at = this.#advance(8);
    const value = this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  boolean(): boolean {
    const value = this.uint32();
    if (value > 1) throw new XdrError(`a boolean is ${value}`);
    return value === 1;
  }

  /** A view of the bytes, valid as long as the buffer is. */
  fixedOpaque(length: number): Uint8Array {
    if (length === 0) return emptyBytes;
    const at = this.#advance(length + padding(length));
    return this.#bytes.subarray(at, at + length);
  }

  /** A view of the bytes, valid as long as the buffer is. */
  opaque(maximumLength: number): Uint8Array {
    return this.fixedOpaque(this.#length(maximumLength));
  }

  skipOpaque(maximumLength: number): void {
    const length = this.#length(maximumLength);
    this.#advance(length + padding(length));
  }

  /** Whether what comes next is `bytes`; nothing is read. */
  isNext(bytes: Uint8Array): boolean {
    const { length } = bytes;
    if (length > this.remaining) return false;
    for (let at = 0; at < length; at += 1) {
      if (this.#bytes[this.offset + at] !== bytes[at]) return false;
    }
    return true;
  }

  /** Bytes as a string of one character a byte. */
  byteString(maximumLength: number): string {
    const length = this.#length(maximumLength);
    const at = this.#advance(length + padding(length));
    return Buffer.prototype.latin1Slice.call(this.#bytes, at, at + length);
  }

  /** Reads `count` items, each by `item`. */
  array<T>(maximumCount: number, item: (reader: XdrReader) => T): T[] {
    const count = this.#length(maximumCount);
    const items: T[] = [];
    for (let index = 0; index < count; index += 1) items.push(item(this));
    return items;
  }

  skip(length: number): void {
    this.#advance(length);
  }

  #length(maximum: number): number {
    const length = this.uint32();
    if (length > maximum)
      throw new XdrError(`a length is ${length}, at most ${maximum} is allowed`);
    return length;
  }

  #advance(length: number): number {
    const at = this.offset;
    if (length > this.#end - at) throw new XdrError(`${length} bytes are wanted, the data ends`);
    this.offset = at + length;
    return at;
  }
}

/** The bytes are not what the protocol says. */
export class XdrError extends Error {
  override readonly name = "XdrError";
}

/** XDR fills up to whole words (RFC 4506 §4). */
export function padding(length: number): number {
  return -length & 3;
}

const emptyBytes = new Uint8Array(0);
const emptyView = new DataView(emptyBytes.buffer);
