import type { Data, FileKey } from "../data/data.ts";
import type { Reader, Store } from "../store/store.ts";
import { decodeNamed, inodeKey, inodeRange, lastNumber, meteredKey, orphanKey } from "./keys.ts";
import { decodeNode, entrySize, type Node } from "./node.ts";

const cookiePrefix = 0x63;

/**
 * Walks a file system that nobody has open and returns one sentence for each thing that doesn't
 * fit: link counts, lost inodes, names of inodes that don't exist, directory sizes, accounting,
 * contents without an inode. An empty list means that it is sound.
 */
export function checkFileSystem(store: Store, data: Data): string[] {
  return store.read((reader) => {
    const nodes = new Map<FileKey, Node>();
    for (const { key, value } of reader.scan(inodeRange())) {
      const number = lastNumber(key);
      nodes.set(number, decodeNode(number, value));
    }
    const problems = [...checkNames(reader, nodes), ...checkMetered(reader, nodes)];
    for (const file of data.list()) {
      if (!nodes.has(file)) problems.push(`contents of inode ${file}, which does not exist`);
    }
    return problems;
  });
}

function* checkNames(reader: Reader, nodes: ReadonlyMap<FileKey, Node>): Generator<string> {
  const links = new Map<FileKey, number>();
  const seen = new Map<FileKey, { entries: number; bytes: number; directories: number }>();
  const all = { from: Buffer.from([cookiePrefix]), to: Buffer.from([cookiePrefix + 1]) };
  for (const { key, value } of reader.scan(all)) {
    const directory = lastNumber(key.subarray(0, 9));
    const { child, name } = decodeNamed(value);
    const node = nodes.get(child);
    if (node === undefined) {
      yield `directory ${directory} names inode ${child}, which does not exist`;
      continue;
    }
    const counts = seen.get(directory) ?? { entries: 0, bytes: 0, directories: 0 };
    seen.set(directory, counts);
    counts.entries += 1;
    counts.bytes += entrySize(name.length);
    if (node.type === "directory") counts.directories += 1;
    links.set(child, (links.get(child) ?? 0) + 1);
  }
  for (const node of nodes.values()) {
    const counts = seen.get(node.number) ?? { entries: 0, bytes: 0, directories: 0 };
    const expected =
      node.type === "directory" ? 2 + counts.directories : (links.get(node.number) ?? 0);
    if (node.links !== expected) {
      yield `inode ${node.number} counts ${node.links} links, there are ${expected}`;
    }
    if (node.type === "directory" && node.entries !== counts.entries) {
      yield `directory ${node.number} counts ${node.entries} entries, there are ${counts.entries}`;
    }
    if (node.type === "directory" && node.entryBytes !== counts.bytes) {
      yield `directory ${node.number} counts ${node.entryBytes} bytes, there are ${counts.bytes}`;
    }
    const reachable = node.number === 1 || links.has(node.number);
    if (!reachable && reader.get(orphanKey(node.number)) === undefined) {
      yield `inode ${node.number} has no name and is not held open`;
    }
  }
  if (reader.get(inodeKey(1)) === undefined) yield "there is no root directory";
}

function* checkMetered(reader: Reader, nodes: ReadonlyMap<FileKey, Node>): Generator<string> {
  let bytes = 0;
  for (const node of nodes.values()) bytes += node.meteredBytes;
  const stored = reader.get(meteredKey);
  const counted = stored === undefined ? 0 : lastNumber(stored);
  if (counted !== bytes) yield `the metered size is ${counted}, the inodes add up to ${bytes}`;
}
