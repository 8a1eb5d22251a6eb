// Inodes one by one: counters against the names that were found, symbolic links against their
// targets, orphans, and the numbers of the whole file system.
import type { FileKey } from "../data/data.ts";
import type { ByteString } from "../store/byte-string.ts";
import type { Reader } from "../store/store.ts";
import {
  encodeNumber,
  decodeInodeKey,
  decodeNumber,
  numbersKey,
  orphanKey,
  orphanRange,
  targetKey,
  targetRange,
} from "./keys.ts";
import { fileSizeLimit } from "./limits.ts";
import { Meter } from "./meter.ts";
import { type Node, storageClasses, unmetered } from "./node.ts";
import { type Problem, problem } from "./problems.ts";
import type { Holding, Survey } from "./survey.ts";

const nothing: Holding = { entries: 0, bytes: 0, directories: 0, lastCookie: 0 };

/** After `checkNames`. */
export function* checkInodes(reader: Reader, found: Survey): Generator<Problem> {
  const orphans = new Set<FileKey>();
  for (const { key } of reader.scan(orphanRange())) orphans.add(decodeInodeKey(key));
  for (const node of found.nodes.values()) {
    if (node.type === "directory") yield* checkDirectory(node, found.holdings.get(node.number));
    yield* checkSizes(reader, node);
  }
  yield* checkLinks(found, orphans);
  yield* checkOrphans(found, orphans);
  yield* checkTargets(reader, found);
  yield* checkNumbers(reader, found);
}

function* checkDirectory(node: Node, holding: Holding = nothing): Generator<Problem> {
  const { entries, bytes, lastCookie } = holding;
  const who = `directory ${node.number}`;
  if (node.entries !== entries) {
    const text = `${who} counts ${node.entries} entries, there are ${entries}`;
    yield problem(text, (repair) => repair.change(node, () => (node.entries = entries)));
  }
  if (node.entryBytes !== bytes) {
    const text = `${who} counts ${node.entryBytes} bytes of entries, there are ${bytes}`;
    yield problem(text, (repair) => repair.change(node, () => (node.entryBytes = bytes)));
  }
  if (!(node.nextCookie > lastCookie)) {
    const text = `${who} would give ${node.nextCookie} for the next cookie, it has had ${lastCookie}`;
    yield problem(text, (repair) =>
      repair.change(node, () => (node.nextCookie = Math.max(3, lastCookie + 1))),
    );
  }
}

function* checkLinks(found: Survey, orphans: ReadonlySet<FileKey>): Generator<Problem> {
  for (const node of found.nodes.values()) {
    const { number } = node;
    const names = found.names.get(number) ?? 0;
    const isLost = names === 0 && number !== 1 && !orphans.has(number);
    const directories = found.holdings.get(number)?.directories ?? 0;
    const expected = linksOf(node, names, directories);
    if (node.links !== expected && !isLost) {
      const text = `inode ${number} counts ${node.links} links, there are ${expected}`;
      yield problem(text, (repair) => repair.change(node, () => (node.links = expected)));
    }
    if (isLost) {
      yield problem(`inode ${number} has no name and is not held open`, (repair) => {
        if (node.type === "directory") node.links = 2 + directories;
        repair.linkIntoRoot(node);
      });
    }
  }
}

function linksOf(node: Node, names: number, directories: number): number {
  if (node.type !== "directory") return names;
  return names > 0 || node.number === 1 ? 2 + directories : 0;
}

function* checkOrphans(found: Survey, orphans: ReadonlySet<FileKey>): Generator<Problem> {
  for (const number of orphans) {
    const remove = (text: string): Problem =>
      problem(text, ({ writer }) => writer.remove(orphanKey(number)));
    if (!found.nodes.has(number)) {
      if (found.unreadable.has(number)) continue;
      yield remove(`inode ${number} is held open, and does not exist`);
    } else if (number === 1 || found.names.has(number)) {
      yield remove(`inode ${number} is held open without a name, and has one`);
    }
  }
}

function* checkSizes(reader: Reader, node: Node): Generator<Problem> {
  const who = `inode ${node.number}`;
  if (node.type === "symlink") {
    const target = reader.get(targetKey(node.number));
    if (target === undefined) {
      // Nothing else was in it: its names go in the next round.
      const text = `${who} is a symbolic link without a target`;
      yield problem(text, (repair) => repair.removeInode(node));
    } else if (node.length !== target.length) {
      const { length } = target;
      const text = `${who} has a size of ${node.length}, its target has ${length} bytes`;
      yield problem(text, (repair) => repair.change(node, () => (node.length = length)));
    }
  }
  if (node.type !== "file") return;
  if (!hasPossibleSize(node)) {
    yield problem(`${who} has an impossible size, ${node.length}`, (repair) =>
      repair.sizeFromContents(node),
    );
    return;
  }
  if (!isWhole(node.solidLength, 0, node.length)) {
    const text = `${who} is durable to ${node.solidLength}, its size is ${node.length}`;
    yield problem(text, (repair) => repair.change(node, () => (node.solidLength = node.length)));
  }
  if (!isWhole(node.sparseBytes, -1, Number.MAX_SAFE_INTEGER)) {
    const text = `${who} has impossible room for its contents, ${node.sparseBytes}`;
    yield problem(text, (repair) => repair.change(node, () => (node.sparseBytes = -1)));
  }
}

export function hasPossibleSize(node: Node): boolean {
  return isWhole(node.length, 0, fileSizeLimit);
}

function* checkTargets(reader: Reader, found: Survey): Generator<Problem> {
  for (const { key } of reader.scan(targetRange())) {
    const number = decodeInodeKey(key);
    if (found.unreadable.has(number) || found.nodes.get(number)?.type === "symlink") continue;
    const text = `there is a symbolic link's target for inode ${number}, which is none`;
    yield problem(text, ({ writer }) => writer.remove(targetKey(number)));
  }
}

function* checkNumbers(reader: Reader, found: Survey): Generator<Problem> {
  let last = 0;
  const meter = new Meter();
  for (const node of found.nodes.values()) {
    last = Math.max(last, node.number);
    meter.change(unmetered, node.metered);
  }
  for (const number of found.unreadable) last = Math.max(last, number);
  const next = numberAt(reader, numbersKey);
  if (last > 0 && next <= last) {
    const text = `the next inode's number would be ${next}, there is a ${last}`;
    yield problem(text, ({ writer }) => writer.put(numbersKey, encodeNumber(last + 1)));
  }
  const counted = Meter.read(reader).bytes;
  const { bytes } = meter;
  for (const storageClass of storageClasses) {
    if (counted[storageClass] === bytes[storageClass] || !Number.isFinite(bytes.total)) continue;
    const text = `the metered size is ${counted[storageClass]} in ${storageClass}`;
    // Every repair ends with the sum of what it leaves.
    yield problem(`${text}, the inodes add up to ${bytes[storageClass]}`, () => {});
  }
}

function numberAt(reader: Reader, key: ByteString): number {
  const value = reader.get(key);
  return value === undefined ? 0 : decodeNumber(value);
}

function isWhole(value: number, from: number, to: number): boolean {
  return Number.isInteger(value) && value >= from && value <= to;
}
