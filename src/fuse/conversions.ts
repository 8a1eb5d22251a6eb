import { constants } from "node:fs";

import type { FileAttributes, SettableAttributes } from "../wire/nfs4/attributes.ts";
import { FileTypeNumber, ShareAccess } from "../wire/nfs4/operations.ts";
import { OpenFlag, SetAttribute } from "../wire/fuse/protocol.ts";
import { encodeStatfs, type FuseAttributes } from "../wire/fuse/reply.ts";
import type { FuseRequest } from "../wire/fuse/request.ts";

/** S_IFMT's values (inode(7)). */
export const typeBits: ReadonlyMap<number, number> = new Map([
  [FileTypeNumber.file, 0o100000],
  [FileTypeNumber.directory, 0o040000],
  [FileTypeNumber.symlink, 0o120000],
  [FileTypeNumber.socket, 0o140000],
  [FileTypeNumber.fifo, 0o010000],
]);

export function fuseAttributes(attributes: FileAttributes): FuseAttributes {
  return {
    inode: attributes.fileId,
    size: attributes.size,
    blocks: Math.ceil(attributes.spaceUsed / 512),
    accessTime: attributes.accessTime,
    modifyTime: attributes.modifyTime,
    changeTime: attributes.metadataTime,
    mode: attributes.mode | (typeBits.get(attributes.type) ?? 0),
    links: attributes.links,
    uid: idOf(attributes.owner),
    gid: idOf(attributes.ownerGroup),
  };
}

/** Servers that send names instead of numbers leave us nobody. */
function idOf(owner: string): number {
  const id = Number(owner);
  return Number.isInteger(id) ? id : 65_534;
}

/** DT_* of readdir(3). */
export function directoryType(attributes: FileAttributes): number {
  return (typeBits.get(attributes.type) ?? 0) >> 12;
}

/** struct fuse_setattr_in. */
export function settable(request: FuseRequest): SettableAttributes {
  const valid = request.uint32(0);
  const attributes: SettableAttributes = {};
  if (valid & SetAttribute.size) attributes.size = request.uint64(16);
  if (valid & SetAttribute.mode) attributes.mode = request.uint32(68) & 0o7777;
  if (valid & SetAttribute.uid) attributes.owner = String(request.uint32(76));
  if (valid & SetAttribute.gid) attributes.ownerGroup = String(request.uint32(80));
  if (valid & SetAttribute.accessTimeNow) attributes.accessTime = "now";
  else if (valid & SetAttribute.accessTime) {
    attributes.accessTime = { seconds: request.int64(32), nanoseconds: request.uint32(56) };
  }
  if (valid & SetAttribute.modifyTimeNow) attributes.modifyTime = "now";
  else if (valid & SetAttribute.modifyTime) {
    attributes.modifyTime = { seconds: request.int64(40), nanoseconds: request.uint32(60) };
  }
  return attributes;
}

/** O_RDONLY, O_WRONLY, O_RDWR as share access. */
export function accessOf(flags: number): number {
  const mode = flags & 3;
  if (mode === 0) return ShareAccess.read;
  return mode === 1 ? ShareAccess.write : ShareAccess.both;
}

/** Where appended bytes go only the server knows: they don't pass the kernel's cache. */
export function openFlags(flags: number): number {
  const isAppended = (flags & constants.O_APPEND) !== 0 && accessOf(flags) !== ShareAccess.read;
  const how = OpenFlag.keepCache | OpenFlag.parallelDirectWrites;
  return isAppended ? how | OpenFlag.directIo : how;
}

/** What `df` shows on every EFS: 8 EiB (facts §2.4). */
export const statfs = encodeStatfs({
  blocks: 2n ** 63n / 2n ** 20n - 1n,
  free: 2n ** 63n / 2n ** 20n - 1n,
  blockBytes: 2 ** 20,
  nameLength: 255,
});
