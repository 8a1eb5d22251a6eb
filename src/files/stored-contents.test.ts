// Contents that are in the store: those of small files, and stable writes until they are flushed.
import assert from "node:assert/strict";
import { test } from "node:test";

import { SeededRandom } from "../base/random.ts";
import { MemoryData } from "../data/memory/memory-data.ts";
import { FakeClock } from "../base/fake-clock.ts";
import type { MemoryStore } from "../store/memory/memory-store.ts";
import { checkFileSystem, repairFileSystem } from "./check.ts";
import { failed, type Failure } from "./failure.ts";
import { type FileSystem, type Inode, superuser } from "./file-system.ts";
import { inlineKey, inodeKey, redoKey, redoRange } from "./keys.ts";
import { contentsSettleMs, inlineLimit, lazyAttributesMs, redoPiecesLimit } from "./limits.ts";
import { decodeNode, encodeNode } from "./node.ts";
import { PosixFileSystem } from "./posix-file-system.ts";
import { memoryFileSystem } from "./testing.ts";

function ok(outcome: Inode | Failure): Inode {
  assert.ok(!failed(outcome), failed(outcome) ? outcome.code : "");
  return outcome;
}

function make(files: FileSystem, name: string): Inode {
  return ok(files.create(superuser, files.root, name, { type: "file", mode: 0o644 }));
}

function write(files: FileSystem, inode: Inode, offset: number, text: string, stable = false) {
  const written = files.write(superuser, inode, offset, Buffer.from(text), stable);
  assert.equal(written, text.length);
}

function committed(files: FileSystem, inode: Inode): boolean {
  let isCommitted = false;
  files.commit(inode, (error) => (isCommitted = error === undefined));
  return isCommitted;
}

function read(files: FileSystem, inode: Inode): string {
  const bytes = Buffer.alloc(inode.size);
  assert.equal(files.read(inode, 0, bytes), bytes.length);
  return bytes.toString("latin1");
}

/** What a crash leaves where the contents' engine lost all that was not flushed. */
function crashed(store: MemoryStore, data = new MemoryData()): PosixFileSystem {
  const [clock, random] = [new FakeClock(), new SeededRandom(5)];
  return new PosixFileSystem({ id: "fs-test", store, data, clock, random });
}

/** Contents whose flushes never end. */
class UnflushedData extends MemoryData {
  override whenDurable(): void {}
}

function withUnflushedData() {
  const { store } = memoryFileSystem();
  return { store, files: crashed(store, new UnflushedData()) };
}

function pieces(store: MemoryStore): number {
  return store.read((reader) => [...reader.scan(redoRange())].length);
}

test("a small file has no contents of its own and is durable without a flush of them", () => {
  const { store, files } = withUnflushedData();
  const inode = make(files, "f");
  write(files, inode, 0, "small");
  write(files, inode, 3, "ll file");
  assert.ok(committed(files, inode));
  const again = crashed(store);
  assert.equal(read(again, ok(again.inode(inode.number))), "small file");
});

test("a small file grows to the limit in the store, and then has contents of its own", () => {
  const { files, store, data } = memoryFileSystem();
  const inode = make(files, "f");
  write(files, inode, 0, "a".repeat(inlineLimit - 1));
  write(files, inode, inlineLimit - 1, "b");
  assert.deepEqual([...data.list()], []);
  assert.ok(committed(files, inode));
  write(files, inode, inlineLimit, "c");
  assert.deepEqual([...data.list()], [inode.number]);
  assert.equal(read(files, inode), `${"a".repeat(inlineLimit - 1)}bc`);
  assert.equal(
    store.read((reader) => reader.get(inlineKey(inode.number))),
    undefined,
  );
});

test("what was committed of a small file survives a crash while it gets contents of its own", () => {
  const { store, files } = withUnflushedData();
  const inode = make(files, "f");
  write(files, inode, 0, "committed");
  assert.ok(committed(files, inode));
  write(files, inode, inlineLimit, "not flushed");
  const again = crashed(store);
  assert.equal(read(again, ok(again.inode(inode.number))), "committed");
});

test("a small file made shorter and longer again reads as zeros from there on", () => {
  const { files, data } = memoryFileSystem();
  const inode = make(files, "f");
  write(files, inode, 0, "contents");
  for (const size of [3, 6]) ok(files.setAttributes(superuser, inode, { size }));
  assert.equal(read(files, inode), "con\0\0\0");
  ok(files.setAttributes(superuser, inode, { size: inlineLimit + 1 }));
  assert.equal(read(files, inode).slice(0, 8), "con\0\0\0\0\0");
  assert.equal(data.length(inode.number) > 0, true);
});

test("nothing is left of a small file that is removed", async () => {
  const { files, store, data } = memoryFileSystem();
  const inode = make(files, "f");
  write(files, inode, 0, "contents");
  assert.ok(committed(files, inode));
  assert.equal(files.remove(superuser, files.root, "f", "file"), undefined);
  assert.equal(
    store.read((reader) => reader.get(inlineKey(inode.number))),
    undefined,
  );
  await files.close();
  assert.deepEqual(checkFileSystem(store, data), []);
});

const filling = "x".repeat(inlineLimit + 1);

/** A file with contents of its own, all flushed, on engines where the next flush never ends. */
async function largeFile() {
  const { files: first, store, data } = memoryFileSystem();
  const inode = make(first, "f");
  write(first, inode, 0, filling);
  assert.ok(committed(first, inode));
  await first.close();
  const unflushed = new UnflushedData();
  for (const file of data.list()) unflushed.write(file, 0, Buffer.from(filling));
  const files = crashed(store, unflushed);
  /** After a crash that takes everything that was not flushed. */
  const afterCrash = () => {
    const flushed = new MemoryData();
    flushed.write(inode.number, 0, Buffer.from(filling));
    const again = crashed(store, flushed);
    return read(again, ok(again.inode(inode.number)));
  };
  return { files, store, afterCrash, inode: ok(files.inode(inode.number)) };
}

test("a stable write is durable with the store, before the contents are flushed", async () => {
  const { files, inode, afterCrash } = await largeFile();
  write(files, inode, 1, "one", true);
  assert.ok(committed(files, inode));
  write(files, inode, filling.length, " and the end", true);
  assert.ok(committed(files, inode));
  assert.equal(afterCrash(), `xone${filling.slice(4)} and the end`);
});

test("a stable write over part of another, or after an unstable one, waits for a flush", async () => {
  const { files, inode } = await largeFile();
  write(files, inode, 10, "0123456789", true);
  assert.ok(committed(files, inode));
  write(files, inode, 15, "0123456789", true);
  assert.equal(committed(files, inode), false);
  const { files: others, inode: other } = await largeFile();
  write(others, other, 0, "unstable");
  write(others, other, 100, "stable", true);
  assert.equal(committed(others, other), false);
});

test("stable writes don't wait for the flush that makes room for more of them", async () => {
  const { files, inode } = await largeFile();
  for (let index = 0; index < redoPiecesLimit; index += 1) {
    write(files, inode, index * 2, "s", true);
    assert.ok(committed(files, inode), `the stable write ${index}`);
  }
  write(files, inode, redoPiecesLimit * 2, "s", true);
  assert.equal(committed(files, inode), false);
});

test("a file made shorter doesn't get back what was written past its end", async () => {
  const { files, inode, afterCrash, store } = await largeFile();
  for (const [offset, text] of [
    [2, "0123456789"],
    [100, "gone"],
  ] as const) {
    write(files, inode, offset, text, true);
    assert.ok(committed(files, inode));
  }
  for (const size of [5, 20]) ok(files.setAttributes(superuser, inode, { size }));
  assert.equal(pieces(store), 1);
  assert.equal(afterCrash(), `xx012${"\0".repeat(15)}`);
});

test("stable writes leave the store once the contents are flushed", async () => {
  const clock = new FakeClock();
  const { files, store, data } = memoryFileSystem({ clock });
  const inode = make(files, "f");
  write(files, inode, 0, filling);
  assert.ok(committed(files, inode));
  write(files, inode, 0, "stable", true);
  assert.ok(committed(files, inode));
  assert.equal(pieces(store), 1);
  clock.advance(contentsSettleMs);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(lazyAttributesMs);
  assert.equal(pieces(store), 0);
  await files.close();
  assert.deepEqual(checkFileSystem(store, data), []);
});

test("the check finds contents in the store that fit no inode, and repairs them", async () => {
  const { files, store, data } = memoryFileSystem();
  const [small, large] = [make(files, "small"), make(files, "large")];
  write(files, small, 0, "small");
  write(files, large, 0, filling);
  await files.close();
  store.write((writer) => {
    writer.put(inlineKey(99), Buffer.from("x"));
    writer.put(inlineKey(large.number), Buffer.from("x"));
    writer.put(redoKey(small.number, 0), Buffer.from("x"));
    writer.put(redoKey(large.number, filling.length), Buffer.from("x"));
    const node = decodeNode(small.number, writer.get(inodeKey(small.number))!);
    node.length = 7;
    writer.put(inodeKey(small.number), encodeNode(node));
  });
  data.write(small.number, 0, Buffer.from("x"));
  const problems = [
    `contents of inode ${small.number}, which has its own with it`,
    "small contents of inode 99, which does not exist",
    `small contents of inode ${large.number}, which has contents of its own`,
    `contents to be written to inode ${small.number} at 0, which has its own with it`,
    `contents to be written to inode ${large.number} at ${filling.length}, which ends at ${filling.length}`,
    `small contents of inode ${small.number} have 5 bytes instead of 7`,
  ];
  assert.deepEqual(checkFileSystem(store, data).toSorted(), problems.toSorted());
  assert.deepEqual(repairFileSystem(store, data, new SeededRandom(1)).remaining, []);
  assert.deepEqual(checkFileSystem(store, data), []);
  const again = crashed(store, data);
  assert.equal(read(again, ok(again.inode(small.number))), "small");
});
