// The names of a file system: the index by name against the one by cookie, both against the
// inodes, and the tree that they make.
import { assert } from "../base/assert.ts";
import { NumberList } from "../base/number-list.ts";
import type { FileKey } from "../data/data.ts";
import type { Entry, Reader, Writer } from "../store/store.ts";
import type { Watch } from "./check-parts.ts";
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
import { type Problem, problem, type Repair } from "./problems.ts";
import { type Naming, quoted, type Survey } from "./survey.ts";

const firstCookie = 3;
const entryLength = 16;
const shortestListing = 9;

/** Names of directories that are not where the directory's record says, by directory. */
type Strays = Map<FileKey, Naming[]>;

/** Finds what is wrong with names, and counts in `found` those that stay. */
export function* checkNames(reader: Reader, found: Survey, watch: Watch): Generator<Problem> {
  const strays: Strays = new Map();
  const take = (naming: Naming): void => {
    if (isStray(found, naming)) addStray(strays, naming);
    else found.count(naming);
  };
  yield* checkEntries(reader, watch("names", reader.scan(nameRange())), found, take);
  yield* checkListings(reader, watch("listings", reader.scan(cookieRange())), found, take);
  yield* checkTree(reader, found, strays);
}

/** Which of its names a directory keeps is decided when all are known, but for the one it says. */
function isStray(found: Survey, { directory, child }: Naming): boolean {
  if (found.typeOf(child) !== "directory") return false;
  return found.holdings.parentOf(child) !== directory || found.names(child) > 0;
}

function addStray(strays: Strays, naming: Naming): void {
  const known = strays.get(naming.child);
  if (known === undefined) strays.set(naming.child, [naming]);
  else known.push(naming);
}

function* checkEntries(
  reader: Reader,
  entries: Iterable<Entry>,
  found: Survey,
  take: (naming: Naming) => void,
): Generator<Problem> {
  for (const { key, value } of entries) {
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
    if (!found.exists(naming.child)) {
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
  entries: Iterable<Entry>,
  found: Survey,
  take: (naming: Naming) => void,
): Generator<Problem> {
  for (const { key, value } of entries) {
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
    } else if (notADirectory(found, directory) !== undefined || !found.exists(child)) {
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
function* checkTree(reader: Reader, found: Survey, strays: Strays): Generator<Problem> {
  /** Of the directories that have none where their record says. */
  const homes = new Map<FileKey, Naming>();
  for (const [number, candidates] of strays) {
    if (number !== 1 && found.names(number) === 0) homes.set(number, candidates[0]!);
    for (const other of candidates) {
      if (other === homes.get(number)) continue;
      const what = number === 1 ? "the root" : `directory ${number}`;
      yield problem(
        `directory ${other.directory} names ${what} too, as ${quoted(other.name)}`,
        ({ writer }) => removeNaming(writer, other),
      );
    }
  }
  for (const naming of homes.values()) found.count(naming);
  const cuts = new Set(cyclesIn(found, homes));
  for (const number of cuts) {
    const naming = homes.get(number) ?? homeOf(reader, found, number);
    // A directory can't lie in two cycles, so that it never holds two of these.
    found.discount(naming);
    yield problem(`directory ${number} lies within itself`, ({ writer }) =>
      removeNaming(writer, naming),
    );
  }
  for (const [number, { directory }] of homes) {
    if (cuts.has(number)) continue;
    const text = `directory ${number} has ${found.holdings.parentOf(number)} for its parent`;
    yield problem(`${text}, it is in ${directory}`, (repair) =>
      repair.change(number, (node) => (node.parent = directory)),
    );
  }
  const root = found.typeOf(1) === "directory" ? found.node(reader, 1) : undefined;
  if (root !== undefined && root.parent !== 1) {
    yield problem(`the root has ${root.parent} for its parent`, (repair) =>
      repair.change(1, (node) => (node.parent = 1)),
    );
  }
}

/** The first name of a directory where its record says. */
function homeOf(reader: Reader, found: Survey, child: FileKey): Naming {
  const directory = found.holdings.parentOf(child);
  const names = { from: nameKey(directory, ""), to: nameKey(directory + 1, "") };
  for (const { key, value } of reader.scan(names)) {
    if (value.length !== entryLength) continue;
    const entry = decodeEntry(value);
    if (entry.child === child) return { directory, name: decodeNameKey(key).name, ...entry };
  }
  const cookies = { from: cookieKey(directory, 0), to: cookieKey(directory + 1, 0) };
  for (const { key, value } of reader.scan(cookies)) {
    if (value.length < shortestListing) continue;
    const { cookie } = decodeCookieKey(key);
    const named = decodeNamed(value);
    const entry = reader.get(nameKey(directory, named.name));
    if (named.child === child && entry?.length !== entryLength) {
      return { directory, cookie, ...named };
    }
  }
  assert(false, `directory ${child} has no name in ${directory}`);
}

/** One directory of each cycle: the one with the smallest number. */
function* cyclesIn(found: Survey, homes: ReadonlyMap<FileKey, Naming>): Generator<FileKey> {
  const { holdings } = found;
  const above = (index: number): number => {
    const number = holdings.numberAt(index);
    if (found.names(number) === 0) return -1;
    return holdings.indexOf(homes.get(number)?.directory ?? holdings.parentOf(number));
  };
  /** For each directory which walk came by it first. */
  const walks = new NumberList(Uint32Array);
  for (let walk = 1; walk <= holdings.length; walk += 1) walks.push(0);
  for (let walk = 1; walk <= holdings.length; walk += 1) {
    let at = walk - 1;
    for (; at >= 0 && walks.at(at) === 0; at = above(at)) walks.set(at, walk);
    if (at < 0 || walks.at(at) !== walk) continue;
    let smallest = at;
    for (let member = above(at); member !== at; member = above(member)) {
      smallest = Math.min(smallest, member);
    }
    yield holdings.numberAt(smallest);
  }
}

function notADirectory(found: Survey, number: FileKey): string | undefined {
  if (found.isUnreadable(number)) return undefined;
  const type = found.typeOf(number);
  if (type === undefined) return "does not exist";
  return type === "directory" ? undefined : `is a ${type}`;
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
  repair.change(directory, (node) => {
    let next = Math.max(node.nextCookie, found.holdings.of(directory).lastCookie + 1);
    while (writer.get(cookieKey(directory, next)) !== undefined) next += 1;
    writer.put(nameKey(directory, name), encodeEntry(child, next));
    writer.put(cookieKey(directory, next), encodeNamed(child, name));
    node.nextCookie = next + 1;
  });
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
