import assert from "node:assert/strict";
import { test } from "node:test";

import { SeededRandom } from "../base/random.ts";
import type { MemoryData } from "../data/memory/memory-data.ts";
import type { MemoryStore } from "../store/memory/memory-store.ts";
import type { Reader, Writer } from "../store/store.ts";
import { checkFileSystem, repairFileSystem } from "./check.ts";
import { failed } from "./failure.ts";
import { type FileSystem, type Inode, superuser } from "./file-system.ts";
import {
  cookieKey,
  encodeEntry,
  encodeNamed,
  encodeNumber,
  inodeKey,
  meteredKey,
  nameKey,
  numbersKey,
  openKey,
  orphanKey,
  targetKey,
} from "./keys.ts";
import { decodeNode, encodeNode, type Node } from "./node.ts";
import { memoryFileSystem } from "./testing.ts";

/** The inodes of the tree that every case damages, and the cookies of its names. */
const root = 1;
const directory = 2;
const inner = 3;
const file = 4;
const link = 5;
const cookies = { d: 3, l: 4, inner: 3, f: 4, g: 5 };

interface Damaged {
  readonly writer: Writer;
  readonly data: MemoryData;
}

interface Case {
  readonly damage: (damaged: Damaged) => void;
  readonly problems: readonly string[];
  /** Paths after the repair, where they are not those of before. */
  readonly paths?: readonly string[];
}

const paths = ["/d", "/d/f", "/d/g", "/d/inner", "/l"];

const change = (number: number, edit: (node: Node) => void) =>
  function damage({ writer }: Damaged): void {
    const node = nodeAt(writer, number);
    edit(node);
    writer.put(inodeKey(number), encodeNode(node));
  };

const cases: Record<string, Case> = {
  "a name of an inode that is gone": {
    damage: ({ writer, data }) => {
      writer.remove(inodeKey(file));
      data.remove(file);
    },
    problems: [
      'directory 2 names inode 4, which does not exist, as "f"',
      'directory 2 names inode 4, which does not exist, as "g"',
      "directory 2 counts 3 entries, there are 1",
      "directory 2 counts 103 bytes of entries, there are 37",
      "the metered size is 30720 in standard, the inodes add up to 24576",
    ],
    paths: ["/d", "/d/inner", "/l"],
  },
  "a name that is not listed": {
    damage: ({ writer }) => writer.remove(cookieKey(directory, cookies.f)),
    problems: ['"f" is missing in the listing of directory 2'],
  },
  "a name listed where another is": {
    damage: ({ writer }) => writer.put(nameKey(directory, "f"), encodeEntry(file, cookies.inner)),
    problems: [
      '"f" is missing in the listing of directory 2',
      'the listing of directory 2 has "f" at 4, where it is not',
    ],
  },
  "a listing without a name": {
    damage: ({ writer }) => writer.remove(nameKey(directory, "g")),
    problems: ['directory 2 lists "g", which has no entry'],
  },
  "a listing of an inode that is gone": {
    damage: ({ writer }) => writer.put(cookieKey(directory, 9), encodeNamed(99, "ghost")),
    problems: ['the listing of directory 2 has "ghost", inode 99, without an entry'],
  },
  "broken entries": {
    damage: ({ writer }) => {
      writer.put(nameKey(directory, "f"), Buffer.from("?"));
      writer.put(cookieKey(directory, cookies.g), Buffer.from("?"));
    },
    problems: [
      'the entry "f" of directory 2 is broken',
      '"g" is missing in the listing of directory 2',
      'directory 2 lists "f", which has no entry',
      "the listing of directory 2 is broken at 5",
    ],
  },
  "names in a directory that is gone": {
    damage: ({ writer }) => writer.remove(inodeKey(directory)),
    problems: [
      'directory 1 names inode 2, which does not exist, as "d"',
      '"f" is in inode 2, which does not exist',
      '"g" is in inode 2, which does not exist',
      '"inner" is in inode 2, which does not exist',
      "directory 1 counts 2 entries, there are 1",
      "directory 1 counts 66 bytes of entries, there are 33",
      "inode 1 counts 3 links, there are 2",
      "inode 3 has no name and is not held open",
      "inode 4 has no name and is not held open",
      "the metered size is 30720 in standard, the inodes add up to 24576",
    ],
    paths: ["/l", "/lost+found-3", "/lost+found-4"],
  },
  "names in a file": {
    damage: ({ writer }) => {
      writer.put(nameKey(file, "x"), encodeEntry(link, 3));
      writer.put(cookieKey(file, 3), encodeNamed(link, "x"));
    },
    problems: ['"x" is in inode 4, which is a file'],
  },
  "counters of a directory": {
    damage: change(directory, (node) => {
      node.entries = 7;
      node.entryBytes = 1;
      node.links = 9;
      node.nextCookie = cookies.f;
    }),
    problems: [
      "directory 2 counts 7 entries, there are 3",
      "directory 2 counts 1 bytes of entries, there are 103",
      "directory 2 would give 4 for the next cookie, it has had 5",
      "inode 2 counts 9 links, there are 3",
    ],
  },
  "links of a file": {
    damage: change(file, (node) => (node.links = 1)),
    problems: ["inode 4 counts 1 links, there are 2"],
  },
  "a file that lost its names": {
    damage: ({ writer }) => {
      for (const name of ["f", "g"] as const) {
        writer.remove(nameKey(directory, name));
        writer.remove(cookieKey(directory, cookies[name]));
      }
    },
    problems: [
      "directory 2 counts 3 entries, there are 1",
      "directory 2 counts 103 bytes of entries, there are 37",
      "inode 4 has no name and is not held open",
    ],
    paths: ["/d", "/d/inner", "/l", "/lost+found-4"],
  },
  "a parent that is another": {
    damage: change(inner, (node) => (node.parent = 77)),
    problems: ["directory 3 has 77 for its parent, it is in 2"],
  },
  "a root below itself": {
    damage: change(root, (node) => (node.parent = inner)),
    problems: ["the root has 3 for its parent"],
  },
  "a directory with two names": {
    damage: (damaged) => {
      const { writer } = damaged;
      writer.put(nameKey(root, "again"), encodeEntry(inner, 50));
      writer.put(cookieKey(root, 50), encodeNamed(inner, "again"));
      change(root, (node) => {
        node.nextCookie = 51;
      })(damaged);
    },
    problems: ['directory 1 names directory 3 too, as "again"'],
  },
  "the root named by a directory": {
    damage: ({ writer }) => {
      writer.put(nameKey(inner, "up"), encodeEntry(root, 3));
      writer.put(cookieKey(inner, 3), encodeNamed(root, "up"));
    },
    problems: ['directory 3 names the root too, as "up"'],
  },
  "directories within each other": {
    damage: (damaged) => {
      const { writer } = damaged;
      writer.remove(nameKey(root, "d"));
      writer.remove(cookieKey(root, cookies.d));
      writer.put(nameKey(inner, "d"), encodeEntry(directory, 3));
      writer.put(cookieKey(inner, 3), encodeNamed(directory, "d"));
      change(directory, (node) => (node.parent = inner))(damaged);
    },
    problems: [
      "directory 2 lies within itself",
      "directory 1 counts 2 entries, there are 1",
      "directory 1 counts 66 bytes of entries, there are 33",
      "inode 1 counts 3 links, there are 2",
      "inode 2 has no name and is not held open",
    ],
    paths: ["/l", "/lost+found-2", "/lost+found-2/f", "/lost+found-2/g", "/lost+found-2/inner"],
  },
  "directories within each other by their listings": {
    damage: (damaged) => {
      const { writer } = damaged;
      for (const [at, name] of [
        [root, "d"],
        [directory, "inner"],
      ] as const) {
        writer.remove(nameKey(at, name));
      }
      writer.remove(cookieKey(root, cookies.d));
      writer.put(cookieKey(inner, 3), encodeNamed(directory, "d"));
      change(directory, (node) => (node.parent = inner))(damaged);
    },
    problems: [
      'directory 2 lists "inner", which has no entry',
      'directory 3 lists "d", which has no entry',
      "directory 2 lies within itself",
      "directory 1 counts 2 entries, there are 1",
      "directory 1 counts 66 bytes of entries, there are 33",
      "inode 1 counts 3 links, there are 2",
      "inode 2 has no name and is not held open",
    ],
    paths: ["/l", "/lost+found-2", "/lost+found-2/f", "/lost+found-2/g", "/lost+found-2/inner"],
  },
  "no root, and a directory that lost its name": {
    damage: ({ writer }) => {
      writer.remove(inodeKey(root));
      writer.remove(nameKey(root, "d"));
      writer.remove(cookieKey(root, cookies.d));
    },
    problems: [
      "there is no root directory",
      "directory 1 counts 0 entries, there are 1",
      "directory 1 counts 0 bytes of entries, there are 33",
      "directory 1 would give 3 for the next cookie, it has had 4",
      "inode 2 has no name and is not held open",
    ],
    paths: ["/l", "/lost+found-2", "/lost+found-2/f", "/lost+found-2/g", "/lost+found-2/inner"],
  },
  "no root": {
    damage: ({ writer }) => writer.remove(inodeKey(root)),
    problems: [
      "there is no root directory",
      "directory 1 counts 0 entries, there are 2",
      "directory 1 counts 0 bytes of entries, there are 66",
      "directory 1 would give 3 for the next cookie, it has had 4",
      "inode 1 counts 2 links, there are 3",
    ],
  },
  "a symbolic link without its target": {
    damage: ({ writer }) => writer.remove(targetKey(link)),
    problems: ["inode 5 is a symbolic link without a target"],
    paths: ["/d", "/d/f", "/d/g", "/d/inner"],
  },
  "a symbolic link without its target, and with other links": {
    damage: (damaged) => {
      damaged.writer.remove(targetKey(link));
      change(link, (node) => (node.links = 7))(damaged);
    },
    problems: [
      "inode 5 is a symbolic link without a target",
      "inode 5 counts 7 links, there are 1",
    ],
    paths: ["/d", "/d/f", "/d/g", "/d/inner"],
  },
  "a symbolic link without its target and its name": {
    damage: ({ writer }) => {
      writer.remove(targetKey(link));
      writer.remove(nameKey(root, "l"));
      writer.remove(cookieKey(root, cookies.l));
    },
    problems: [
      "directory 1 counts 2 entries, there are 1",
      "directory 1 counts 66 bytes of entries, there are 33",
      "inode 5 is a symbolic link without a target",
      "inode 5 has no name and is not held open",
    ],
    paths: ["/d", "/d/f", "/d/g", "/d/inner"],
  },
  "a symbolic link of another length": {
    damage: change(link, (node) => (node.length = 100)),
    problems: ["inode 5 has a size of 100, its target has 3 bytes"],
  },
  "a target of no symbolic link": {
    damage: ({ writer }) => writer.put(targetKey(file), Buffer.from("x")),
    problems: ["there is a symbolic link's target for inode 4, which is none"],
  },
  "an orphan that has a name": {
    damage: ({ writer }) => writer.put(orphanKey(file), Buffer.alloc(0)),
    problems: ["inode 4 is held open without a name, and has one"],
  },
  "an orphan that is gone": {
    damage: ({ writer }) => writer.put(orphanKey(99), Buffer.alloc(0)),
    problems: ["inode 99 is held open, and does not exist"],
  },
  "sizes that can't be": {
    damage: (damaged) => {
      change(file, (node) => (node.length = -5))(damaged);
    },
    problems: ["inode 4 has an impossible size, -5"],
  },
  "room and durable length that can't be": {
    damage: change(file, (node) => {
      node.sparseBytes = -7;
      node.solidLength = 80;
    }),
    problems: [
      "inode 4 is durable to 80, its size is 5",
      "inode 4 has impossible room for its contents, -7",
    ],
  },
  "a next inode number that is taken": {
    damage: ({ writer }) => writer.put(numbersKey, encodeNumber(link)),
    problems: ["the next inode's number would be 5, there is a 5"],
  },
  "a metered size that is another": {
    damage: ({ writer }) => writer.put(meteredKey, encodeNumber(1)),
    problems: ["the metered size is 1 in standard, the inodes add up to 30720"],
  },
  "contents of nobody": {
    damage: ({ data }) => void data.write(99, 0, Buffer.from("x")),
    problems: ["contents of inode 99, which does not exist"],
  },
  "contents of a directory": {
    damage: ({ data }) => void data.write(directory, 0, Buffer.from("x")),
    problems: ["contents of inode 2, which is a directory"],
  },
  "contents past the end": {
    damage: ({ data }) => void data.write(file, 3, Buffer.from("x".repeat(10))),
    problems: ["contents of inode 4 go on past its end, to 13"],
  },
  "contents that end too early": {
    damage: ({ data }) => data.truncate(file, 2),
    problems: ["contents of inode 4 end at 2 instead of 5: the rest is lost and reads as zeros"],
  },
};

for (const [what, { damage, problems, paths: expected = paths }] of Object.entries(cases)) {
  test(`check: ${what} is reported in words, and repaired`, async () => {
    const { store, data, reopen } = await closedFileSystem();
    store.write((writer) => damage({ writer, data }));
    assert.deepEqual(checkFileSystem(store, data).toSorted(), problems.toSorted());
    const outcome = repairFileSystem(store, data, new SeededRandom(1));
    assert.deepEqual(outcome.remaining, []);
    for (const found of problems) assert.ok(outcome.repaired.includes(found), found);
    assert.deepEqual(checkFileSystem(store, data), []);
    const files = reopen();
    assert.deepEqual(pathsIn(files), expected);
    await files.close();
    assert.deepEqual(checkFileSystem(store, data), []);
  });
}

test("check: what can't be repaired is said to remain, and nothing else is touched", async () => {
  const { store, data } = await closedFileSystem();
  store.write((writer) => writer.put(inodeKey(file), Buffer.from("?")));
  const metered = "the metered size is 30720 in standard, the inodes add up to 24576";
  assert.deepEqual(checkFileSystem(store, data), ["the record of inode 4 is broken", metered]);
  const outcome = repairFileSystem(store, data, new SeededRandom(1));
  assert.deepEqual(outcome, {
    repaired: [metered],
    remaining: ["the record of inode 4 is broken"],
  });
  assert.equal(data.length(file), 5);
});

test("check: contents without any inode are never removed", async () => {
  const { data } = await closedFileSystem();
  const { store } = memoryFileSystem();
  store.write((writer) => {
    for (const key of [inodeKey(1), numbersKey, meteredKey, openKey]) writer.remove(key);
  });
  const outcome = repairFileSystem(store, data, new SeededRandom(1));
  assert.deepEqual(outcome.remaining, ["there are contents, and not one inode"]);
  assert.equal(data.length(file), 5);
});

test("check: an orphan is left for the next opening, as is what else a crash leaves", async () => {
  const { files, store, data, reopen } = memoryFileSystem();
  const held = make(files, files.root, "held");
  await files.write(superuser, held, 0, Buffer.from("x"));
  files.hold(held);
  files.remove(superuser, files.root, "held", "file");
  data.write(99, 0, Buffer.from("left over"));
  assert.deepEqual(checkFileSystem(store, data), []);
  assert.deepEqual(repairFileSystem(store, data, new SeededRandom(1)).repaired, []);
  const again = reopen();
  again.endRecovery();
  assert.deepEqual([...data.list()], [99]);
  await again.close();
});

/** /d with /d/inner, /d/f ("hello", also /d/g), and /l, a symbolic link. */
async function closedFileSystem(inlineLimit = 0): Promise<{
  store: MemoryStore;
  data: MemoryData;
  reopen: () => FileSystem;
}> {
  const { files, store, data, reopen } = memoryFileSystem({ inlineLimit });
  const d = make(files, files.root, "d", "directory");
  make(files, d, "inner", "directory");
  const f = make(files, d, "f");
  await files.write(superuser, f, 0, Buffer.from("hello"));
  files.link(superuser, f, d, "g");
  make(files, files.root, "l", "symlink");
  await files.close();
  assert.deepEqual(checkFileSystem(store, data), []);
  return { store, data, reopen };
}

function make(
  files: FileSystem,
  parent: Inode,
  name: string,
  type: "directory" | "file" | "symlink" = "file",
): Inode {
  const target = type === "symlink" ? { target: Buffer.from("d/f") } : {};
  const made = files.create(superuser, parent, name, { type, mode: 0o755, ...target });
  assert.ok(!failed(made));
  return made;
}

function nodeAt(reader: Reader, number: number): Node {
  return decodeNode(number, reader.get(inodeKey(number))!);
}

/** Every path, found by listing and by name. */
function pathsIn(files: FileSystem, at: Inode = files.root, prefix = ""): string[] {
  const found: string[] = [];
  files.readDirectory(superuser, at, 0, true, ({ name, inode }) => {
    const path = `${prefix}/${name}`;
    found.push(path);
    assert.equal(files.lookup(superuser, at, name), inode, path);
    if (inode?.type !== "directory") return true;
    assert.equal(files.parent(superuser, inode), at, path);
    found.push(...pathsIn(files, inode, path));
    return true;
  });
  return found.sort();
}
