import { mkdirSync } from "node:fs";
import path from "node:path";
import { open, type RootDatabase } from "lmdb";

import type { Clock, Timer } from "../../base/clock.ts";
import { type ByteString, byteString, writeByteString } from "../byte-string.ts";
import { type Change, checkKey, type Layer, scanLayers } from "../layers.ts";
import type { Entry, Range, Reader, Sequence, Store, Writer } from "../store.ts";
import { ChangeLog } from "./change-log.ts";
import { firstSequence, Journal, recover } from "./journal.ts";
import { DirectoryJournalFiles, type JournalFiles } from "./journal-files.ts";
import { hashOf } from "./key-index.ts";
import { removeUnfinishedTree } from "./unfinished-tree.ts";

export interface LmdbStoreOptions {
  /** A directory of its own; made where it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly journalFiles?: JournalFiles;
}

/** Keys and journal bytes after which what gathered in memory goes into LMDB. */
const checkpointKeys = 60_000;
const checkpointBytes = 32 << 20;
const checkpointIntervalMs = 3000;
/** Changes handed to LMDB in one turn of the event loop; a turn takes about a millisecond. */
const checkpointStep = 4000;

/** Under this key LMDB holds the last commit that it contains; no other key starts with zero. */
const positionKey = "\0position";

type Database = RootDatabase<Buffer, ByteString>;

/**
 * The durable engine: commits go to a journal, which is flushed for many at once, and to an
 * overlay in memory; overlays go into LMDB a batch at a time, and then the position in the journal
 * that they reach. LMDB alone would write scattered pages for every durable commit
 * (docs/decisions/0001-store-engine.md has the figures).
 */
export class LmdbStore implements Store {
  readonly #database: Database;
  readonly #files: JournalFiles;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #view: OverlaidDatabase;
  /** Room of a log that went into LMDB, for the next one. */
  #room: Buffer | undefined;
  #checkpointing: Promise<void> | undefined;
  #timer: Timer | undefined;
  applied: Sequence;

  constructor(options: LmdbStoreOptions) {
    mkdirSync(options.directory, { recursive: true });
    this.#clock = options.clock;
    this.#files = options.journalFiles ?? new DirectoryJournalFiles(options.directory);
    const tree = path.join(options.directory, "tree.lmdb");
    const covered = this.#files.list();
    const [first] = covered;
    const isNew = first === undefined || firstSequence(first) <= 1;
    removeUnfinishedTree(tree, isNew);
    this.#database = openDatabase(tree);
    const position = this.#database.get(positionKey);
    this.applied = Number(position?.toString() ?? 0);
    // There is no journal before LMDB has a position: going on would lose what is in this one.
    if (position === undefined && !isNew) {
      void this.#database.close();
      throw new Error(`${tree} is missing or was replaced: the journal beside it goes on from it`);
    }
    this.#replay();
    for (const name of covered) this.#files.remove(name);
    this.#view = new OverlaidDatabase(this.#database);
    this.#journal = new Journal(this.#files, this.#view.active, this.applied + 1);
  }

  get durable(): Sequence {
    return this.#journal.durable;
  }

  read<T>(work: (reader: Reader) => T): T {
    return work(this.#view);
  }

  write<T>(work: (writer: Writer) => T): T {
    const { active } = this.#view;
    active.begin();
    let result: T;
    try {
      result = work(this.#view);
    } catch (error) {
      active.rollback();
      throw error;
    }
    this.applied += 1;
    active.commit(this.applied);
    this.#checkpointLater(active);
    return result;
  }

  whenDurable(sequence: Sequence, call: () => void): void {
    this.#journal.whenDurable(sequence, call);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#checkpointing;
    await this.#durable(this.applied);
    await this.#checkpoint();
    this.#journal.close();
    await this.#database.close();
  }

  /** What the journal has after LMDB's position, straight into LMDB. */
  #replay(): void {
    this.#database.transactionSync(() => {
      for (const { changes, last } of recover(this.#files, this.applied)) {
        for (const [key, change] of changes) this.#put(key, change);
        this.applied = last;
      }
      this.#putPosition(this.applied);
    });
  }

  #checkpointLater(active: ChangeLog): void {
    if (this.#checkpointing !== undefined) return;
    if (active.size > checkpointKeys || active.length > checkpointBytes) {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#beginCheckpoint();
    } else {
      this.#timer ??= this.#clock.schedule(checkpointIntervalMs, () => {
        this.#timer = undefined;
        this.#beginCheckpoint();
      });
    }
  }

  #beginCheckpoint(): void {
    this.#checkpointing ??= this.#checkpoint().finally(() => {
      this.#checkpointing = undefined;
    });
  }

  async #checkpoint(): Promise<void> {
    const frozen = this.#view.active;
    if (frozen.size === 0) return;
    const position = this.applied;
    const active = new ChangeLog(this.#room);
    this.#room = undefined;
    this.#view.freeze(active);
    const covered = this.#journal.rotate(position + 1, active);
    // LMDB must not have a part of what a crash takes away.
    await this.#durable(position);
    await this.#putAll(frozen, position);
    this.#database.resetReadTxn();
    this.#view.forgetFrozen();
    this.#room = frozen.bytes;
    for (const name of covered) this.#files.retire(name);
  }

  /**
   * In steps, so that nobody waits long: a part that is in LMDB without the position that belongs
   * to it does no harm, since after a crash the journal brings all of it again.
   */
  async #putAll(frozen: ChangeLog, position: Sequence): Promise<void> {
    const changes = frozen.changes();
    while (!this.#putStep(changes)) await new Promise((resolve) => setImmediate(resolve));
    await this.#database.batch(() => this.#putPosition(position));
    await this.#database.flushed;
  }

  /** Whether nothing is left. */
  #putStep(changes: Iterator<[ByteString, Change]>): boolean {
    let isDone = false;
    void this.#database.batch(() => {
      for (let count = 0; count < checkpointStep && !isDone; count += 1) {
        const next = changes.next();
        if (next.done) isDone = true;
        else this.#put(next.value[0], next.value[1]);
      }
    });
    return isDone;
  }

  #put(key: ByteString, change: Change): void {
    if (change === null) void this.#database.remove(key);
    else void this.#database.put(key, change as Buffer);
  }

  #putPosition(position: Sequence): void {
    void this.#database.put(positionKey, Buffer.from(String(position)));
  }

  #durable(sequence: Sequence): Promise<void> {
    return new Promise((resolve) => this.whenDurable(sequence, resolve));
  }
}

function openDatabase(file: string): Database {
  return open<Buffer, ByteString>({
    path: file,
    encoding: "binary",
    noMemInit: true,
    keyEncoder: {
      writeKey: (key: ByteString, target: Buffer, at: number) => writeByteString(target, key, at),
      readKey: (source: Buffer, start: number, end: number) =>
        byteString(source.subarray(start, end)),
    },
  });
}

/** LMDB with the changes over it that it doesn't have yet; changes go to the newest log. */
class OverlaidDatabase implements Writer {
  readonly #database: Database;
  readonly #base: Reader;
  active = new ChangeLog();
  #frozen: ChangeLog | undefined;

  constructor(database: Database) {
    this.#database = database;
    this.#base = { get: (key) => this.#stored(key), scan: (range) => this.#below(range) };
  }

  freeze(active: ChangeLog): void {
    this.#frozen = this.active;
    this.active = active;
  }

  forgetFrozen(): void {
    this.#frozen = undefined;
  }

  get(key: ByteString): Uint8Array | undefined {
    const hash = hashOf(key);
    let change = this.active.get(key, hash);
    if (change === undefined) change = this.#frozen?.get(key, hash);
    return change === undefined ? this.#stored(key) : (change ?? undefined);
  }

  scan(range: Range): Generator<Entry> {
    const layers: Layer[] = [this.active];
    if (this.#frozen !== undefined) layers.push(this.#frozen);
    return scanLayers(layers, this.#base, range);
  }

  put(key: ByteString, value: Uint8Array): void {
    checkKey(key);
    this.active.put(key, value);
  }

  remove(key: ByteString): void {
    this.active.remove(key);
  }

  /** LMDB reads into one buffer, whose `length` it sets without its being shorter. */
  #stored(key: ByteString): Uint8Array | undefined {
    const found = this.#database.getBinaryFast(key);
    return found && Uint8Array.prototype.subarray.call(found, 0, found.length);
  }

  *#below({ from, to, reverse }: Range): Generator<Entry> {
    const [start, end] = reverse ? [to, from] : [from, to];
    const found = this.#database.getRange({
      start,
      end,
      reverse: reverse ?? false,
      ...(reverse && { exclusiveStart: true, inclusiveEnd: true }),
    });
    for (const { key, value } of found) yield { key, value };
  }
}
