// fattr4: a bitmap of attribute numbers and their values in that order (RFC 8881 §5, §3.3.4).
import { padding, XdrError, type XdrReader } from "../xdr/xdr-reader.ts";
import type { XdrWriter } from "../xdr/xdr-writer.ts";

/** The attributes that EFS serves, by number (RFC 8881 §5.6, §5.7). */
export const Attribute = {
  supported: 0,
  type: 1,
  handleExpireType: 2,
  change: 3,
  size: 4,
  linkSupport: 5,
  symlinkSupport: 6,
  namedAttributes: 7,
  fileSystemId: 8,
  uniqueHandles: 9,
  leaseTime: 10,
  readdirError: 11,
  aclSupport: 13,
  canSetTime: 15,
  caseInsensitive: 16,
  casePreserving: 17,
  chownRestricted: 18,
  fileHandle: 19,
  fileId: 20,
  homogeneous: 26,
  maximumFileSize: 27,
  maximumLinks: 28,
  maximumName: 29,
  maximumRead: 30,
  maximumWrite: 31,
  mode: 33,
  noTruncation: 34,
  links: 35,
  owner: 36,
  ownerGroup: 37,
  rawDevice: 41,
  spaceAvailable: 42,
  spaceFree: 43,
  spaceTotal: 44,
  spaceUsed: 45,
  accessTime: 47,
  accessTimeSet: 48,
  timeDelta: 51,
  metadataTime: 52,
  modifyTime: 53,
  modifyTimeSet: 54,
  mountedOnFileId: 55,
  supportedExclusiveCreate: 75,
} as const;

/** bitmap4: 32 attribute numbers a word. */
export type Bitmap = readonly number[];

/** Words of a bitmap4, far more than there are attributes. */
const bitmapWordsLimit = 64;

export function decodeBitmap(reader: XdrReader): number[] {
  return reader.array(bitmapWordsLimit, (item) => item.uint32());
}

export function encodeBitmap(writer: XdrWriter, bitmap: Bitmap): void {
  let words = bitmap.length;
  while (words > 0 && bitmap[words - 1] === 0) words -= 1;
  writer.uint32(words);
  for (let word = 0; word < words; word += 1) writer.uint32(bitmap[word]!);
}

export function bitmapOf(attributes: readonly number[]): number[] {
  const bitmap: number[] = [0, 0, 0];
  for (const attribute of attributes) {
    const word = attribute >>> 5;
    bitmap[word] = (bitmap[word]! | (1 << (attribute & 31))) >>> 0;
  }
  return bitmap;
}

export function hasAttribute(bitmap: Bitmap, attribute: number): boolean {
  return ((bitmap[attribute >>> 5] ?? 0) & (1 << (attribute & 31))) !== 0;
}

export interface NfsTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export function decodeTime(reader: XdrReader): NfsTime {
  return { seconds: reader.int64(), nanoseconds: reader.uint32() };
}

export function encodeTime(writer: XdrWriter, time: NfsTime): void {
  writer.int64(time.seconds);
  writer.uint32(time.nanoseconds);
}

/** What SETATTR, CREATE and OPEN can set. */
export interface SettableAttributes {
  size?: number;
  mode?: number;
  owner?: string;
  ownerGroup?: string;
  accessTime?: NfsTime | "now";
  modifyTime?: NfsTime | "now";
}

export const settableBitmap: Bitmap = bitmapOf([
  Attribute.size,
  Attribute.mode,
  Attribute.owner,
  Attribute.ownerGroup,
  Attribute.accessTimeSet,
  Attribute.modifyTimeSet,
]);

const servedBitmap: Bitmap = bitmapOf(Object.values(Attribute));
const ownerLimit = 1024;

export interface DecodedSettable {
  readonly bitmap: readonly number[];
  readonly attributes: SettableAttributes;
  /** An attribute that can't be set (or isn't known) was among them. */
  readonly unsupported: boolean;
  /** The ones that can't be set can be read. */
  readonly readOnly: boolean;
}

/** Reads a fattr4 of attributes to set; the values of unsupported ones are skipped. */
export function decodeSettable(reader: XdrReader): DecodedSettable {
  const bitmap = decodeBitmap(reader);
  const length = reader.uint32();
  const end = reader.offset + length;
  if (length > reader.remaining) throw new XdrError("the attributes are longer than the message");
  const attributes: SettableAttributes = {};
  const unsupported = !isWithin(bitmap, settableBitmap);
  const readOnly = unsupported && isWithin(bitmap, servedBitmap);
  if (!unsupported) {
    if (hasAttribute(bitmap, Attribute.size)) attributes.size = reader.uint64OrInfinity();
    if (hasAttribute(bitmap, Attribute.mode)) attributes.mode = reader.uint32();
    if (hasAttribute(bitmap, Attribute.owner)) attributes.owner = reader.byteString(ownerLimit);
    if (hasAttribute(bitmap, Attribute.ownerGroup)) {
      attributes.ownerGroup = reader.byteString(ownerLimit);
    }
    if (hasAttribute(bitmap, Attribute.accessTimeSet))
      attributes.accessTime = decodeSetTime(reader);
    if (hasAttribute(bitmap, Attribute.modifyTimeSet))
      attributes.modifyTime = decodeSetTime(reader);
    if (reader.offset !== end) throw new XdrError("the attributes' length is not what they take");
  }
  reader.skip(end - reader.offset + padding(length));
  return { bitmap, attributes, unsupported, readOnly };
}

export function isWithin(bitmap: Bitmap, others: Bitmap): boolean {
  return bitmap.every((word, index) => (word & ~(others[index] ?? 0)) === 0);
}

function decodeSetTime(reader: XdrReader): NfsTime | "now" {
  const how = reader.uint32();
  if (how > 1) throw new XdrError(`time_how4 is ${how}`);
  return how === 1 ? decodeTime(reader) : "now";
}

export function encodeSettable(writer: XdrWriter, attributes: SettableAttributes): void {
  const { size, mode, owner, ownerGroup, accessTime, modifyTime } = attributes;
  const numbers: number[] = [];
  if (size !== undefined) numbers.push(Attribute.size);
  if (mode !== undefined) numbers.push(Attribute.mode);
  if (owner !== undefined) numbers.push(Attribute.owner);
  if (ownerGroup !== undefined) numbers.push(Attribute.ownerGroup);
  if (accessTime !== undefined) numbers.push(Attribute.accessTimeSet);
  if (modifyTime !== undefined) numbers.push(Attribute.modifyTimeSet);
  encodeBitmap(writer, bitmapOf(numbers));
  const lengthAt = writer.length;
  writer.uint32(0);
  if (size !== undefined) writer.uint64(size);
  if (mode !== undefined) writer.uint32(mode);
  if (owner !== undefined) writer.byteString(owner);
  if (ownerGroup !== undefined) writer.byteString(ownerGroup);
  if (accessTime !== undefined) encodeSetTime(writer, accessTime);
  if (modifyTime !== undefined) encodeSetTime(writer, modifyTime);
  writer.patchUint32(lengthAt, writer.length - lengthAt - 4);
}

function encodeSetTime(writer: XdrWriter, time: NfsTime | "now"): void {
  writer.uint32(time === "now" ? 0 : 1);
  if (time !== "now") encodeTime(writer, time);
}

/** What tells two states of a file apart (RFC 8881 §5.8.1.4); to be compared only. */
export type Change = number | bigint;

/** What a client wants to know about a file; what the server left out is absent. */
export interface FileAttributes {
  type: number;
  change: Change;
  size: number;
  fileId: number;
  mode: number;
  links: number;
  owner: string;
  ownerGroup: string;
  spaceUsed: number;
  accessTime: NfsTime;
  metadataTime: NfsTime;
  modifyTime: NfsTime;
}

/** The request that `decodeFileAttributes` reads the answer of. */
export const fileAttributesBitmap: Bitmap = bitmapOf([
  Attribute.type,
  Attribute.change,
  Attribute.size,
  Attribute.fileId,
  Attribute.mode,
  Attribute.links,
  Attribute.owner,
  Attribute.ownerGroup,
  Attribute.spaceUsed,
  Attribute.accessTime,
  Attribute.metadataTime,
  Attribute.modifyTime,
]);

/** The request that `decodeChange` reads the answer of. */
export const changeBitmap: Bitmap = bitmapOf([Attribute.change]);
/** The request that `decodeFileSizeLimit` reads the answer of. */
export const fileSizeLimitBitmap: Bitmap = bitmapOf([Attribute.maximumFileSize]);

/** Reads a fattr4 that was asked for with `changeBitmap`. */
export function decodeChange(reader: XdrReader): Change {
  const bitmap = decodeBitmap(reader);
  reader.uint32();
  if (bitmap[0] !== changeBitmap[0]) throw new XdrError("the server left out what changed");
  return reader.uint64();
}

/** Reads a fattr4 that was asked for with `fileSizeLimitBitmap`: bytes, Infinity for no limit. */
export function decodeFileSizeLimit(reader: XdrReader): number {
  const bitmap = decodeBitmap(reader);
  reader.uint32();
  return hasAttribute(bitmap, Attribute.maximumFileSize) ? reader.uint64OrInfinity() : Infinity;
}

/** Reads a fattr4 that was asked for with `fileAttributesBitmap`. */
export function decodeFileAttributes(reader: XdrReader): FileAttributes {
  const bitmap = decodeBitmap(reader);
  const length = reader.uint32();
  const end = reader.offset + length;
  if (fileAttributesBitmap.some((word, index) => word !== (bitmap[index] ?? 0))) {
    throw new XdrError("the server left out attributes that every server has");
  }
  const attributes = {
    type: reader.uint32(),
    change: reader.uint64(),
    size: reader.uint53(),
    fileId: reader.uint53(),
    mode: reader.uint32(),
    links: reader.uint32(),
    owner: reader.byteString(ownerLimit),
    ownerGroup: reader.byteString(ownerLimit),
    spaceUsed: reader.uint53(),
    accessTime: decodeTime(reader),
    metadataTime: decodeTime(reader),
    modifyTime: decodeTime(reader),
  };
  if (reader.offset !== end) throw new XdrError("the attributes' length is not what they take");
  return attributes;
}
