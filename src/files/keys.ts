// The layout of a file system in its store. Numbers are big-endian, so that keys sort as they do.
import type { FileKey } from "../data/data.ts";
import { type ByteString, writeByteString } from "../store/byte-string.ts";
import type { Name } from "./file-system.ts";

const prefix = {
  inode: "i",
  name: "n",
  cookie: "c",
  target: "t",
  orphan: "o",
  inline: "d",
  redo: "r",
} as const;

/** The inode's record. */
export const inodeKey = (inode: FileKey): ByteString => prefix.inode + numberText(inode);
/** A symbolic link's target. */
export const targetKey = (inode: FileKey): ByteString => prefix.target + numberText(inode);
/** Present while an inode has no name but is held open. */
export const orphanKey = (inode: FileKey): ByteString => prefix.orphan + numberText(inode);

/** The contents of a small file. */
export const inlineKey = (inode: FileKey): ByteString => prefix.inline + numberText(inode);

/** Bytes of a file's contents from `offset` on that may not be flushed yet. */
export function redoKey(inode: FileKey, offset: number): ByteString {
  return prefix.redo + numberText(inode) + numberText(offset);
}

/** From a name in a directory to `entryValue`. */
export function nameKey(directory: FileKey, name: Name): ByteString {
  return prefix.name + numberText(directory) + name;
}

/** From a cookie in a directory to the inode's number and the name. */
export function cookieKey(directory: FileKey, cookie: number): ByteString {
  return prefix.cookie + numberText(directory) + numberText(cookie);
}

export const inodeRange = (): KeyRange => rangeOf(prefix.inode);
export const nameRange = (): KeyRange => rangeOf(prefix.name);
export const cookieRange = (): KeyRange => rangeOf(prefix.cookie);
export const targetRange = (): KeyRange => rangeOf(prefix.target);
export const orphanRange = (): KeyRange => rangeOf(prefix.orphan);

export const inlineRange = (): KeyRange => rangeOf(prefix.inline);
export const redoRange = (): KeyRange => rangeOf(prefix.redo);

interface KeyRange {
  readonly from: ByteString;
  readonly to: ByteString;
}

function rangeOf(kind: string): KeyRange {
  return { from: kind, to: String.fromCharCode(kind.charCodeAt(0) + 1) };
}

export const numbersKey = "meta/next-inode-number";
/** Present from an opening to the `close` that belongs to it: found at the next one after a crash. */
export const openKey = "meta/open";
export const meteredKey = "meta/metered-bytes";

/** The two parts of a key that `nameKey` made. */
export function decodeNameKey(key: ByteString): { directory: FileKey; name: Name } {
  return { directory: numberIn(key, 1), name: key.slice(9) };
}

/** The two parts of a key that `cookieKey` made. */
export function decodeCookieKey(key: ByteString): { directory: FileKey; cookie: number } {
  return { directory: numberIn(key, 1), cookie: numberIn(key, 9) };
}

/** The two parts of a key that `redoKey` made. */
export function decodeRedoKey(key: ByteString): { file: FileKey; offset: number } {
  return { file: numberIn(key, 1), offset: numberIn(key, 9) };
}

/** The inode of a key that has nothing else. */
export function decodeInodeKey(key: ByteString): FileKey {
  return numberIn(key, 1);
}

const encodedEntry = new Uint8Array(16);

/** Valid until the next call: a store copies what it is given. */
export function encodeEntry(child: FileKey, cookie: number): Uint8Array {
  writeUint64(encodedEntry, 0, child);
  writeUint64(encodedEntry, 8, cookie);
  return encodedEntry;
}

export function decodeEntry(value: Uint8Array): { child: FileKey; cookie: number } {
  return { child: readUint64(value, 0), cookie: readUint64(value, 8) };
}

export function encodeNamed(child: FileKey, name: Name): Buffer {
  const value = Buffer.allocUnsafe(8 + name.length);
  writeUint64(value, 0, child);
  writeByteString(value, name, 8);
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

export function decodeNumber(bytes: Uint8Array): number {
  return readUint64(bytes, 0);
}

/** Into `bytes`, eight for each. */
export function writeNumber(bytes: Uint8Array, index: number, value: number): void {
  writeUint64(bytes, index * 8, value);
}

export function decodeNumbers(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length / 8 }, (_, index) => readUint64(bytes, index * 8));
}

/** Eight bytes. */
function numberText(number: number): ByteString {
  const high = Math.floor(number / 0x1_0000_0000);
  const low = number >>> 0;
  return String.fromCharCode(
    high >>> 24,
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    low >>> 24,
    (low >>> 16) & 0xff,
    (low >>> 8) & 0xff,
    low & 0xff,
  );
}

function numberIn(key: ByteString, at: number): number {
  let number = 0;
  for (let index = at; index < at + 8; index += 1) number = number * 0x100 + key.charCodeAt(index);
  return number;
}

function writeUint64(bytes: Uint8Array, at: number, value: number): void {
  writeUint32(bytes, at, Math.floor(value / 0x1_0000_0000));
  writeUint32(bytes, at + 4, value >>> 0);
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function readUint64(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) * 0x1_0000_0000 + readUint32(bytes, at + 4);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}
