import { assert } from "../base/assert.ts";
import type { FileKey } from "../data/data.ts";
import type { Sequence } from "../store/store.ts";
import type { Redo } from "./redo.ts";
import type { FileType, Inode, StorageClass, Timestamp } from "./file-system.ts";

const types: readonly FileType[] = ["file", "directory", "symlink", "fifo", "socket"];
const recordLength = 128;
const metadataBytes = 2048;
const blockBytes = 4096;
/** The second byte of a record: whether it is inline, and above that its storage class. */
const inlineFlag = 1;
export const storageClasses: readonly StorageClass[] = ["standard", "infrequentAccess", "archive"];

/** An inode in memory: what `Inode` shows, and what only the file system itself needs. */
export class Node implements Inode {
  readonly number: FileKey;
  readonly type: FileType;
  /** Random; part of the handle, so that handles can't be guessed (facts §2.1). */
  readonly generationHigh: number;
  readonly generationLow: number;
  mode = 0;
  /** Where the data is metered; directories and the like stay in standard. */
  storageClass: StorageClass = "standard";
  links = 0;
  uid = 0;
  gid = 0;
  change = 0;
  verifierHigh = 0;
  verifierLow = 0;
  /** Bytes of a file or a symbolic link. */
  length = 0;
  /**
   * Files: how far the contents are known to be durable. After a crash they read as zeros from
   * here on: what was never committed, and what a cut that was not flushed would bring back.
   */
  solidLength = 0;
  /** Directories: bytes that the entries take, how many there are, the next one's cookie. */
  entryBytes = 0;
  entries = 0;
  nextCookie = 3;
  /** Directories: the one above. */
  parent: FileKey = 0;
  /** Files with holes: the room that their contents take; -1 for those without. */
  sparseBytes = -1;
  accessTime: Timestamp = epoch;
  modifyTime: Timestamp = epoch;
  changeTime: Timestamp = epoch;
  birthTime: Timestamp = epoch;
  /** Files: the contents are in the store beside the record, all of them. */
  isInline = false;
  /** Contents of an inline file that are newer than what is stored. Not stored. */
  unsavedContents: Uint8Array | undefined;
  /** There are contents of an inline file in the store. Not stored. */
  hasInlineStored = false;
  /** Stable writes of a file that isn't inline, until it is flushed. */
  redo: Redo | undefined;
  /** Contents that neither a flush nor `redo` has made durable. Not stored. */
  isUnflushed = false;
  /** Opens that keep the contents though the last name may be gone. Not stored. */
  holds = 0;
  /** Work that waits with the object in hand: it must stay the only one. Not stored. */
  pins = 0;
  /** Contents from here on are former ones, still to be cut off, and read as zeros; -1: none are. Not stored. */
  cutAt = -1;
  /** The commit that must be durable before contents may change. Not stored. */
  changeableAt: Sequence = 0;
  /** The store has it among those without a name. */
  isOrphan = false;
  /** It is in the store no more. Not stored. */
  removed = false;
  /** What of it the file system's metered size contains, and in which class. Not stored. */
  meteredSaved: Metered = unmetered;

  constructor(number: FileKey, type: FileType, generationHigh: number, generationLow: number) {
    this.number = number;
    this.type = type;
    this.generationHigh = generationHigh;
    this.generationLow = generationLow;
  }

  get size(): number {
    return this.type === "directory" ? metadataBytes + this.spaceUsed : this.length;
  }

  get spaceUsed(): number {
    if (this.type === "directory") return inBlocks(this.entryBytes);
    if (this.type !== "file") return blockBytes;
    const full = inBlocks(this.length);
    return this.sparseBytes < 0 ? full : Math.min(full, inBlocks(this.sparseBytes));
  }

  /** Whether all contents are durable where they belong. */
  get isFlushed(): boolean {
    if (this.type !== "file" || this.isInline) return true;
    if (this.isUnflushed || this.redo?.isNeeded) return false;
    return this.solidLength === (this.cutAt < 0 ? this.length : this.cutAt);
  }

  /** Whether the record, once stored and durable, says all that is to be known of the contents. */
  get isSettled(): boolean {
    return this.isFlushed && (this.redo?.isEmpty ?? true);
  }

  /** What the inode adds to the file system's metered size (facts §2.8). */
  get metered(): Metered {
    const { spaceUsed, storageClass } = this;
    const isUsual = spaceUsed === blockBytes && storageClass === "standard";
    return isUsual ? meteredBlock : { metadata: metadataBytes, data: spaceUsed, storageClass };
  }
}

/** Metered bytes of one inode: its metadata is always in standard. */
export interface Metered {
  readonly metadata: number;
  readonly data: number;
  readonly storageClass: StorageClass;
}

export const unmetered: Metered = { metadata: 0, data: 0, storageClass: "standard" };
/** What most inodes have, in one object for all of them. */
const meteredBlock: Metered = {
  metadata: metadataBytes,
  data: blockBytes,
  storageClass: "standard",
};

const epoch: Timestamp = { seconds: 0, nanoseconds: 0 };

/** Whole 4 KiB steps, at least one (facts §2.8). */
function inBlocks(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / blockBytes)) * blockBytes;
}

/** The bytes of an entry of a directory: its name and a fixed part. */
export function entrySize(nameLength: number): number {
  return nameLength + 32;
}

const encoded = Buffer.allocUnsafeSlow(recordLength);
const encodedView = new DataView(encoded.buffer, encoded.byteOffset, recordLength);

/** The record, valid until the next call: a store copies what it is given. */
export function encodeNode(node: Node): Uint8Array {
  const view = encodedView;
  view.setUint8(0, types.indexOf(node.type));
  view.setUint8(1, (storageClasses.indexOf(node.storageClass) << 1) | Number(node.isInline));
  view.setUint16(2, node.mode);
  view.setUint32(4, node.links);
  view.setUint32(8, node.uid);
  view.setUint32(12, node.gid);
  view.setUint32(16, node.generationHigh);
  view.setUint32(20, node.generationLow);
  view.setUint32(24, node.verifierHigh);
  view.setUint32(28, node.verifierLow);
  view.setFloat64(32, node.change);
  view.setFloat64(40, node.type === "directory" ? node.entryBytes : node.length);
  view.setFloat64(48, node.type === "directory" ? node.nextCookie : node.sparseBytes);
  view.setFloat64(56, node.parent);
  view.setFloat64(64, node.entries);
  encodeTime(view, 72, node.accessTime);
  encodeTime(view, 84, node.modifyTime);
  encodeTime(view, 96, node.changeTime);
  encodeTime(view, 108, node.birthTime);
  view.setFloat64(120, hasSolidLength(node) ? node.length - node.solidLength : 0);
  return encoded;
}

function encodeTime(view: DataView, at: number, time: Timestamp): void {
  view.setFloat64(at, time.seconds);
  view.setUint32(at + 8, time.nanoseconds);
}

/** What is stored with the record needs none. */
function hasSolidLength(node: Node): boolean {
  return node.type === "file" && !node.isInline;
}

/** Whether `decodeNode` can make something of it. */
export function isNodeRecord(record: Uint8Array): boolean {
  return record.length === recordLength && record[0]! < types.length;
}

export function decodeNode(number: FileKey, record: Uint8Array): Node {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const type = types[view.getUint8(0)];
  assert(type !== undefined, `inode ${number} is of no known type`);
  const node = new Node(number, type, view.getUint32(16), view.getUint32(20));
  node.mode = view.getUint16(2);
  node.storageClass = storageClasses[view.getUint8(1) >> 1] ?? "standard";
  node.links = view.getUint32(4);
  node.uid = view.getUint32(8);
  node.gid = view.getUint32(12);
  node.verifierHigh = view.getUint32(24);
  node.verifierLow = view.getUint32(28);
  node.change = view.getFloat64(32);
  if (type === "directory") {
    node.entryBytes = view.getFloat64(40);
    node.nextCookie = view.getFloat64(48);
  } else {
    node.length = view.getFloat64(40);
    node.sparseBytes = view.getFloat64(48);
    node.isInline = (view.getUint8(1) & inlineFlag) !== 0;
    node.hasInlineStored = node.isInline && node.length > 0;
    node.solidLength = node.length - view.getFloat64(120);
    if (node.solidLength < node.length) node.cutAt = node.solidLength;
  }
  node.parent = view.getFloat64(56);
  node.entries = view.getFloat64(64);
  const time = (index: number): Timestamp => ({
    seconds: view.getFloat64(72 + index * 12),
    nanoseconds: view.getUint32(80 + index * 12),
  });
  node.accessTime = time(0);
  node.modifyTime = time(1);
  node.changeTime = time(2);
  node.birthTime = time(3);
  return node;
}
