// Inodes leave memory when nothing needs them, and never so that there are two objects of one.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeClock } from "../base/fake-clock.ts";
import type { Data } from "../data/data.ts";
import { MemoryData } from "../data/memory/memory-data.ts";
import { failed } from "./failure.ts";
import { type FileSystem, type Inode, superuser } from "./file-system.ts";
import { lazyAttributesMs } from "./limits.ts";
import type { PosixFileSystem } from "./posix-file-system.ts";
import { memoryFileSystem } from "./testing.ts";

/** Contents whose writes and flushes end when the test says so. */
class SlowData extends MemoryData {
  isSlow = false;
  readonly #held: ((error?: Error) => void)[] = [];

  constructor() {
    super();
    const writeNow = this.write.bind(this);
    const write: Data["write"] = (...given) => {
      const count = writeNow(...given);
      if (!this.isSlow) return count;
      return new Promise((resolve) => this.#held.push(() => resolve(count)));
    };
    Object.assign(this, { write });
  }

  override whenDurable(file: number, call: (error?: Error) => void): void {
    if (this.isSlow) this.#held.push(call);
    else super.whenDurable(file, call);
  }

  finish(error?: Error): void {
    for (const call of this.#held.splice(0)) call(error);
  }
}

interface Small {
  readonly clock: FakeClock;
  readonly data: SlowData;
  readonly files: PosixFileSystem;
}

/** A file system that keeps two inodes in memory, and no contents in its store. */
function small(): Small {
  const [clock, data] = [new FakeClock(), new SlowData()];
  const { files } = memoryFileSystem({ clock, data, cachedInodes: 2, inlineLimit: 0 });
  return { clock, data, files };
}

function make(files: FileSystem, name: string): Inode {
  const made = files.create(superuser, files.root, name, { type: "file", mode: 0o644 });
  assert.ok(!failed(made));
  return made;
}

function found(files: FileSystem, name: string): Inode {
  const inode = files.lookup(superuser, files.root, name);
  assert.ok(!failed(inode));
  return inode;
}

/** Everything that may leave memory has. */
function crowd({ clock, files }: Small, round = ""): void {
  clock.advance(lazyAttributesMs);
  for (const name of ["a", "b", "c"]) make(files, name + round);
  clock.advance(1);
}

function written(files: FileSystem, name: string, text: string): Inode {
  const inode = make(files, name);
  assert.equal(files.write(superuser, inode, 0, Buffer.from(text)), text.length);
  files.commit(inode, (error) => assert.equal(error, undefined));
  return inode;
}

test("an inode that nobody needs leaves memory, one that is open or pinned stays", () => {
  const fs = small();
  const { files } = fs;
  const [idle, open, pinned] = ["idle", "open", "pinned"].map((name) => make(files, name));
  files.hold(open!);
  files.pin(pinned!);
  crowd(fs);
  assert.notEqual(found(files, "idle"), idle);
  assert.equal(found(files, "open"), open);
  assert.equal(found(files, "pinned"), pinned);
  files.unpin(pinned!);
  crowd(fs, "again");
  assert.notEqual(found(files, "pinned"), pinned);
});

test("a commit, while another flush of the same bytes is under way, waits for them", async () => {
  for (const error of [undefined, new Error("the device is gone")]) {
    const fs = small();
    const { data, files, clock } = fs;
    const inode = written(files, "f", "first");
    files.write(superuser, inode, 0, Buffer.from("again"));
    clock.advance(lazyAttributesMs);
    const outcomes: (Error | undefined)[] = [];
    data.isSlow = true;
    files.commit(inode, (outcome) => outcomes.push(outcome));
    crowd(fs);
    files.commit(found(files, "f"), (outcome) => outcomes.push(outcome));
    assert.deepEqual(outcomes, []);
    data.finish(error);
    assert.deepEqual(outcomes, [error, error]);
    data.isSlow = false;
  }
});

test("a write that waits for the contents' engine makes the file longer for everybody", async () => {
  const fs = small();
  const { data, files } = fs;
  const inode = written(files, "f", "first");
  data.isSlow = true;
  const writing = files.write(superuser, inode, 5, Buffer.from(" and more"));
  assert.ok(writing instanceof Promise);
  data.isSlow = false;
  // Somebody else's flush, after which nothing seems to be left to do.
  files.commit(inode, () => {});
  crowd(fs);
  const meanwhile = found(files, "f");
  files.setAttributes(superuser, meanwhile, { mode: 0o600 });
  data.finish();
  await writing;
  crowd(fs, "later");
  const { size, mode } = found(files, "f");
  assert.deepEqual([size, mode], [14, 0o600]);
});
