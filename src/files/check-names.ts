// The names of a file system: the index by name against the one by cookie, both against the
// inodes, and the tree that they make.
import type { FileKey } from "../data/data.ts";
import type { Reader, Writer } from "../store/store.ts";
import type { Name } from "./file-system.ts";
import {
  cookieKey,
  cookieRange,
  decodeCookieKey,
  decodeEntry,
  decodeNameKey,
  decodeNamed,
  encodeEntry,
  encodeNamed,
  nameKey,
  nameRange,
} from "./keys.ts";
import { entrySize, type Node } from "./node.ts";
import { type Problem, problem, type Repair } from "./problems.ts";
import { quoted, type Survey } from "./survey.ts";

interface Naming {
  readonly directory: FileKey;
  readonly name: Name;
  readonly child: FileKey;
  readonly cookie: number;
}

const firstCookie = 3;
const entryLength = 16;
const shortestListing = 9;

/** Finds what is wrong with names, and counts in `found` those that stay. */
export function* checkNames(reader: Reader, found: Survey): Generator<Problem> {
  const namings = new Map<FileKey, Naming[]>();
  const take = (naming: Naming): void => {
    if (found.nodes.get(naming.child)?.type !== "directory") return count(found, naming);
    // Which of its names a directory keeps is decided when all of them are known.
    const known = namings.get(naming.child);
    if (known === undefined) namings.set(naming.child, [naming]);
    else known.push(naming);
  };
  yield* checkEntries(reader, found, take);
  yield* checkListings(reader, found, take);
  yield* checkTree(found, namings);
}

function* checkEntries(
  reader: Reader,
  found: Survey,
  take: (naming: Naming) => void,
): Generator<Problem> {
  for (const { key, value } of reader.scan(nameRange())) {
    const { directory, name } = decodeNameKey(key);
    if (value.length !== entryLength) {
      const text = `the entry ${quoted(name)} of directory ${directory} is broken`;
      yield problem(text, ({ writer }) => writer.remove(nameKey(directory, name)));
      continue;
    }
    const naming = { directory, name, ...decodeEntry(value) };
    const nowhere = notADirectory(found, directory);
    if (nowhere !== undefined) {
      yield problem(`${quoted(name)} is in inode ${directory}, which ${nowhere}`, ({ writer }) =>
        removeNaming(writer, naming),
      );
      continue;
    }
    if (!exists(found, naming.child)) {
      const text = `directory ${directory} names inode ${naming.child}, which does not exist`;
      yield problem(`${text}, as ${quoted(name)}`, ({ writer }) => removeNaming(writer, naming));
      continue;
    }
    take(naming);
    if (naming.cookie < firstCookie || !isListed(reader, naming)) {
      const text = `${quoted(name)} is missing in the listing of directory ${directory}`;
      yield problem(text, (repair) => list(repair, found, naming));
    }
  }
}

function* checkListings(
  reader: Reader,
  found: Survey,
  take: (naming: Naming) => void,
): Generator<Problem> {
  for (const { key, value } of reader.scan(cookieRange())) {
    const { directory, cookie } = decodeCookieKey(key);
    const former = Buffer.from(value);
    const remove = ({ writer }: Repair): void => {
      const own = cookieKey(directory, cookie);
      const present = writer.get(own);
      // An entry that was missing in the listing may have taken the place.
      if (present && Buffer.compare(present, former) === 0) writer.remove(own);
    };
    const place = `the listing of directory ${directory}`;
    if (value.length < shortestListing) {
      yield problem(`${place} is broken at ${cookie}`, remove);
      continue;
    }
    const naming = { directory, cookie, ...decodeNamed(value) };
    const { name, child } = naming;
    const entry = reader.get(nameKey(directory, name));
    if (entry?.length === entryLength) {
      const named = decodeEntry(entry);
      if (named.child === child && named.cookie === cookie) continue;
      yield problem(`${place} has ${quoted(name)} at ${cookie}, where it is not`, remove);
    } else if (notADirectory(found, directory) !== undefined || !exists(found, child)) {
      yield problem(`${place} has ${quoted(name)}, inode ${child}, without an entry`, remove);
    } else {
      take(naming);
      yield problem(`directory ${directory} lists ${quoted(name)}, which has no entry`, (repair) =>
        repair.writer.put(nameKey(directory, name), encodeEntry(child, cookie)),
      );
    }
  }
}

/** Every directory has one name, its parent is where that is, and all lead to the root. */
function* checkTree(found: Survey, namings: ReadonlyMap<FileKey, Naming[]>): Generator<Problem> {
  const kept = new Map<FileKey, Naming>();
  for (const [number, candidates] of namings) {
    const node = found.nodes.get(number)!;
    const own = candidates.find(({ directory }) => directory === node.parent) ?? candidates[0]!;
    if (number !== 1) kept.set(number, own);
    for (const other of candidates) {
      if (other === kept.get(number)) continue;
      const what = number === 1 ? "the root" : `directory ${number}`;
      yield problem(
        `directory ${other.directory} names ${what} too, as ${quoted(other.name)}`,
        ({ writer }) => removeNaming(writer, other),
      );
    }
  }
  const cycles = cyclesIn(kept);
  for (const [number, naming] of kept) {
    const isCut = cycles.has(number);
    if (!isCut) count(found, naming);
    const node = found.nodes.get(number)!;
    if (isCut) {
      yield problem(`directory ${number} lies within itself`, (repair) => {
        removeNaming(repair.writer, naming);
      });
    } else if (node.parent !== naming.directory) {
      const text = `directory ${number} has ${node.parent} for its parent, it is in`;
      yield problem(`${text} ${naming.directory}`, (repair) =>
        repair.change(node, () => (node.parent = naming.directory)),
      );
    }
  }
  const root = found.nodes.get(1);
  if (root?.type === "directory" && root.parent !== 1) {
    yield problem(`the root has ${root.parent} for its parent`, (repair) =>
      repair.change(root, () => (root.parent = 1)),
    );
  }
}

/** One directory of each cycle: the one with the smallest number. */
function cyclesIn(kept: ReadonlyMap<FileKey, Naming>): Set<FileKey> {
  const cuts = new Set<FileKey>();
  const done = new Set<FileKey>();
  for (const start of kept.keys()) {
    const path = new Set<FileKey>();
    let at: FileKey | undefined = start;
    while (at !== undefined && !done.has(at) && !path.has(at)) {
      path.add(at);
      at = kept.get(at)?.directory;
    }
    if (at !== undefined && path.has(at)) {
      const members = [...path];
      cuts.add(Math.min(...members.slice(members.indexOf(at))));
    }
    for (const number of path) done.add(number);
  }
  return cuts;
}

function count(found: Survey, { directory, name, child, cookie }: Naming): void {
  found.names.set(child, (found.names.get(child) ?? 0) + 1);
  let holding = found.holdings.get(directory);
  if (holding === undefined) {
    holding = { entries: 0, bytes: 0, directories: 0, lastCookie: 0 };
    found.holdings.set(directory, holding);
  }
  holding.entries += 1;
  holding.bytes += entrySize(name.length);
  if (found.nodes.get(child)?.type === "directory") holding.directories += 1;
  holding.lastCookie = Math.max(holding.lastCookie, cookie);
}

function exists(found: Survey, number: FileKey): boolean {
  return found.nodes.has(number) || found.unreadable.has(number);
}

function notADirectory(found: Survey, number: FileKey): string | undefined {
  if (found.unreadable.has(number)) return undefined;
  const node: Node | undefined = found.nodes.get(number);
  if (node === undefined) return "does not exist";
  return node.type === "directory" ? undefined : `is a ${node.type}`;
}

function isListed(reader: Reader, { directory, name, child, cookie }: Naming): boolean {
  const listed = reader.get(cookieKey(directory, cookie));
  return listed !== undefined && Buffer.compare(listed, encodeNamed(child, name)) === 0;
}

function removeNaming(writer: Writer, naming: Naming): void {
  writer.remove(nameKey(naming.directory, naming.name));
  if (isListed(writer, naming)) writer.remove(cookieKey(naming.directory, naming.cookie));
}

/** Puts a name into its directory's listing: where it was, or at the end if another is there. */
function list(repair: Repair, found: Survey, naming: Naming): void {
  const { writer } = repair;
  const { directory, name, child, cookie } = naming;
  if (cookie >= firstCookie && !isTaken(writer, directory, cookie)) {
    writer.put(cookieKey(directory, cookie), encodeNamed(child, name));
    return;
  }
  const node = found.nodes.get(directory);
  if (node === undefined) return;
  let next = Math.max(node.nextCookie, (found.holdings.get(directory)?.lastCookie ?? 0) + 1);
  while (writer.get(cookieKey(directory, next)) !== undefined) next += 1;
  writer.put(nameKey(directory, name), encodeEntry(child, next));
  writer.put(cookieKey(directory, next), encodeNamed(child, name));
  repair.change(node, () => (node.nextCookie = next + 1));
}

/** Whether an entry stands there in the listing that says itself that it does. */
function isTaken(reader: Reader, directory: FileKey, cookie: number): boolean {
  const listed = reader.get(cookieKey(directory, cookie));
  if (listed === undefined || listed.length < shortestListing) return false;
  const { child, name } = decodeNamed(listed);
  const entry = reader.get(nameKey(directory, name));
  if (entry?.length !== entryLength) return false;
  const named = decodeEntry(entry);
  return named.child === child && named.cookie === cookie;
}
