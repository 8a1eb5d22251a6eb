// Pieces of compounds that several of the client's operations have in common.
import {
  decodeBitmap,
  decodeFileAttributes,
  decodeTime,
  type FileAttributes,
  fileAttributesBitmap,
} from "../../wire/nfs4/attributes.ts";
import { handleLimit, opaqueLimit, Operation } from "../../wire/nfs4/operations.ts";
import { decodeStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import type { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import type { CompoundReader, CompoundWriter, FileHandle } from "./compound.ts";

export interface RemoteFile {
  readonly handle: FileHandle;
  readonly attributes: FileAttributes;
}

export interface RemoteEntry {
  readonly name: string;
  readonly cookie: number;
  readonly file: RemoteFile;
}

export const entryBitmap = [fileAttributesBitmap[0]! | (1 << 19), fileAttributesBitmap[1]!];

export function encodeHandleAndAttributes(compound: CompoundWriter): void {
  compound.getHandle();
  compound.getAttributes();
}

export function decodeFile(results: CompoundReader): RemoteFile {
  const handle = copy(results.expect(Operation.GETFH).opaque(handleLimit));
  return { handle, attributes: decodeFileAttributes(results.expect(Operation.GETATTR)) };
}

export function encodeOpenHeader(xdr: XdrWriter, access: number, owner: string): void {
  xdr.uint32(0);
  xdr.uint32(access);
  xdr.uint32(0);
  xdr.uint64(0);
  xdr.byteString(owner);
}

export function decodeOpened(xdr: XdrReader): Stateid {
  const stateid = decodeStateid(xdr);
  skipChange(xdr);
  xdr.uint32();
  decodeBitmap(xdr);
  const delegation = xdr.uint32();
  if (delegation !== 0) throw new Error(`the server gave a delegation (${delegation}) unasked`);
  return stateid;
}

/** The bits that are granted of those asked for. */
export function decodeAccess(results: CompoundReader): number {
  const xdr = results.expect(Operation.ACCESS);
  xdr.uint32();
  return xdr.uint32();
}

export function skipChange(xdr: XdrReader): void {
  xdr.skip(20);
}

export function decodeVerifier(xdr: XdrReader): string {
  return Buffer.from(xdr.fixedOpaque(8)).toString("latin1");
}

export function decodeEntries(xdr: XdrReader): { entries: RemoteEntry[]; end: boolean } {
  xdr.skip(8);
  const entries: RemoteEntry[] = [];
  while (xdr.boolean()) {
    const cookie = xdr.uint53();
    const name = xdr.byteString(opaqueLimit);
    entries.push({ name, cookie, file: decodeFileWithHandle(xdr) });
  }
  return { entries, end: xdr.boolean() };
}

/** A fattr4 of `entryBitmap`: the handle stands between the size and the file's number. */
function decodeFileWithHandle(xdr: XdrReader): RemoteFile {
  decodeBitmap(xdr);
  xdr.uint32();
  const type = xdr.uint32();
  const change = xdr.uint64();
  const size = xdr.uint53();
  const handle = copy(xdr.opaque(handleLimit));
  return { handle, attributes: decodeRestOfAttributes(xdr, { type, change, size }) };
}

function decodeRestOfAttributes(
  xdr: XdrReader,
  first: Pick<FileAttributes, "change" | "size" | "type">,
): FileAttributes {
  return {
    ...first,
    fileId: xdr.uint53(),
    mode: xdr.uint32(),
    links: xdr.uint32(),
    owner: xdr.byteString(opaqueLimit),
    ownerGroup: xdr.byteString(opaqueLimit),
    spaceUsed: xdr.uint53(),
    accessTime: decodeTime(xdr),
    metadataTime: decodeTime(xdr),
    modifyTime: decodeTime(xdr),
  };
}

function copy(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes);
}
