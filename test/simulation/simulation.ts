// A file system that crashes again and again, all from one seed.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";

import { SeededRandom } from "../../src/base/random.ts";
import { checkFileSystem } from "../../src/files/check.ts";
import { failed } from "../../src/files/failure.ts";
import { type Inode, superuser } from "../../src/files/file-system.ts";
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";
import { Life, type Storage } from "./life.ts";
import type { ModelTree } from "./model-tree.ts";
import { contentsIn, cookiesIn, hex, inode, operations, releaseOne } from "./operations.ts";
import { type CrashKind, SimulatedDisk } from "./simulated-disk.ts";
import { SimulatedJournalFiles } from "./simulated-engines.ts";

/** What an inode is metered with, and the steps of its data (facts §2.8). */
const metadataBytes = 2048;
const blockBytes = 4096;
const livesLimit = 4;
const stepsLimit = 60;
/** No file has its contents in the store, or small ones have, or all that the simulation makes. */
const inlineLimits = [0, 100, 8192];
/** Few steps write as much as begins a flush by itself elsewhere. */
const earlyFlushes = [3000, 12_000, 4 * 1024 * 1024];

export class Simulation {
  readonly #random: SeededRandom;
  /** Of its own: the file system's handles don't depend on what the simulation does. */
  readonly #handles: SeededRandom;
  readonly #directory: string;
  readonly #inlineLimit: number;
  readonly #earlyFlushBytes: number;
  readonly #ending: Promise<void>[] = [];
  /** Every handle that was ever given out. */
  readonly #given = new Set<string>();
  #directories = 0;

  constructor(seed: number, directory: string) {
    this.#random = new SeededRandom(Math.imul(seed, 0x9e3779b1));
    this.#handles = new SeededRandom(Math.imul(seed, 0x85ebca6b) ^ 0x5bd1e995);
    this.#directory = directory;
    this.#inlineLimit = inlineLimits[this.#random.below(inlineLimits.length)]!;
    this.#earlyFlushBytes = earlyFlushes[this.#random.below(earlyFlushes.length)]!;
  }

  async run(): Promise<void> {
    const random = this.#random;
    let life = this.#open({ disk: new SimulatedDisk(), directory: this.#newDirectory() }, 0);
    this.#begin(life, undefined);
    try {
      for (let lives = 1 + random.below(livesLimit); lives > 0; lives -= 1) {
        for (let steps = random.below(stepsLimit); steps > 0; steps -= 1) await this.#step(life);
        life = await this.#crash(life);
      }
      await this.#finish(life);
    } finally {
      if (!life.isOver) this.#ending.push(life.end());
      await Promise.all(this.#ending);
    }
  }

  async #step(life: Life): Promise<void> {
    const random = this.#random;
    const before = life.files.applied;
    operations[random.below(operations.length)]!(life, random);
    assert.ok(life.files.applied - before <= 1, "an operation in two commits");
    life.afterwards?.();
    life.afterwards = undefined;
    switch (random.below(8)) {
      case 0:
      case 1:
        return life.settle();
      case 2:
      case 3:
        await life.settle();
        if (life.storage.disk.flushes > 0) {
          life.storage.disk.endFlush(random.below(life.storage.disk.flushes));
        }
        return life.settle();
      case 4:
        await life.checkpointEnded();
        life.clock.advance(random.below(1500));
        return life.settle();
      default:
    }
  }

  /** Ends the life at once, and returns the next one on what is left. */
  async #crash(life: Life): Promise<Life> {
    const random = this.#random;
    const kind: CrashKind = random.below(4) === 0 ? "kill" : "power";
    const beforeCheckpoint = life.hasCheckpoint && random.below(2) === 0;
    if (!beforeCheckpoint) await life.checkpointEnded();
    const storage = {
      disk: life.storage.disk.afterCrash(kind, random, beforeCheckpoint),
      directory: life.treeAfterCrash(beforeCheckpoint),
    };
    for (const node of life.tree.nodes.values()) this.#given.add(node.handle);
    this.#ending.push(life.end());
    const next = this.#open(storage, life.clock.nowMs());
    const { kept } = next;
    const { acknowledged } = life;
    assert.ok(kept >= acknowledged, `commits to ${kept} are kept, ${acknowledged} was durable`);
    assert.ok(kept <= life.files.applied, `commits to ${kept} are kept`);
    this.#begin(next, life);
    return next;
  }

  /** Opens what a crash left, sometimes with a crash in the middle of that. */
  #open(storage: Storage, startMs: number): Life {
    const random = this.#random;
    let crashed: Storage | undefined;
    const life: Life = new Life({
      storage,
      startMs,
      random: this.#handles,
      inlineLimit: this.#inlineLimit,
      earlyFlushBytes: this.#earlyFlushBytes,
      newDirectory: () => this.#newDirectory(),
      recovered: () => {
        if (random.below(6) !== 0) return;
        const directory = this.#newDirectory();
        Life.copyTree(storage.directory, directory);
        crashed = { disk: storage.disk.afterCrash("power", random, false), directory };
      },
    });
    if (crashed === undefined) return life;
    this.#ending.push(life.end());
    const again = this.#open(crashed, startMs);
    assert.equal(again.kept, life.kept, "what was recovered once is there");
    return again;
  }

  /** Asserts that the life has what the one before it left, and goes on from there. */
  #begin(life: Life, former: Life | undefined): void {
    const { files, kept } = life;
    life.tree = former?.treeAt(kept) ?? life.tree;
    if (life.tree.nodes.size === 0) {
      life.tree.nodes.set(1, {
        type: "directory",
        handle: hex(files.handleOf(files.root)),
        mode: 0o755,
        uid: 0,
        gid: 0,
        links: 2,
        target: "",
        entries: new Map(),
        cookies: new Map(),
        parent: 1,
      });
    } else {
      life.record(kept);
    }
    life.record();
    this.#assertTree(life);
    this.#assertHandles(life);
    for (const number of life.tree.of("file")) {
      const actual = contentsIn(life, inode(life, number));
      const contents = former!.contentsOf(number);
      contents.assertPossible(actual, kept, `inode ${number}`);
      contents.settle(actual);
      life.contents.set(number, contents);
    }
    this.#assertMetered(life);
    assert.deepEqual(checkFileSystem(life.store, life.data), []);
    this.#recover(life);
  }

  /** Clients take up again some of what they had open; the rest goes. */
  #recover(life: Life): void {
    if (this.#random.below(4) === 0) return;
    let sequence = life.files.applied;
    const nameless = [...life.tree.nodes].filter(([, node]) => node.links === 0);
    for (const [number] of nameless.toSorted(([a], [b]) => a - b)) {
      if (this.#random.below(2) === 0) {
        life.files.hold(inode(life, number));
        life.holds.set(number, 1);
      } else {
        sequence += 1;
        life.tree.nodes.delete(number);
        life.record(sequence);
      }
    }
    life.files.endRecovery();
    assert.equal(life.files.applied, sequence);
  }

  #assertTree(life: Life): void {
    const { files, tree } = life;
    for (const [number, expected] of tree.nodes) {
      const { type, mode, uid, gid, links } = expected;
      const actual = inode(life, number);
      assert.partialDeepStrictEqual(actual, { type, mode, uid, gid, links }, `inode ${number}`);
      if (type === "directory") this.#assertDirectory(life, number, tree);
      if (type !== "symlink") continue;
      const target = files.readSymbolicLink(superuser, actual);
      assert.ok(!failed(target));
      assert.equal(Buffer.from(target).toString(), expected.target);
    }
  }

  #assertDirectory(life: Life, number: number, tree: ModelTree): void {
    const { files } = life;
    const directory = inode(life, number);
    const listed = new Map<string, number>();
    files.readDirectory(superuser, directory, 0, true, (entry) => {
      listed.set(entry.name, entry.number);
      assert.equal(files.lookup(superuser, directory, entry.name), entry.inode as Inode);
      return true;
    });
    assert.deepEqual(listed, tree.get(number).entries, `the entries of directory ${number}`);
    this.#assertCookies(life, number);
    const { parent } = tree.get(number);
    if (tree.get(number).links > 0) {
      assert.equal(files.parent(superuser, directory), inode(life, parent));
    }
  }

  /** Cookies are what they were, and a listing goes on from where it was. */
  #assertCookies(life: Life, number: number): void {
    const { cookies } = life.tree.get(number);
    const listed = cookiesIn(life, number, 0);
    assert.deepEqual(new Map(listed), cookies, `the cookies of directory ${number}`);
    for (const [index, [name, cookie]] of listed.entries()) {
      const rest = cookiesIn(life, number, cookie);
      assert.deepEqual(rest, listed.slice(index + 1), `directory ${number} after ${name}`);
    }
  }

  /** The metered bytes are those of the inodes, and no inode takes more than its size says. */
  #assertMetered(life: Life): void {
    let total = 0;
    for (const [number, { type }] of life.tree.nodes) {
      const { size, spaceUsed } = inode(life, number);
      total += metadataBytes + spaceUsed;
      const most =
        type === "file" ? Math.max(1, Math.ceil(size / blockBytes)) * blockBytes : blockBytes;
      const isPossible = spaceUsed % blockBytes === 0 && spaceUsed > 0 && spaceUsed <= most;
      assert.ok(isPossible, `inode ${number}, a ${type} of ${size} bytes, takes ${spaceUsed}`);
    }
    assert.equal(life.files.meteredBytes().total, total, "metered bytes");
  }

  #assertHandles(life: Life): void {
    const living = new Map(
      Array.from(life.tree.nodes, ([number, { handle }]) => [handle, number] as const),
    );
    for (const handle of [...this.#given, ...living.keys()]) {
      const found = life.files.inodeOf(Buffer.from(handle, "hex"));
      const actual = failed(found) ? found.code : found.number;
      assert.equal(actual, living.get(handle) ?? "ESTALE", `handle ${handle}`);
    }
  }

  /** Closes the file system in order: everything is there, and nothing is left over. */
  async #finish(life: Life): Promise<void> {
    await life.checkpointEnded();
    life.storage.disk.endSimulation();
    life.files.endRecovery();
    for (const [number, node] of life.tree.nodes) {
      if (node.links === 0 && !life.isHeld(number)) life.tree.nodes.delete(number);
    }
    for (const [number, count] of life.holds) {
      for (let left = count; left > 0; left -= 1) releaseOne(life, number);
    }
    await life.settle();
    assert.equal(life.waiting, 0, "a write that waits for ever");
    // The sweep after the crash.
    life.clock.advance(10);
    await life.settle();
    life.isOver = true;
    await life.files.close();
    const nothing = (): void => {};
    const journalFiles = new SimulatedJournalFiles(life.storage.disk, nothing, nothing);
    const { directory } = life.storage;
    const store = new LmdbStore({ directory, clock: life.clock, journalFiles });
    try {
      assert.deepEqual(checkFileSystem(store, life.data), []);
    } finally {
      await store.close();
    }
    const last = this.#open(life.storage, life.clock.nowMs());
    try {
      last.tree = life.tree;
      this.#assertTree(last);
      this.#assertMetered(last);
      for (const number of last.tree.of("file")) {
        const { bytes, length } = life.contentsOf(number);
        const actual = contentsIn(last, inode(last, number));
        assert.deepEqual(actual, Buffer.from(bytes.subarray(0, length)), `inode ${number}`);
      }
    } finally {
      await last.end();
    }
  }

  #newDirectory(): string {
    this.#directories += 1;
    const directory = path.join(this.#directory, String(this.#directories));
    mkdirSync(directory, { recursive: true });
    return directory;
  }
}
