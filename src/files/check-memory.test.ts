import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { checkFileSystem } from "./check.ts";
import { failed } from "./failure.ts";
import { type FileSystem, type Inode, superuser } from "./file-system.ts";
import { memoryFileSystem } from "./testing.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes; at ten million inodes 400 MB. */
const limitPerInode = 40;
/** Collections of garbage one after the other that find nothing, and what counts as nothing. */
const unchangedRounds = 4;
const unevenBytes = 16 * 1024;

test("check: an inode more takes few bytes more of memory", async () => {
  const few = { directories: 1000, files: 10 };
  const many = { directories: 4000, files: 10 };
  const growth = (await heldInCheck(many)) - (await heldInCheck(few));
  const inodes = (many.directories - few.directories) * (1 + few.files);
  const perInode = growth / inodes;
  // Less than a name's count would mean that something else was measured.
  assert.ok(perInode > 4 && perInode < limitPerInode, `${perInode} bytes an inode`);
});

/** Bytes that the check of a file system in memory holds at most at the end of its parts. */
async function heldInCheck(size: { directories: number; files: number }): Promise<number> {
  const { files, store, data } = memoryFileSystem();
  for (let index = 0; index < size.directories; index += 1) {
    const directory = make(files, files.root, `d.${index}`, "directory");
    for (let file = 0; file < size.files; file += 1) make(files, directory, `f.${file}`, "file");
  }
  await files.close();
  checkFileSystem(store, data);
  const before = await bytesLeft();
  let most = 0;
  const problems = checkFileSystem(store, data, function* watch(_part, items) {
    yield* items;
    most = Math.max(most, bytesHeld() - before);
  });
  assert.deepEqual(problems, []);
  return most;
}

function make(files: FileSystem, parent: Inode, name: string, type: "directory" | "file"): Inode {
  const inode = files.create(superuser, parent, name, { type, mode: 0o755 });
  assert.ok(!failed(inode));
  return inode;
}

/** Bytes when nothing more goes: buffers do so a while after what held them, beside the program. */
async function bytesLeft(): Promise<number> {
  let least = bytesHeld();
  for (let rounds = 0; rounds < unchangedRounds; rounds += 1) {
    await delay(1);
    const held = bytesHeld();
    if (held < least - unevenBytes) rounds = -1;
    least = Math.min(least, held);
  }
  return least;
}

function bytesHeld(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
