import { mkdirSync } from "node:fs";
import path from "node:path";
import { open, type RootDatabase } from "lmdb";

import type { Clock, Timer } from "../../base/clock.ts";
import { LayeredReader, LayeredWriter, type Change } from "../layers.ts";
import { bytesOf, OrderedMap } from "../ordered-map.ts";
import type { Entry, Range, Reader, Sequence, Store, Writer } from "../store.ts";
import { Journal, recover } from "./journal.ts";
import { DirectoryJournalFiles, type JournalFiles } from "./journal-files.ts";
import { encodeRecord } from "./journal-record.ts";

export interface LmdbStoreOptions {
  /** A directory of its own; made where it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly journalFiles?: JournalFiles;
}

/** Entries and journal bytes after which what gathered in memory goes into LMDB. */
const checkpointEntries = 20_000;
const checkpointBytes = 3 << 20;
const checkpointIntervalMs = 1000;

/** Under this key LMDB holds the last commit that it contains; no other key starts with zero. */
const positionKey = Buffer.from("\0position");

/**
 * The durable engine: commits go to a journal, which is flushed for many at once, and to an
 * overlay in memory; overlays go into LMDB a batch at a time, together with the position in the
 * journal that they reach. LMDB alone would write scattered pages for every durable commit
 * (docs/decisions/0001-store-engine.md has the figures).
 */
export class LmdbStore implements Store {
  readonly #database: RootDatabase<Buffer, Buffer>;
  readonly #base: Reader;
  readonly #files: JournalFiles;
  readonly #journal: Journal;
  readonly #clock: Clock;
  #active = new OrderedMap<Change>();
  #frozen: OrderedMap<Change> | undefined;
  #checkpointing: Promise<void> | undefined;
  #timer: Timer | undefined;
  applied: Sequence;

  constructor(options: LmdbStoreOptions) {
    mkdirSync(options.directory, { recursive: true });
    this.#clock = options.clock;
    this.#files = options.journalFiles ?? new DirectoryJournalFiles(options.directory);
    this.#database = open<Buffer, Buffer>({
      path: path.join(options.directory, "tree.lmdb"),
      keyEncoding: "binary",
      encoding: "binary",
      noMemInit: true,
    });
    this.#base = new LmdbReader(this.#database);
    this.applied = Number(this.#database.get(positionKey)?.toString() ?? 0);
    const covered = this.#files.list();
    for (const record of recover(this.#files, this.applied)) {
      for (const [key, change] of record.changes) this.#active.set(key, change);
      this.applied = record.sequence;
    }
    // The replayed changes are in the old segments until they are in LMDB.
    this.#putSync(this.#active, this.applied);
    this.#active = new OrderedMap<Change>();
    for (const name of covered) this.#files.remove(name);
    this.#journal = new Journal(this.#files, this.applied + 1);
  }

  get durable(): Sequence {
    return this.#journal.durable;
  }

  read<T>(work: (reader: Reader) => T): T {
    return work(new LayeredReader(this.#layers(), this.#base));
  }

  write<T>(work: (writer: Writer) => T): T {
    const changes = new OrderedMap<Change>();
    const result = work(new LayeredWriter(changes, this.#layers(), this.#base));
    this.applied += 1;
    this.#journal.append(this.applied, encodeRecord(this.applied, changes.entries()));
    for (const [key, change] of changes.entries()) this.#active.set(key, change);
    this.#checkpointLater();
    return result;
  }

  whenDurable(sequence: Sequence, call: () => void): void {
    this.#journal.whenDurable(sequence, call);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#checkpointing;
    await new Promise<void>((resolve) => this.whenDurable(this.applied, resolve));
    await this.#checkpoint();
    this.#journal.close();
    await this.#database.close();
  }

  #layers(): OrderedMap<Change>[] {
    return this.#frozen === undefined ? [this.#active] : [this.#active, this.#frozen];
  }

  #checkpointLater(): void {
    if (this.#checkpointing !== undefined) return;
    if (this.#active.size > checkpointEntries || this.#journal.length > checkpointBytes) {
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
    if (this.#active.size === 0) return;
    const frozen = this.#active;
    const position = this.applied;
    this.#frozen = frozen;
    this.#active = new OrderedMap<Change>();
    const covered = this.#journal.rotate(position + 1);
    await this.#database.transaction(() => this.#put(frozen, position));
    await this.#database.flushed;
    this.#database.resetReadTxn();
    this.#frozen = undefined;
    for (const name of covered) this.#files.remove(name);
  }

  #putSync(changes: OrderedMap<Change>, position: Sequence): void {
    if (changes.size === 0) return;
    this.#database.transactionSync(() => this.#put(changes, position));
  }

  #put(changes: OrderedMap<Change>, position: Sequence): void {
    for (const [key, change] of changes.entries()) {
      if (change === null) void this.#database.remove(bytesOf(key));
      else void this.#database.put(bytesOf(key), Buffer.from(change));
    }
    void this.#database.put(positionKey, Buffer.from(String(position)));
  }
}

class LmdbReader implements Reader {
  readonly #database: RootDatabase<Buffer, Buffer>;

  constructor(database: RootDatabase<Buffer, Buffer>) {
    this.#database = database;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#database.get(Buffer.from(key));
  }

  *scan({ from, to, limit, reverse }: Range): Generator<Entry> {
    const [start, end] = reverse ? [to, from] : [from, to];
    const found = this.#database.getRange({
      start: Buffer.from(start),
      end: Buffer.from(end),
      reverse: reverse ?? false,
      ...(reverse && { exclusiveStart: true, inclusiveEnd: true }),
      ...(limit !== undefined && { limit }),
    });
    for (const { key, value } of found) yield { key, value };
  }
}
