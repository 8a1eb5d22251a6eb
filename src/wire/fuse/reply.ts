import { attributesLength, entryLength } from "./protocol.ts";

/** struct fuse_attr. Times in seconds and nanoseconds. */
export interface FuseAttributes {
  readonly inode: number;
  readonly size: number;
  readonly blocks: number;
  readonly accessTime: FuseTime;
  readonly modifyTime: FuseTime;
  readonly changeTime: FuseTime;
  /** With the type's bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
}

export interface FuseTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const blockSize = 4096;

/** A whole number of up to 53 bits, negative ones in two's complement. */
function writeUint64(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value >>> 0, at);
  into.writeInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

function writeAttributes(into: Buffer, at: number, attributes: FuseAttributes): void {
  const { accessTime, modifyTime, changeTime } = attributes;
  writeUint64(into, attributes.inode, at);
  writeUint64(into, attributes.size, at + 8);
  writeUint64(into, attributes.blocks, at + 16);
  writeUint64(into, accessTime.seconds, at + 24);
  writeUint64(into, modifyTime.seconds, at + 32);
  writeUint64(into, changeTime.seconds, at + 40);
  into.writeUInt32LE(accessTime.nanoseconds, at + 48);
  into.writeUInt32LE(modifyTime.nanoseconds, at + 52);
  into.writeUInt32LE(changeTime.nanoseconds, at + 56);
  into.writeUInt32LE(attributes.mode, at + 60);
  into.writeUInt32LE(attributes.links, at + 64);
  into.writeUInt32LE(attributes.uid, at + 68);
  into.writeUInt32LE(attributes.gid, at + 72);
  into.writeUInt32LE(0, at + 76);
  into.writeUInt32LE(blockSize, at + 80);
  into.writeUInt32LE(0, at + 84);
}

/** How long the kernel may use an answer without asking again. */
export interface Validity {
  readonly seconds: number;
  /** Of a name that leads to the file, where that differs. */
  readonly nameSeconds?: number;
}

/** struct fuse_entry_out. */
export function encodeEntry(
  nodeId: number,
  attributes: FuseAttributes,
  validity: Validity,
): Buffer {
  const entry = Buffer.alloc(entryLength);
  writeEntry(entry, 0, nodeId, attributes, validity);
  return entry;
}

function writeEntry(
  into: Buffer,
  at: number,
  nodeId: number,
  attributes: FuseAttributes,
  { seconds, nameSeconds = seconds }: Validity,
): void {
  writeUint64(into, nodeId, at);
  writeUint64(into, 0, at + 8);
  writeUint64(into, nameSeconds, at + 16);
  writeUint64(into, seconds, at + 24);
  writeUint64(into, 0, at + 32);
  writeAttributes(into, at + 40, attributes);
}

/** struct fuse_attr_out. */
export function encodeAttributes(attributes: FuseAttributes, { seconds }: Validity): Buffer {
  const reply = Buffer.alloc(16 + attributesLength);
  writeUint64(reply, seconds, 0);
  writeAttributes(reply, 16, attributes);
  return reply;
}

/** struct fuse_notify_inval_inode_out, for attributes alone or for the contents of the file too. */
export function encodeInvalidation(nodeId: number, what: "attributes" | "all"): Buffer {
  const notification = Buffer.alloc(24);
  writeUint64(notification, nodeId, 0);
  // A negative offset leaves the contents alone.
  if (what === "attributes") notification.writeBigInt64LE(-1n, 8);
  return notification;
}

/** struct fuse_notify_inval_entry_out and the name, which has one byte a character. */
export function encodeEntryInvalidation(directoryId: number, name: string): Buffer {
  const notification = Buffer.alloc(16 + name.length + 1);
  writeUint64(notification, directoryId, 0);
  notification.writeUInt32LE(name.length, 8);
  notification.write(name, 16, "latin1");
  return notification;
}

/** struct fuse_open_out. */
export function encodeOpen(handle: number, flags = 0): Buffer {
  const reply = Buffer.alloc(16);
  writeUint64(reply, handle, 0);
  reply.writeUInt32LE(flags, 8);
  return reply;
}

/** struct fuse_write_out. */
export function encodeWritten(size: number): Buffer {
  const reply = Buffer.alloc(8);
  reply.writeUInt32LE(size, 0);
  return reply;
}

/** struct fuse_init_out. */
export function encodeInit(fields: {
  readonly major: number;
  readonly minor: number;
  readonly readAheadBytes: number;
  readonly flags: number;
  readonly flags2: number;
  readonly background: number;
  readonly writeBytes: number;
  readonly pages: number;
}): Buffer {
  const reply = Buffer.alloc(64);
  reply.writeUInt32LE(fields.major, 0);
  reply.writeUInt32LE(fields.minor, 4);
  reply.writeUInt32LE(fields.readAheadBytes, 8);
  reply.writeUInt32LE(fields.flags >>> 0, 12);
  reply.writeUInt16LE(fields.background, 16);
  reply.writeUInt16LE(Math.floor((fields.background * 3) / 4), 18);
  reply.writeUInt32LE(fields.writeBytes, 20);
  reply.writeUInt32LE(1, 24);
  reply.writeUInt16LE(fields.pages, 28);
  reply.writeUInt32LE(fields.flags2, 32);
  return reply;
}

/** struct fuse_statfs_out; counts in blocks. */
export function encodeStatfs(fields: {
  readonly blocks: bigint;
  readonly free: bigint;
  readonly blockBytes: number;
  readonly nameLength: number;
}): Buffer {
  const reply = Buffer.alloc(80);
  reply.writeBigUInt64LE(fields.blocks, 0);
  reply.writeBigUInt64LE(fields.free, 8);
  reply.writeBigUInt64LE(fields.free, 16);
  reply.writeUInt32LE(fields.blockBytes, 40);
  reply.writeUInt32LE(fields.nameLength, 44);
  reply.writeUInt32LE(fields.blockBytes, 48);
  return reply;
}

/** struct fuse_lk_out; `end` is the last byte. */
export function encodeLock(start: bigint, end: bigint, kind: number): Buffer {
  const reply = Buffer.alloc(24);
  reply.writeBigUInt64LE(start, 0);
  reply.writeBigUInt64LE(end, 8);
  reply.writeUInt32LE(kind, 16);
  return reply;
}

function lengthOf(name: string, plus: boolean): number {
  return (plus ? entryLength : 0) + ((24 + name.length + 7) & ~7);
}

/** Entries of a directory, as many as fit: struct fuse_dirent or fuse_direntplus. */
export class DirectoryReply {
  readonly #bytes: Buffer;
  #length = 0;

  constructor(maximumBytes: number) {
    this.#bytes = Buffer.alloc(maximumBytes);
  }

  get empty(): boolean {
    return this.#length === 0;
  }

  /** Whether an entry fits; with `plus` one of READDIRPLUS. */
  hasRoom(name: string, plus: boolean): boolean {
    return this.#length + lengthOf(name, plus) <= this.#bytes.length;
  }

  /** False where it doesn't fit. `entry` makes it READDIRPLUS's. */
  add(
    name: string,
    inode: number,
    nextOffset: number | bigint,
    type: number,
    entry?: { nodeId: number; attributes: FuseAttributes; validity: Validity },
  ): boolean {
    if (!this.hasRoom(name, entry !== undefined)) return false;
    const plus = entry === undefined ? 0 : entryLength;
    const length = lengthOf(name, entry !== undefined);
    const at = this.#length;
    if (entry !== undefined) {
      writeEntry(this.#bytes, at, entry.nodeId, entry.attributes, entry.validity);
    }
    writeUint64(this.#bytes, inode, at + plus);
    if (typeof nextOffset === "number") writeUint64(this.#bytes, nextOffset, at + plus + 8);
    else this.#bytes.writeBigUInt64LE(nextOffset, at + plus + 8);
    this.#bytes.writeUInt32LE(name.length, at + plus + 16);
    this.#bytes.writeUInt32LE(type, at + plus + 20);
    this.#bytes.write(name, at + plus + 24, "latin1");
    this.#length += length;
    return true;
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
