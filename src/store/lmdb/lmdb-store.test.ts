import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { SystemClock } from "../../base/clock.ts";
import { storeContract } from "../store.contract.ts";
import { DirectoryJournalFiles, type JournalSegment } from "./journal-files.ts";
import { LmdbStore } from "./lmdb-store.ts";

const scratch = mkdtempSync(path.join(tmpdir(), "mooring-store-"));
after(() => rmSync(scratch, { recursive: true }));

let directories = 0;
const newDirectory = () => path.join(scratch, String((directories += 1)));
const open = (directory: string) => new LmdbStore({ directory, clock: new SystemClock() });

storeContract("lmdb store", () => {
  const directory = newDirectory();
  return { open: () => open(directory), durable: true };
});

test("lmdb store: a crash at any moment keeps every commit that was reported durable", async () => {
  const directory = newDirectory();
  const store = open(directory);
  let promised = 0;
  for (let round = 0; round < 6; round += 1) {
    for (let index = 0; index < 5000; index += 1) {
      const number = round * 5000 + index + 1;
      store.write((writer) => {
        writer.put(`n${number}`, Buffer.alloc(100, number & 0xff));
        writer.put("last", Buffer.from(String(number)));
      });
    }
    await new Promise<void>((resolve) => store.whenDurable(store.applied, resolve));
    promised = store.durable;
    // A copy of the directory is what a crash would leave, here in the middle of checkpoints.
    const crashed = newDirectory();
    cpSync(directory, crashed, { recursive: true });
    const reopened = open(crashed);
    assert.ok(reopened.applied >= promised);
    const last = reopened.read((reader) => reader.get("last"));
    assert.equal(Number(Buffer.from(last!).toString()), reopened.applied);
    const count = reopened.read((reader) => {
      return [...reader.scan({ from: "n", to: "o" })].length;
    });
    assert.equal(count, reopened.applied);
    await reopened.close();
  }
  await store.close();
});

for (const bytes of [0, 1, 722, 4096, 8191]) {
  test(`lmdb store: one that lost power with ${bytes} bytes of its new tree opens`, async () => {
    const directory = newDirectory();
    await open(directory).close();
    for (const name of readdirSync(directory)) {
      if (name !== "tree.lmdb") rmSync(path.join(directory, name));
    }
    truncateSync(path.join(directory, "tree.lmdb"), bytes);
    const store = open(directory);
    store.write((writer) => writer.put("key", Buffer.from("value")));
    await store.close();
    const again = open(directory);
    assert.equal(again.read((reader) => reader.get("key"))?.toString(), "value");
    await again.close();
  });
}

test("lmdb store: one whose tree is gone is refused, and its journal left alone", async () => {
  const directory = newDirectory();
  const store = open(directory);
  store.write((writer) => writer.put("key", Buffer.from("value")));
  await store.close();
  rmSync(path.join(directory, "tree.lmdb"));
  const before = readdirSync(directory).filter((name) => name.endsWith(".journal"));
  assert.throws(() => open(directory), /tree.lmdb is missing or was replaced/);
  const after = readdirSync(directory).filter((name) => name.endsWith(".journal"));
  assert.deepEqual(after, before);
});

test("lmdb store: one whose tree is damaged is refused, and left as it is", async () => {
  const directory = newDirectory();
  const store = open(directory);
  store.write((writer) => writer.put("key", Buffer.from("value")));
  await store.close();
  const tree = path.join(directory, "tree.lmdb");
  truncateSync(tree, 4096);
  assert.throws(() => open(directory), /tree.lmdb is damaged/);
  assert.equal(statSync(tree).size, 4096);
});

/** A disk on which a flush that may block is over at once. */
class FastFiles extends DirectoryJournalFiles {
  override create(name: string): JournalSegment {
    const segment = super.create(name);
    return {
      write: (bytes, offset) => segment.write(bytes, offset),
      flush: (isLonely, call) => (isLonely ? call(null) : segment.flush(false, call)),
      close: () => segment.close(),
    };
  }
}

test("lmdb store: nobody is called back from within a write, also where it begins a checkpoint", async () => {
  const directory = newDirectory();
  const journalFiles = new FastFiles(path.join(directory, "journal"));
  const store = new LmdbStore({ directory, clock: new SystemClock(), journalFiles });
  let isWriting = false;
  let calls = 0;
  const value = Buffer.alloc(1 << 20);
  for (let turn = 0; turn < 40; turn += 1) {
    isWriting = true;
    store.write((writer) => writer.put("key", value));
    isWriting = false;
    // Nobody else waits when the checkpoint begins.
    if (turn !== 30) continue;
    store.whenDurable(store.applied, () => {
      assert.ok(!isWriting);
      calls += 1;
    });
  }
  await store.close();
  assert.equal(calls, 1);
});
