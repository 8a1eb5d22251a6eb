// One run of a file system on the simulated disk, from its opening to a crash or to its close,
// beside a model of what it should be after each commit.
import assert from "node:assert/strict";
import { copyFileSync, existsSync } from "node:fs";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";

import { FakeClock } from "../../src/base/fake-clock.ts";
import type { Random } from "../../src/base/random.ts";
import { PosixFileSystem } from "../../src/files/posix-file-system.ts";
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";
import { ModelContents } from "./model-contents.ts";
import { ModelTree } from "./model-tree.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";
import { SimulatedData, SimulatedJournalFiles } from "./simulated-engines.ts";

/** What a machine keeps: the simulated disk, and LMDB's tree in a real directory. */
export interface Storage {
  readonly disk: SimulatedDisk;
  readonly directory: string;
}

export interface LifeOptions {
  readonly storage: Storage;
  readonly startMs: number;
  readonly random: Random;
  readonly inlineLimit: number;
  readonly earlyFlushBytes: number;
  /** Called while the store recovers: LMDB has the journal's commits, old segments are gone. */
  readonly recovered: () => void;
  /** A directory of its own for a copy of LMDB's tree. */
  readonly newDirectory: () => string;
}

const treeName = "tree.lmdb";

export class Life {
  readonly storage: Storage;
  readonly clock: FakeClock;
  readonly store: LmdbStore;
  readonly data: SimulatedData;
  readonly files: PosixFileSystem;
  /** The newest commit that the store had when it was opened. */
  readonly kept: number;
  tree = new ModelTree();
  contents = new Map<number, ModelContents>();
  readonly holds = new Map<number, number>();
  /** The newest commit that was reported durable. */
  acknowledged = 0;
  isOver = false;
  /** What belongs to the last operation, but is a commit of its own. */
  afterwards: (() => void) | undefined;
  /** Writes that wait until contents may change. */
  waiting = 0;
  readonly #states: { readonly sequence: number; readonly tree: ModelTree }[] = [];
  readonly #newDirectory: () => string;
  #isOpen = false;
  /** LMDB's tree as it was when the last checkpoint began. */
  #beforeCheckpoint: string | undefined;
  /** Segments that a checkpoint removes when it is done. */
  #covered: readonly string[] = [];
  #checkpointDone: (() => void) | undefined;

  constructor(options: LifeOptions) {
    const { storage, startMs, random, recovered, newDirectory } = options;
    const { inlineLimit, earlyFlushBytes } = options;
    this.storage = storage;
    this.clock = new FakeClock(startMs);
    this.#newDirectory = newDirectory;
    const journalFiles = new SimulatedJournalFiles(
      storage.disk,
      () => (this.#isOpen ? this.#checkpointBegins() : recovered()),
      () => this.#segmentRemoved(),
    );
    this.store = new LmdbStore({ directory: storage.directory, clock: this.clock, journalFiles });
    this.#isOpen = true;
    this.kept = this.store.applied;
    this.data = new SimulatedData(storage.disk);
    const { store, data, clock } = this;
    const id = "fs-test";
    this.files = new PosixFileSystem({
      id,
      store,
      data,
      clock,
      random,
      inlineLimit,
      earlyFlushBytes,
    });
  }

  /** The model has changed with the newest commit. */
  record(sequence = this.files.applied): void {
    this.#states.push({ sequence, tree: this.tree.clone() });
  }

  /** What the model was once the commit was applied. */
  treeAt(sequence: number): ModelTree {
    const state = this.#states.findLast((known) => known.sequence <= sequence);
    return state?.tree.clone() ?? new ModelTree();
  }

  contentsOf(number: number): ModelContents {
    let contents = this.contents.get(number);
    if (contents === undefined) this.contents.set(number, (contents = new ModelContents()));
    return contents;
  }

  isHeld = (number: number): boolean => (this.holds.get(number) ?? 0) > 0;

  /** Lets everything happen that waits for a turn of the event loop. */
  async settle(): Promise<void> {
    await turn();
    await turn();
  }

  /** Waits for the end of the checkpoint that is under way, so that runs of a seed are alike. */
  async checkpointEnded(): Promise<void> {
    if (this.#covered.length > 0) {
      const ended = new Promise<void>((resolve) => (this.#checkpointDone = resolve));
      // A checkpoint begins with what the journal has on the disk.
      this.storage.disk.endFlushes();
      await ended;
    }
    await this.settle();
  }

  get hasCheckpoint(): boolean {
    return this.#beforeCheckpoint !== undefined;
  }

  /** A copy of LMDB's tree as a crash leaves it. */
  treeAfterCrash(beforeCheckpoint: boolean): string {
    const former = beforeCheckpoint ? this.#beforeCheckpoint : undefined;
    return former ?? this.#copyOfTree();
  }

  static copyTree(from: string, to: string): void {
    const tree = path.join(from, treeName);
    if (existsSync(tree)) copyFileSync(tree, path.join(to, treeName));
  }

  /** After a crash: releases what the dead process has open, which changes nothing any more. */
  async end(): Promise<void> {
    this.isOver = true;
    this.storage.disk.endSimulation();
    await this.store.close();
  }

  #copyOfTree(): string {
    const directory = this.#newDirectory();
    Life.copyTree(this.storage.directory, directory);
    return directory;
  }

  #checkpointBegins(): void {
    if (this.isOver) return;
    this.#beforeCheckpoint = this.#copyOfTree();
    this.#covered = [...this.storage.disk.segments.files.keys()];
    assert.ok(this.#covered.length > 0, "a checkpoint that covers no segment");
  }

  #segmentRemoved(): void {
    const { files } = this.storage.disk.segments;
    this.#covered = this.#covered.filter((name) => files.has(name));
    if (this.#covered.length === 0) this.#checkpointDone?.();
  }
}
