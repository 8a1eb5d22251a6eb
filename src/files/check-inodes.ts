// Inodes against the names that were found, targets and orphans against the inodes, and the numbers
// of the whole file system.
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
import { Meter } from "./meter.ts";
import { storageClasses } from "./node.ts";
import { type Problem, problem } from "./problems.ts";
import type { Survey, Surveyed } from "./survey.ts";

/** After `checkNames`. */
export function* checkInodes(reader: Reader, found: Survey): Generator<Problem> {
  const orphans = new Set<FileKey>();
  for (const { key } of reader.scan(orphanRange())) orphans.add(decodeInodeKey(key));
  // The root comes first: its counters are put in order before the lost are linked into it.
  for (const inode of found.inodes()) {
    if (inode.type === "directory") yield* checkDirectory(reader, found, inode.number);
    yield* checkLinks(found, inode, orphans.has(inode.number));
  }
  yield* checkOrphans(found, orphans);
  yield* checkTargets(reader, found);
  yield* checkNumbers(reader, found);
}

function* checkDirectory(reader: Reader, found: Survey, number: FileKey): Generator<Problem> {
  const { entries, bytes, lastCookie } = found.holdings.of(number);
  const record = found.node(reader, number);
  const who = `directory ${number}`;
  if (record.entries !== entries) {
    const text = `${who} counts ${record.entries} entries, there are ${entries}`;
    yield problem(text, (repair) => repair.change(number, (node) => (node.entries = entries)));
  }
  if (record.entryBytes !== bytes) {
    const text = `${who} counts ${record.entryBytes} bytes of entries, there are ${bytes}`;
    yield problem(text, (repair) => repair.change(number, (node) => (node.entryBytes = bytes)));
  }
  if (!(record.nextCookie > lastCookie)) {
    const text = `${who} would give ${record.nextCookie} for the next cookie, it has had ${lastCookie}`;
    yield problem(text, (repair) =>
      repair.change(number, (node) => (node.nextCookie = Math.max(3, lastCookie + 1))),
    );
  }
}

function* checkLinks(found: Survey, inode: Surveyed, isOrphan: boolean): Generator<Problem> {
  const { number, links, names } = inode;
  if (names === 0 && number !== 1 && !isOrphan) {
    const linked = linksOf(found, { ...inode, names: 1 });
    yield problem(`inode ${number} has no name and is not held open`, (repair) =>
      repair.linkIntoRoot(number, linked),
    );
    return;
  }
  const expected = linksOf(found, inode);
  if (links === expected) return;
  yield problem(`inode ${number} counts ${links} links, there are ${expected}`, (repair) =>
    repair.change(number, (node) => (node.links = expected)),
  );
}

function linksOf(found: Survey, { number, type, names }: Surveyed): number {
  if (type !== "directory") return names;
  return names > 0 || number === 1 ? 2 + found.holdings.of(number).directories : 0;
}

function* checkOrphans(found: Survey, orphans: ReadonlySet<FileKey>): Generator<Problem> {
  for (const number of orphans) {
    const remove = (text: string): Problem =>
      problem(text, ({ writer }) => writer.remove(orphanKey(number)));
    if (found.typeOf(number) === undefined) {
      if (found.isUnreadable(number)) continue;
      yield remove(`inode ${number} is held open, and does not exist`);
    } else if (number === 1 || found.names(number) > 0) {
      yield remove(`inode ${number} is held open without a name, and has one`);
    }
  }
}

function* checkTargets(reader: Reader, found: Survey): Generator<Problem> {
  for (const { key } of reader.scan(targetRange())) {
    const number = decodeInodeKey(key);
    if (found.isUnreadable(number) || found.typeOf(number) === "symlink") continue;
    const text = `there is a symbolic link's target for inode ${number}, which is none`;
    yield problem(text, ({ writer }) => writer.remove(targetKey(number)));
  }
}

function* checkNumbers(reader: Reader, found: Survey): Generator<Problem> {
  const last = found.lastNumber;
  const next = numberAt(reader, numbersKey);
  if (last > 0 && next <= last) {
    const text = `the next inode's number would be ${next}, there is a ${last}`;
    yield problem(text, ({ writer }) => writer.put(numbersKey, encodeNumber(last + 1)));
  }
  const counted = Meter.read(reader).bytes;
  const { bytes } = found.meter;
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
