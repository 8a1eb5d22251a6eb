// The entries of directories in the store: by name for lookups, by cookie for listing.
import type { FileKey } from "../data/data.ts";
import type { Reader, Writer } from "../store/store.ts";
import { EINVAL, ENAMETOOLONG, type Failure } from "./failure.ts";
import type { Name } from "./file-system.ts";
import {
  cookieKey,
  decodeCookieKey,
  decodeEntry,
  decodeNamed,
  encodeEntry,
  encodeNamed,
  nameKey,
} from "./keys.ts";
import { nameLimit } from "./limits.ts";
import { entrySize, type Node } from "./node.ts";

export interface Entry {
  readonly child: FileKey;
  readonly cookie: number;
}

export function checkName(name: Name): Failure | undefined {
  if (name.length > nameLimit) return ENAMETOOLONG;
  if (name === "" || name === "." || name === "..") return EINVAL;
  return name.includes("/") || name.includes("\0") ? EINVAL : undefined;
}

export function findEntry(reader: Reader, directory: Node, name: Name): Entry | undefined {
  const value = reader.get(nameKey(directory.number, name));
  return value && decodeEntry(value);
}

/**
 * Adds a name that isn't there, at the end of the listing or at a free place in it; the caller saves
 * the directory.
 */
export function addEntry(
  writer: Writer,
  directory: Node,
  name: Name,
  child: Node,
  place?: number,
): void {
  const cookie = place ?? directory.nextCookie;
  if (place === undefined) directory.nextCookie += 1;
  directory.entries += 1;
  directory.entryBytes += entrySize(name.length);
  if (child.type === "directory") directory.links += 1;
  putEntry(writer, directory, name, child.number, cookie);
}

/** The caller saves the directory. */
export function removeEntry(
  writer: Writer,
  directory: Node,
  name: Name,
  entry: Entry,
  child: Node,
): void {
  directory.entries -= 1;
  directory.entryBytes -= entrySize(name.length);
  if (child.type === "directory") directory.links -= 1;
  writer.remove(nameKey(directory.number, name));
  writer.remove(cookieKey(directory.number, entry.cookie));
}

export interface ListedEntry {
  readonly child: FileKey;
  readonly name: Name;
  readonly cookie: number;
}

export function* entriesAfter(
  reader: Reader,
  directory: Node,
  cookie: number,
): Generator<ListedEntry> {
  const from = cookieKey(directory.number, cookie + 1);
  const to = cookieKey(directory.number, Number.MAX_SAFE_INTEGER);
  for (const { key, value } of reader.scan({ from, to })) {
    yield { ...decodeNamed(value), cookie: decodeCookieKey(key).cookie };
  }
}

function putEntry(
  writer: Writer,
  directory: Node,
  name: Name,
  child: FileKey,
  cookie: number,
): void {
  writer.put(nameKey(directory.number, name), encodeEntry(child, cookie));
  writer.put(cookieKey(directory.number, cookie), encodeNamed(child, name));
}
