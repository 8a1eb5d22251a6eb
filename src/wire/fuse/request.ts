import { requestHeaderLength } from "./protocol.ts";

/** struct fuse_in_header, and the operation's own part, read where it lies in the buffer. */
export class FuseRequest {
  /** The whole buffer that the request lies in. */
  readonly buffer: Buffer;
  readonly opcode: number;
  /** What a reply names the request by. */
  readonly uniqueLow: number;
  readonly uniqueHigh: number;
  readonly nodeId: number;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly end: number;
  /** The buffer stays with the bytes that were taken from it. */
  isKept = false;

  /** Throws `RangeError` where the bytes are shorter than the request says. */
  constructor(bytes: Buffer, length = bytes.length) {
    this.end = bytes.readUInt32LE(0);
    if (this.end > length || this.end < requestHeaderLength) {
      throw new RangeError(`a FUSE request of ${this.end} bytes in ${length}`);
    }
    this.buffer = bytes;
    this.opcode = bytes.readUInt32LE(4);
    this.uniqueLow = bytes.readUInt32LE(8);
    this.uniqueHigh = bytes.readUInt32LE(12);
    this.nodeId = bytes.readUInt32LE(16) + bytes.readUInt32LE(20) * 0x1_0000_0000;
    this.uid = bytes.readUInt32LE(24);
    this.gid = bytes.readUInt32LE(28);
    this.pid = bytes.readUInt32LE(32);
  }

  get unique(): bigint {
    return this.buffer.readBigUInt64LE(8);
  }

  uint32(at: number): number {
    return this.buffer.readUInt32LE(this.#within(at, 4));
  }

  /** Seconds: what is beyond 2^53 - 1, either way, reads as that, as Linux clamps times. */
  int64(at: number): number {
    const value = Number(this.buffer.readBigInt64LE(this.#within(at, 8)));
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  uint64(at: number): number {
    const start = this.#within(at, 8);
    return this.buffer.readUInt32LE(start) + this.buffer.readUInt32LE(start + 4) * 0x1_0000_0000;
  }

  /** Any 64 bits, exactly. */
  cookie(at: number): number | bigint {
    const start = this.#within(at, 8);
    if (this.buffer.readUInt32LE(start + 4) > 0x1fffff) return this.buffer.readBigUInt64LE(start);
    return this.uint64(at);
  }

  bigUint64(at: number): bigint {
    return this.buffer.readBigUInt64LE(this.#within(at, 8));
  }

  /** Names that end with NUL, one character a byte. */
  names(at: number): string[] {
    const start = requestHeaderLength + at;
    const text = this.buffer.toString("latin1", start, this.end);
    const names = text.split("\0");
    names.pop();
    return names;
  }

  name(at: number): string {
    return this.names(at)[0] ?? "";
  }

  /** A view of the bytes from there on, valid as long as the buffer is. */
  bytes(at: number, length: number): Buffer {
    const start = requestHeaderLength + at;
    if (start + length > this.end) throw new RangeError("a FUSE request is shorter than its data");
    return this.buffer.subarray(start, start + length);
  }

  /** A copy of the bytes from there on. */
  data(at: number, length: number): Buffer {
    return Buffer.from(this.bytes(at, length));
  }

  #within(at: number, length: number): number {
    const start = requestHeaderLength + at;
    if (start + length > this.end)
      throw new RangeError("a FUSE request is shorter than its fields");
    return start;
  }
}
