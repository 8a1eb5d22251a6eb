// Pieces of compounds that several of the client's operations have in common.
import {
  Attribute,
  bitmapOf,
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

/** Where a listing goes on; whatever 64 bits the server likes. */
export type Cookie = number | bigint;

/** A place in a directory, with what tells whether the server still knows it (RFC 8881 §18.23). */
export interface ListingPlace {
  readonly cookie: Cookie;
  /** cookieverf of the listing; undefined at its beginning. */
  readonly verifier: Uint8Array | undefined;
}

export interface RemoteEntry {
  readonly name: string;
  readonly cookie: Cookie;
  /** nfs_ftype4. */
  readonly type: number;
  readonly fileId: number;
  /** Where that was asked for. */
  readonly file: RemoteFile | undefined;
}

export interface RemoteListing {
  readonly entries: RemoteEntry[];
  readonly verifier: Uint8Array;
  readonly end: boolean;
}

export const entryBitmap = [fileAttributesBitmap[0]! | (1 << 19), fileAttributesBitmap[1]!];

/** What a listing tells without looking at the files. */
export const nameBitmap = bitmapOf([Attribute.type, Attribute.fileId]);

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

export function decodeEntries(xdr: XdrReader, files: boolean): RemoteListing {
  const verifier = copy(xdr.fixedOpaque(8));
  const entries: RemoteEntry[] = [];
  while (xdr.boolean()) {
    const cookie = xdr.uint64();
    const name = xdr.byteString(opaqueLimit);
    if (files) {
      const file = decodeFileWithHandle(xdr);
      const { type, fileId } = file.attributes;
      entries.push({ name, cookie, type, fileId, file });
    } else {
      decodeBitmap(xdr);
      xdr.uint32();
      entries.push({ name, cookie, type: xdr.uint32(), fileId: xdr.uint53(), file: undefined });
    }
  }
  return { entries, verifier, end: xdr.boolean() };
}

export function encodePlace(xdr: XdrWriter, { cookie, verifier }: ListingPlace): void {
  if (typeof cookie === "number") {
    xdr.uint64(cookie);
  } else {
    xdr.uint32(Number(cookie >> 32n));
    xdr.uint32(Number(cookie & 0xffff_ffffn));
  }
  if (verifier === undefined) xdr.uint64(0);
  else xdr.fixedOpaque(verifier);
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
