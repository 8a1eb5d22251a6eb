// Record marking (RFC 5531 §11): a record is one or more fragments, each after a word with its
// length and, in the highest bit, whether it is the last one.

/** Where a record's contents lie. */
export interface RecordRange {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * Records of the greatest length for which a long buffer has room: a stream with one large record
 * has more, and few of them have to be moved to the buffer's beginning.
 */
export const recordsInLongBuffer = 4;

/** Long buffers that readers take for large records, and give back when they have read them. */
export interface LongBuffers {
  take(minimum: number): Buffer;
  giveBack(buffer: Buffer): void;
}

/** Splits a byte stream into RPC records, without copying where a record lies in one piece. */
export class RecordReader {
  readonly #maximumLength: number;
  readonly #longBuffers: LongBuffers | undefined;
  /** What it reads into while no large record is there. */
  #own: Buffer;
  #buffer: Buffer;
  #start = 0;
  #end = 0;

  /** Without `longBuffers` it keeps one for itself, once there was a large record. */
  constructor(maximumLength: number, capacity = 64 * 1024, longBuffers?: LongBuffers) {
    this.#maximumLength = maximumLength;
    this.#longBuffers = longBuffers;
    this.#own = Buffer.allocUnsafeSlow(capacity);
    this.#buffer = this.#own;
  }

  /** Where the transport puts what arrives; call `received` with how much that was. */
  space(minimum: number): Buffer {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      if (this.#buffer !== this.#own) this.#replaceBuffer(this.#own);
    }
    if (this.#buffer.length - this.#end < minimum) this.#makeRoom(minimum);
    return this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end);
  }

  received(length: number): void {
    this.#end += length;
  }

  push(chunk: Uint8Array): void {
    this.space(chunk.length).set(chunk);
    this.received(chunk.length);
  }

  /**
   * The next whole record, as a range of `bytes`, or undefined until more arrives. The range is
   * valid until the next `space` or `push`. Throws `RecordTooLarge`.
   */
  next(): RecordRange | undefined {
    let at = this.#start;
    let length = 0;
    let fragments = 0;
    for (;;) {
      if (this.#end - at < 4) return undefined;
      const mark = this.#buffer.readUInt32BE(at);
      const fragmentLength = mark & 0x7fffffff;
      length += fragmentLength;
      fragments += 1;
      if (length > this.#maximumLength || fragments > maximumFragments) {
        throw new RecordTooLarge(this.#maximumLength);
      }
      at += 4 + fragmentLength;
      if (at > this.#end) return undefined;
      if (mark >= 0x80000000) break;
    }
    const recordStart = this.#start + 4;
    if (fragments > 1) this.#join(this.#start, at);
    this.#start = at;
    return { bytes: this.#buffer, start: recordStart, end: recordStart + length };
  }

  /** Moves the fragments' contents together, over the marks between them. */
  #join(start: number, end: number): void {
    let from = start;
    let to = start + 4;
    while (from < end) {
      const fragmentLength = this.#buffer.readUInt32BE(from) & 0x7fffffff;
      this.#buffer.copyWithin(to, from + 4, from + 4 + fragmentLength);
      to += fragmentLength;
      from += 4 + fragmentLength;
    }
  }

  #makeRoom(minimum: number): void {
    const kept = this.#end - this.#start;
    const needed = Math.max(kept + minimum, this.#announced());
    if (needed <= this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    } else {
      const larger = this.#larger(needed);
      this.#buffer.copy(larger, 0, this.#start, this.#end);
      this.#replaceBuffer(larger);
    }
    this.#start = 0;
    this.#end = kept;
  }

  /** Bytes of the next fragment with its mark, if that is there; what is too long `next` refuses. */
  #announced(): number {
    if (this.#end - this.#start < 4) return 0;
    const length = this.#buffer.readUInt32BE(this.#start) & 0x7fffffff;
    return 4 + Math.min(length, this.#maximumLength);
  }

  #larger(needed: number): Buffer {
    if (needed > largeRecord && this.#longBuffers !== undefined) {
      return this.#longBuffers.take(needed);
    }
    const isLarge = needed > largeRecord && this.#maximumLength > largeRecord;
    const capacity = isLarge ? this.#maximumLength * recordsInLongBuffer : this.#buffer.length * 2;
    this.#own = Buffer.allocUnsafeSlow(Math.max(needed, capacity));
    return this.#own;
  }

  #replaceBuffer(buffer: Buffer): void {
    const former = this.#buffer;
    this.#buffer = buffer;
    if (former.length > largeRecord) this.#longBuffers?.giveBack(former);
  }
}

/** Bytes; what is longer is contents of files. */
const largeRecord = 256 * 1024;

/** A record of more fragments than this is an attack, not a message. */
const maximumFragments = 1024;

export class RecordTooLarge extends Error {
  override readonly name = "RecordTooLarge";

  constructor(maximumLength: number) {
    super(`a record is longer than ${maximumLength} bytes`);
  }
}
