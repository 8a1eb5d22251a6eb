// What the simulation of crashes (test/simulation) found, one case each.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeClock } from "../base/fake-clock.ts";
import { SeededRandom } from "../base/random.ts";
import { MemoryData } from "../data/memory/memory-data.ts";
import { MemoryStore } from "../store/memory/memory-store.ts";
import { checkFileSystem } from "./check.ts";
import { ENOENT, ESTALE, failed, type Failure } from "./failure.ts";
import { type FileSystem, type Inode, superuser } from "./file-system.ts";
import { contentsSettleMs, earlyFlushBytes, lazyAttributesMs, smallWriteFactor } from "./limits.ts";
import { PosixFileSystem } from "./posix-file-system.ts";
import { memoryFileSystem } from "./testing.ts";

/** A store whose commits become durable when the test says so. */
class HeldBackStore extends MemoryStore {
  #durable = 0;
  #waiting: { readonly sequence: number; readonly call: () => void }[] = [];

  override get durable(): number {
    return this.#durable;
  }

  override whenDurable(sequence: number, call: () => void): void {
    if (sequence <= this.#durable) call();
    else this.#waiting.push({ sequence, call });
  }

  flush(): void {
    this.#durable = this.applied;
    const ready = this.#waiting;
    this.#waiting = [];
    for (const { call } of ready) call();
  }
}

/** Contents whose flushes end when the test says so. */
class HeldBackData extends MemoryData {
  #waiting: (() => void)[] = [];

  get flushes(): number {
    return this.#waiting.length;
  }

  override whenDurable(_file: number, call: () => void): void {
    this.#waiting.push(call);
  }

  flush(): void {
    for (const call of this.#waiting.splice(0)) call();
  }
}

/** `isFresh`: not even the reservation of inode numbers is durable. */
function heldBack<Data extends MemoryData>(data: Data, isFresh = false) {
  const store = new HeldBackStore();
  const [clock, random] = [new FakeClock(), new SeededRandom(3)];
  const files = new PosixFileSystem({ id: "fs-test", store, data, clock, random, inlineLimit: 0 });
  if (!isFresh) store.flush();
  return { files, store, data };
}

test("a file made shorter keeps its contents until the new size is durable", async () => {
  const { files, store, data } = heldBack(new MemoryData());
  const inode = make(files, "f");
  store.flush();
  await files.write(superuser, inode, 0, Buffer.from("committed"));
  ok(files.setAttributes(superuser, inode, { size: 3 }));
  ok(files.setAttributes(superuser, inode, { size: 6 }));
  assert.equal(data.length(inode.number), 9);
  assert.equal(read(files, inode), "com\0\0\0");
  assert.equal(files.seek(inode, 3, "data"), undefined);
  store.flush();
  assert.equal(data.length(inode.number), 3);
  assert.equal(read(files, inode), "com\0\0\0");
});

test("a write to a file made shorter waits for the new size, with its bytes", async () => {
  const { files, store } = heldBack(new MemoryData());
  const inode = make(files, "f");
  store.flush();
  await files.write(superuser, inode, 0, Buffer.from("committed"));
  ok(files.setAttributes(superuser, inode, { size: 3 }));
  const bytes = Buffer.from("!");
  const writing = files.write(superuser, inode, 5, bytes);
  bytes.fill("?");
  assert.equal(read(files, inode), "com");
  store.flush();
  assert.equal(await writing, 1);
  assert.equal(read(files, inode), "com\0\0!");
});

test("a write waits until the file's number can't be given again, and fails where it goes", async () => {
  const { files, store, data } = heldBack(new MemoryData(), true);
  const writing = ["kept", "gone"].map(async (name) =>
    files.write(superuser, make(files, name), 0, Buffer.from(name)),
  );
  assert.deepEqual([...data.list()], []);
  files.remove(superuser, files.root, "gone", "file");
  store.flush();
  assert.deepEqual(await Promise.all(writing), [4, ESTALE]);
  assert.equal(read(files, ok(files.lookup(superuser, files.root, "kept"))), "kept");
});

test("what was never committed reads as zeros after a crash, what was committed is there", async () => {
  const clock = new FakeClock();
  const { files, reopen } = memoryFileSystem({ clock, inlineLimit: 0 });
  const inode = make(files, "f");
  await files.write(superuser, inode, 0, Buffer.from("committed"));
  files.commit(inode, () => {});
  await files.write(superuser, inode, 9, Buffer.from(" not"));
  clock.advance(lazyAttributesMs);
  const again = reopen();
  const found = ok(again.inodeOf(files.handleOf(inode)));
  assert.equal(read(again, found), "committed\0\0\0\0");
  await again.write(superuser, found, 12, Buffer.from("!"));
  assert.equal(read(again, found), "committed\0\0\0!");
});

test("a commit that was under way when the file was made shorter covers what is left", async () => {
  const { files, store, data } = heldBack(new HeldBackData());
  const inode = make(files, "f");
  store.flush();
  await files.write(superuser, inode, 0, Buffer.from("committed"));
  let isCommitted = false;
  files.commit(inode, () => (isCommitted = true));
  ok(files.setAttributes(superuser, inode, { size: 6 }));
  ok(files.setAttributes(superuser, inode, { size: 8 }));
  data.flush();
  store.flush();
  assert.ok(isCommitted);
  const [clock, random] = [new FakeClock(), new SeededRandom(4)];
  const again = new PosixFileSystem({ id: "fs-test", store, data, clock, random });
  assert.equal(read(again, ok(again.inode(inode.number))), "commit\0\0");
});

test("contents that nobody commits are durable after a while", async () => {
  const clock = new FakeClock();
  const { files, reopen } = memoryFileSystem({ clock, inlineLimit: 0 });
  const inode = make(files, "f");
  await files.write(superuser, inode, 0, Buffer.from("written"));
  clock.advance(contentsSettleMs + lazyAttributesMs);
  assert.equal(read(reopen(), inode), "written");
});

test("large writes that nobody committed yet begin a flush, one at a time", async () => {
  const { files, store, data } = heldBack(new HeldBackData());
  const inode = make(files, "f");
  store.flush();
  const piece = Buffer.alloc(earlyFlushBytes / 4);
  const write = (piecesFrom: number, stable = false): unknown =>
    files.write(superuser, inode, piecesFrom * piece.length, piece, stable);
  for (const place of [0, 1, 0]) assert.equal(await write(place), piece.length);
  assert.equal(data.flushes, 0);
  await write(2);
  assert.equal(data.flushes, 1);
  for (let place = 3; place < 12; place += 1) await write(place);
  assert.equal(data.flushes, 1);
  let isCommitted = false;
  files.commit(inode, () => (isCommitted = true));
  assert.equal(data.flushes, 2);
  data.flush();
  store.flush();
  assert.ok(isCommitted);
  for (let place = 0; place < 3; place += 1) await write(place);
  for (let place = 0; place < 8; place += 1) await write(place, true);
  assert.equal(data.flushes, 0);
  const small = piece.subarray(0, earlyFlushBytes / smallWriteFactor - 1);
  for (let written = 0; written < earlyFlushBytes; written += small.length) {
    await files.write(superuser, inode, written, small);
  }
  assert.equal(data.flushes, 0);
});

test("contents that a crash left over are removed, all others are kept", async () => {
  const clock = new FakeClock();
  const { files, store, data, reopen } = memoryFileSystem({ clock, inlineLimit: 0 });
  const inode = make(files, "f");
  await files.write(superuser, inode, 0, Buffer.from("kept"));
  files.commit(inode, () => {});
  data.write(999, 0, Buffer.from("of an inode whose removal was durable"));
  data.write(inode.number, 4, Buffer.from("past the end"));
  const again = reopen();
  clock.advance(0);
  assert.deepEqual([...data.list()], [inode.number]);
  assert.equal(data.length(inode.number), 4);
  await again.close();
  assert.deepEqual(checkFileSystem(store, data), []);
});

test("an inode that is removed stays so, whatever is done with what is left of it", async () => {
  const { files, store, data } = memoryFileSystem();
  const inode = make(files, "f");
  files.remove(superuser, files.root, "f", "file");
  assert.equal(files.setAttributes(superuser, inode, { mode: 0o600 }), ESTALE);
  assert.equal(await files.write(superuser, inode, 0, Buffer.from("x")), ESTALE);
  files.commit(inode, (error) => assert.equal(error, undefined));
  await files.close();
  assert.deepEqual(checkFileSystem(store, data), []);
});

test("rename into a directory that was removed and is held fails", () => {
  const { files } = memoryFileSystem();
  const directory = ok(
    files.create(superuser, files.root, "d", { type: "directory", mode: 0o755 }),
  );
  make(files, "f");
  files.hold(directory);
  files.remove(superuser, files.root, "d", "directory");
  assert.equal(files.rename(superuser, files.root, "f", directory, "f"), ENOENT);
});

function make(files: FileSystem, name: string): Inode {
  return ok(files.create(superuser, files.root, name, { type: "file", mode: 0o644 }));
}

function ok(outcome: Inode | Failure): Inode {
  assert.ok(!failed(outcome), failed(outcome) ? outcome.code : "");
  return outcome;
}

function read(files: FileSystem, inode: Inode): string {
  const bytes = Buffer.alloc(inode.size, "?");
  files.read(inode, 0, bytes);
  return bytes.toString();
}
