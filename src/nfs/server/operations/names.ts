// CREATE, REMOVE, RENAME, LINK, READLINK, READDIR (RFC 8881 §18.4, §18.25, §18.26, §18.9, §18.24,
// §18.23).
import { failed, type Failure } from "../../../files/failure.ts";
import type { DirectoryEntry, Inode, NewNode } from "../../../files/file-system.ts";
import {
  Attribute,
  type Bitmap,
  decodeBitmap,
  decodeSettable,
  encodeBitmap,
} from "../../../wire/nfs4/attributes.ts";
import { FileTypeNumber, verifierLength } from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import type { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import { asksForWriteOnly, encodeAttributes } from "../attributes.ts";
import { type Compound, statusOf, wrongType } from "../compound.ts";
import { replyLimit } from "../limits.ts";
import { decodeName } from "../names.ts";
import { attributeChange, refuseUnsettable } from "./attributes.ts";

const targetDecodeLimit = 65_536;

export function create(compound: Compound): StatusCode {
  const { reader } = compound;
  const type = reader.uint32();
  let target: Uint8Array | undefined;
  if (type === FileTypeNumber.symlink) target = reader.opaque(targetDecodeLimit);
  if (isDevice(type)) reader.skip(8);
  const name = decodeName(reader);
  const settable = decodeSettable(reader);
  const { bitmap, attributes } = settable;
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  if (typeof name === "number") return name;
  const kind = createdTypes.get(type);
  if (kind === undefined) return isDevice(type) ? Status.NOTSUPP : Status.BADTYPE;
  const refused = compound.refuseWrite();
  if (refused !== undefined) return refused;
  const unsettable = refuseUnsettable(settable);
  if (unsettable !== undefined) return unsettable;
  const change = attributeChange(attributes);
  if (typeof change === "number") return change;
  const { mode, size: _size, ...rest } = change;
  const before = current.change;
  const made = compound.files.create(compound.caller, current, name, {
    type: kind,
    mode: mode ?? defaultMode(kind),
    attributes: rest,
    ...(target && { target }),
  });
  if (failed(made)) return statusOf(made);
  encodeChange(compound.writer, before, current.change);
  encodeBitmap(compound.writer, withoutSize(bitmap));
  compound.current = made;
  return Status.OK;
}

/** What CREATE makes has no size to set. */
function withoutSize(bitmap: Bitmap): number[] {
  const size = 1 << Attribute.size;
  return bitmap.map((word, index) => (index === 0 ? (word & ~size) >>> 0 : word));
}

/** EFS has none, and says so in words of its own (facts §2.3). */
function isDevice(type: number): boolean {
  return type === FileTypeNumber.blockDevice || type === FileTypeNumber.characterDevice;
}

const createdTypes: ReadonlyMap<number, NewNode["type"]> = new Map([
  [FileTypeNumber.directory, "directory"],
  [FileTypeNumber.symlink, "symlink"],
  [FileTypeNumber.fifo, "fifo"],
  [FileTypeNumber.socket, "socket"],
]);

function defaultMode(type: NewNode["type"]): number {
  return type === "symlink" ? 0o777 : type === "directory" ? 0o755 : 0o644;
}

export function remove(compound: Compound): StatusCode {
  const name = decodeName(compound.reader);
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  if (typeof name === "number") return name;
  const refused = compound.refuseWrite();
  if (refused !== undefined) return refused;
  const before = current.change;
  const failure = compound.files.remove(compound.caller, current, name, "any");
  if (failure) return statusOf(failure);
  encodeChange(compound.writer, before, current.change);
  return Status.OK;
}

export function rename(compound: Compound): StatusCode {
  const from = decodeName(compound.reader);
  const to = decodeName(compound.reader);
  const { saved, current } = compound;
  if (saved === undefined || current === undefined) return Status.NOFILEHANDLE;
  if (typeof from === "number") return from;
  if (typeof to === "number") return to;
  const refused = compound.refuseWrite();
  if (refused !== undefined) return refused;
  const before = { source: saved.change, target: current.change };
  const failure = compound.files.rename(compound.caller, saved, from, current, to);
  if (failure) return renameStatus(failure, saved, current);
  encodeChange(compound.writer, before.source, saved.change);
  encodeChange(compound.writer, before.target, current.change);
  return Status.OK;
}

/** RENAME says NFS4ERR_EXIST where file and directory don't go over each other (§18.26.3). */
function renameStatus(failure: Failure, source: Inode, target: Inode): StatusCode {
  const inDirectories = source.type === "directory" && target.type === "directory";
  const doesNotFit = failure.code === "EISDIR" || (failure.code === "ENOTDIR" && inDirectories);
  return doesNotFit ? Status.EXIST : statusOf(failure);
}

export function link(compound: Compound): StatusCode {
  const name = decodeName(compound.reader);
  const { saved, current } = compound;
  if (saved === undefined || current === undefined) return Status.NOFILEHANDLE;
  if (typeof name === "number") return name;
  const refused = compound.refuseWrite();
  if (refused !== undefined) return refused;
  if (saved.type === "directory") return Status.ISDIR;
  const before = current.change;
  const outcome = compound.files.link(compound.caller, saved, current, name);
  if (failed(outcome)) return statusOf(outcome);
  encodeChange(compound.writer, before, current.change);
  return Status.OK;
}

export function readLink(compound: Compound): StatusCode {
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  if (compound.current.type !== "symlink") return wrongType(compound);
  const target = compound.files.readSymbolicLink(compound.caller, compound.current);
  if (failed(target)) return statusOf(target);
  compound.writer.opaque(target);
  return Status.OK;
}

/** Bytes around the entries: verifier, the list's end and eof. */
const readDirectoryOverhead = 8 + 4 + 4;

export function readDirectory(compound: Compound): StatusCode {
  const { reader, writer } = compound;
  const cookie = reader.uint64OrInfinity();
  const isOwnVerifier = reader.fixedOpaque(verifierLength).every((byte) => byte === 0);
  reader.uint32();
  const maximum = Math.min(reader.uint32(), replyLimit - 1024);
  const wanted = decodeBitmap(reader);
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  if (current.type !== "directory") return Status.NOTDIR;
  if (asksForWriteOnly(wanted)) return Status.INVAL;
  if (cookie === 1 || cookie === 2 || cookie === Infinity) return Status.BAD_COOKIE;
  // Cookies stay valid, so that there is one verifier for all: zeros.
  if (!isOwnVerifier) return cookie === 0 ? Status.BAD_COOKIE : Status.NOT_SAME;
  const start = writer.length;
  writer.uint64(0);
  let count = 0;
  const take = (entry: DirectoryEntry): boolean => {
    const before = writer.length;
    encodeEntry(compound, entry, wanted);
    if (writer.length - start + readDirectoryOverhead - 8 > maximum) {
      writer.length = before;
      return false;
    }
    count += 1;
    return true;
  };
  const needsInode = wanted.some((word, index) => (word & ~numberOnly(index)) !== 0);
  const end = compound.files.readDirectory(compound.caller, current, cookie, needsInode, take);
  if (failed(end)) return statusOf(end);
  const fits = count > 0 || (end === "end" && maximum >= readDirectoryOverhead);
  if (!fits) return Status.TOOSMALL;
  writer.boolean(false);
  writer.boolean(end === "end");
  return Status.OK;
}

/** Attributes that an entry has without its inode. */
function numberOnly(word: number): number {
  if (word === 0) return (1 << Attribute.readdirError) | (1 << Attribute.fileId);
  return word === 1 ? 1 << (Attribute.mountedOnFileId & 31) : 0;
}

function encodeEntry(compound: Compound, entry: DirectoryEntry, wanted: Bitmap): void {
  const { writer } = compound;
  writer.boolean(true);
  writer.uint64(entry.cookie);
  writer.byteString(entry.name);
  const inode = entry.inode ?? (placeholder(entry.number) as Inode);
  const hasInode = entry.inode !== undefined;
  const kept = hasInode ? wanted : wanted.map((word, index) => (word & numberOnly(index)) >>> 0);
  encodeAttributes(writer, kept, compound, inode);
}

/** For entries whose file nobody asks more than the number of. */
function placeholder(number: number): Pick<Inode, "number" | "type"> {
  return { number, type: "file" };
}

/** change_info4: nothing comes between two operations here, so it is always atomic. */
export function encodeChange(writer: XdrWriter, before: number, after: number): void {
  writer.boolean(true);
  writer.uint64(before);
  writer.uint64(after);
}
