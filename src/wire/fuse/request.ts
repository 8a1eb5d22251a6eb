import { requestHeaderLength } from "./protocol.ts";

/** struct fuse_in_header, and the operation's own part, read where it lies in the buffer. */
export class FuseRequest {
  readonly #bytes: Buffer;
  readonly opcode: number;
  readonly unique: bigint;
  readonly nodeId: number;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly end: number;

  /** Throws `RangeError` where the bytes are shorter than the request says. */
  constructor(bytes: Buffer) {
    this.end = bytes.readUInt32LE(0);
    if (this.end > bytes.length || this.end < requestHeaderLength) {
      throw new RangeError(`a FUSE request of ${this.end} bytes in ${bytes.length}`);
    }
    this.#bytes = this.end === bytes.length ? bytes : bytes.subarray(0, this.end);
    this.opcode = bytes.readUInt32LE(4);
    this.unique = bytes.readBigUInt64LE(8);
    this.nodeId = Number(bytes.readBigUInt64LE(16));
    this.uid = bytes.readUInt32LE(24);
    this.gid = bytes.readUInt32LE(28);
    this.pid = bytes.readUInt32LE(32);
  }

  uint32(at: number): number {
    return this.#bytes.readUInt32LE(requestHeaderLength + at);
  }

  int64(at: number): number {
    return Number(this.#bytes.readBigInt64LE(requestHeaderLength + at));
  }

  uint64(at: number): number {
    return Number(this.#bytes.readBigUInt64LE(requestHeaderLength + at));
  }

  bigUint64(at: number): bigint {
    return this.#bytes.readBigUInt64LE(requestHeaderLength + at);
  }

  /** Names that end with NUL, one character a byte. */
  names(at: number): string[] {
    const start = requestHeaderLength + at;
    const text = this.#bytes.toString("latin1", start, this.end);
    const names = text.split("\0");
    names.pop();
    return names;
  }

  name(at: number): string {
    return this.names(at)[0] ?? "";
  }

  /** A copy of the bytes from there on. */
  data(at: number, length: number): Buffer {
    const start = requestHeaderLength + at;
    if (start + length > this.end) throw new RangeError("a FUSE request is shorter than its data");
    return Buffer.from(this.#bytes.subarray(start, start + length));
  }
}
