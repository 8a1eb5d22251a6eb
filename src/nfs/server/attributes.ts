// GETATTR's values (RFC 8881 §5), with the figures that EFS shows (facts §2.4).
import type { FileSystem, Inode } from "../../files/file-system.ts";
import { fileSizeLimit, linkLimit, nameLimit } from "../../files/limits.ts";
import {
  Attribute,
  type Bitmap,
  bitmapOf,
  encodeBitmap,
  encodeTime,
  settableBitmap,
} from "../../wire/nfs4/attributes.ts";
import { FileTypeNumber } from "../../wire/nfs4/operations.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { leaseSeconds, transferLimit } from "./limits.ts";

/** What `df` shows on every EFS: 8 EiB less one MiB. */
const spaceTotal = 2 ** 63 - 2 ** 20;
const exclusiveCreateBitmap = bitmapOf([
  Attribute.size,
  Attribute.mode,
  Attribute.owner,
  Attribute.ownerGroup,
]);

/** Whether EXCLUSIVE4_1 can set all of these (RFC 8881 §5.8.1.14, suppattr_exclcreat). */
export function canSetExclusively(bitmap: Bitmap): boolean {
  return bitmap.every((word, index) => (word & ~(exclusiveCreateBitmap[index] ?? 0)) === 0);
}

const writeOnly = new Set<number>([Attribute.accessTimeSet, Attribute.modifyTimeSet]);
/** NFSv4.0 knows no attributes past the second word. */
export const supportedBitmap: Record<0 | 1, Bitmap> = {
  0: bitmapOf(Object.values(Attribute)).slice(0, 2),
  1: bitmapOf(Object.values(Attribute)),
};
const readableBitmap: Bitmap = bitmapOf(
  Object.values(Attribute).filter((attribute) => !writeOnly.has(attribute)),
);

export function asksForWriteOnly(bitmap: Bitmap): boolean {
  return ((bitmap[1] ?? 0) & (settableBitmap[1]! & ~readableBitmap[1]!)) !== 0;
}

/** Writes a fattr4 with those of the wanted attributes that there are. */
export function encodeAttributes(
  writer: XdrWriter,
  wanted: Bitmap,
  served: Served,
  inode: Inode,
): void {
  const word0 = (wanted[0] ?? 0) & readableBitmap[0]!;
  const word1 = (wanted[1] ?? 0) & readableBitmap[1]!;
  const word2 = served.minorVersion === 0 ? 0 : (wanted[2] ?? 0) & readableBitmap[2]!;
  encodeBitmap(writer, [word0 >>> 0, word1 >>> 0, word2 >>> 0]);
  const lengthAt = writer.length;
  writer.uint32(0);
  encodeWord0(writer, word0, served, inode);
  encodeWord1(writer, word1, served, inode);
  if ((word2 & bit(Attribute.supportedExclusiveCreate)) !== 0) {
    encodeBitmap(writer, exclusiveCreateBitmap);
  }
  writer.patchUint32(lengthAt, writer.length - lengthAt - 4);
}

function bit(attribute: number): number {
  return 1 << (attribute & 31);
}

/** The ones that a client asks for all the time stand in the first line of each half. */
const rare0 = ~(
  bit(Attribute.type) |
  bit(Attribute.change) |
  bit(Attribute.size) |
  bit(Attribute.fileSystemId) |
  bit(Attribute.fileId)
);

function encodeWord0(writer: XdrWriter, word: number, served: Served, inode: Inode): void {
  const rare = (word & rare0) !== 0;
  if (rare && word & bit(Attribute.supported)) {
    encodeBitmap(writer, supportedBitmap[served.minorVersion]);
  }
  if (word & bit(Attribute.type)) writer.uint32(FileTypeNumber[inode.type]);
  if (rare && word & bit(Attribute.handleExpireType)) writer.uint32(0);
  if (word & bit(Attribute.change)) writer.uint64(inode.change);
  if (word & bit(Attribute.size)) writer.uint64(inode.size);
  if (rare && word & bit(Attribute.linkSupport)) writer.boolean(true);
  if (rare && word & bit(Attribute.symlinkSupport)) writer.boolean(true);
  if (rare && word & bit(Attribute.namedAttributes)) writer.boolean(false);
  if (word & bit(Attribute.fileSystemId)) encodeFileSystemId(writer, served.state.number);
  if (rare) encodeRareOfWord0(writer, word, served, inode);
  if (word & bit(Attribute.fileId)) writer.uint64(inode.number);
  if (rare) encodeLimits(writer, word);
}

function encodeRareOfWord0(writer: XdrWriter, word: number, served: Served, inode: Inode): void {
  if (word & bit(Attribute.uniqueHandles)) writer.boolean(true);
  if (word & bit(Attribute.leaseTime)) writer.uint32(leaseSeconds);
  if (word & bit(Attribute.readdirError)) writer.uint32(0);
  if (word & bit(Attribute.aclSupport)) writer.uint32(0);
  if (word & bit(Attribute.canSetTime)) writer.boolean(true);
  if (word & bit(Attribute.caseInsensitive)) writer.boolean(false);
  if (word & bit(Attribute.casePreserving)) writer.boolean(true);
  if (word & bit(Attribute.chownRestricted)) writer.boolean(true);
  if (word & bit(Attribute.fileHandle)) writer.opaque(served.files.handleOf(inode));
}

function encodeLimits(writer: XdrWriter, word: number): void {
  if (word & bit(Attribute.homogeneous)) writer.boolean(true);
  if (word & bit(Attribute.maximumFileSize)) writer.uint64(fileSizeLimit);
  if (word & bit(Attribute.maximumLinks)) writer.uint32(linkLimit);
  if (word & bit(Attribute.maximumName)) writer.uint32(nameLimit);
  if (word & bit(Attribute.maximumRead)) writer.uint64(transferLimit);
  if (word & bit(Attribute.maximumWrite)) writer.uint64(transferLimit);
}

function encodeWord1(writer: XdrWriter, word: number, served: Served, inode: Inode): void {
  if (word & bit(Attribute.mode)) writer.uint32(inode.mode);
  if (word & bit(Attribute.noTruncation)) writer.boolean(true);
  if (word & bit(Attribute.links)) writer.uint32(inode.links);
  if (word & bit(Attribute.owner)) writer.byteString(String(inode.uid));
  if (word & bit(Attribute.ownerGroup)) writer.byteString(String(inode.gid));
  if (word & bit(Attribute.rawDevice)) writer.uint64(0);
  if (word & bit(Attribute.spaceAvailable)) writer.uint64(spaceTotal - used(served.files));
  if (word & bit(Attribute.spaceFree)) writer.uint64(spaceTotal - used(served.files));
  if (word & bit(Attribute.spaceTotal)) writer.uint64(spaceTotal);
  if (word & bit(Attribute.spaceUsed)) writer.uint64(inode.spaceUsed);
  if (word & bit(Attribute.accessTime)) encodeTime(writer, inode.accessTime);
  if (word & bit(Attribute.timeDelta)) encodeTime(writer, { seconds: 0, nanoseconds: 1000 });
  if (word & bit(Attribute.metadataTime)) encodeTime(writer, inode.changeTime);
  if (word & bit(Attribute.modifyTime)) encodeTime(writer, inode.modifyTime);
  if (word & bit(Attribute.mountedOnFileId)) writer.uint64(inode.number);
}

/** In whole MiB, so that the difference to 8 EiB stays exact in a double. */
function used(files: FileSystem): number {
  return Math.ceil(files.meteredBytes().total / 2 ** 20) * 2 ** 20;
}

/** fsid4: stable and different for each file system. */
export interface FileSystemNumber {
  readonly high: number;
  readonly low: number;
}

export function fileSystemNumber(id: string): FileSystemNumber {
  const digits = id.replace(/[^0-9a-f]/g, "").padStart(16, "0");
  return { high: parseInt(digits.slice(-16, -8), 16), low: parseInt(digits.slice(-8), 16) };
}

function encodeFileSystemId(writer: XdrWriter, { high, low }: FileSystemNumber): void {
  writer.uint32(0);
  writer.uint32(high);
  writer.uint32(0);
  writer.uint32(low);
}

/** The file system that the attributes are of, and the protocol that asks. */
export interface Served {
  readonly files: FileSystem;
  readonly state: { readonly number: FileSystemNumber };
  readonly minorVersion: 0 | 1;
}
