// The layout of a file system in its store. Numbers are big-endian, so that keys sort as they do.
import type { FileKey } from "../data/data.ts";
import type { Name } from "./file-system.ts";

const prefix = { inode: 0x69, name: 0x6e, cookie: 0x63, target: 0x74, orphan: 0x6f } as const;

/** The inode's record. */
export const inodeKey = (inode: FileKey): Buffer => numbered(prefix.inode, inode);
/** A symbolic link's target. */
export const targetKey = (inode: FileKey): Buffer => numbered(prefix.target, inode);
/** Present while an inode has no name but is held open. */
export const orphanKey = (inode: FileKey): Buffer => numbered(prefix.orphan, inode);

/** From a name in a directory to `entryValue`. */
export function nameKey(directory: FileKey, name: Name): Buffer {
  const key = Buffer.allocUnsafe(9 + name.length);
  writeNumber(key, prefix.name, directory);
  key.write(name, 9, "latin1");
  return key;
}

/** From a cookie in a directory to the inode's number and the name. */
export function cookieKey(directory: FileKey, cookie: number): Buffer {
  const key = Buffer.allocUnsafe(17);
  writeNumber(key, prefix.cookie, directory);
  writeUint64(key, 9, cookie);
  return key;
}

export const inodeRange = (): KeyRange => rangeOf(prefix.inode);
export const nameRange = (): KeyRange => rangeOf(prefix.name);
export const cookieRange = (): KeyRange => rangeOf(prefix.cookie);
export const targetRange = (): KeyRange => rangeOf(prefix.target);
export const orphanRange = (): KeyRange => rangeOf(prefix.orphan);

interface KeyRange {
  readonly from: Buffer;
  readonly to: Buffer;
}

function rangeOf(kind: number): KeyRange {
  return { from: Buffer.from([kind]), to: Buffer.from([kind + 1]) };
}

export const numbersKey = Buffer.from("meta/next-inode-number");
/** Present from an opening to the `close` that belongs to it: found at the next one after a crash. */
export const openKey = Buffer.from("meta/open");
export const meteredKey = Buffer.from("meta/metered-bytes");

/** The two parts of a key that `nameKey` made. */
export function decodeNameKey(key: Uint8Array): { directory: FileKey; name: Name } {
  const name = Buffer.prototype.latin1Slice.call(key, 9, key.length);
  return { directory: readUint64(key, 1), name };
}

/** The two parts of a key that `cookieKey` made. */
export function decodeCookieKey(key: Uint8Array): { directory: FileKey; cookie: number } {
  return { directory: readUint64(key, 1), cookie: readUint64(key, 9) };
}

export function encodeEntry(child: FileKey, cookie: number): Buffer {
  const value = Buffer.allocUnsafe(16);
  writeUint64(value, 0, child);
  writeUint64(value, 8, cookie);
  return value;
}

export function decodeEntry(value: Uint8Array): { child: FileKey; cookie: number } {
  return { child: readUint64(value, 0), cookie: readUint64(value, 8) };
}

export function encodeNamed(child: FileKey, name: Name): Buffer {
  const value = Buffer.allocUnsafe(8 + name.length);
  writeUint64(value, 0, child);
  value.write(name, 8, "latin1");
  return value;
}

export function decodeNamed(value: Uint8Array): { child: FileKey; name: Name } {
  const name = Buffer.prototype.latin1Slice.call(value, 8, value.length);
  return { child: readUint64(value, 0), name };
}

export function encodeNumber(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeUint64(bytes, 0, value);
  return bytes;
}

/** The number at the end of a key, or the whole of a value. */
export function lastNumber(bytes: Uint8Array): number {
  return readUint64(bytes, bytes.length - 8);
}

function numbered(kind: number, number: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  writeNumber(key, kind, number);
  return key;
}

function writeNumber(key: Buffer, kind: number, number: number): void {
  key[0] = kind;
  writeUint64(key, 1, number);
}

function writeUint64(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}

function readUint64(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}
