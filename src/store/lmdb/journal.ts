import type { Sequence } from "../store.ts";
import type { ChangeLog } from "./change-log.ts";
import { decodeBatches, type JournalBatch } from "./journal-batch.ts";
import type { JournalFiles, JournalSegment } from "./journal-files.ts";

/**
 * A write-ahead log with group commit: commits gather while one flush is under way, and the next
 * flush takes them all. Segments are named by the first sequence number that they hold; each has
 * the bytes of one `ChangeLog`.
 */
export class Journal {
  readonly #files: JournalFiles;
  #log: ChangeLog;
  #segment: JournalSegment;
  #name: string;
  #written: Sequence;
  #flushScheduled = false;
  #flushesInFlight = 0;
  #retired: JournalSegment[] = [];
  #waiters: Waiter[] = [];
  durable: Sequence;

  constructor(files: JournalFiles, log: ChangeLog, next: Sequence) {
    this.#files = files;
    this.#log = log;
    this.#name = segmentName(next);
    this.#segment = files.create(this.#name);
    this.durable = next - 1;
    this.#written = next - 1;
  }

  whenDurable(sequence: Sequence, call: () => void): void {
    if (sequence <= this.durable) call();
    else {
      this.#waiters.push({ sequence, call });
      this.flush();
    }
  }

  /** Begins a flush of what was committed, or lets one follow the flush that is under way. */
  flush(): void {
    if (this.#flushScheduled || this.#flushesInFlight > 0) return;
    this.#flushScheduled = true;
    // What else arrives in this turn of the event loop shares the flush.
    setImmediate(() => {
      this.#flushScheduled = false;
      if (this.#flushesInFlight > 0) return;
      this.#writeBatch();
      if (this.#written > this.durable) this.#flushSegment(this.#waiters.length <= fewWaiters);
    });
  }

  /**
   * Begins a new segment at `next` with what `log` will hold; what came before goes on to be
   * flushed into the old one. Returns the names of all older segments, to remove once a checkpoint
   * covers them.
   */
  rotate(next: Sequence, log: ChangeLog): string[] {
    this.#writeBatch();
    // Whoever waits must not be called in the middle of the commit that made the log full.
    this.#flushSegment(false);
    this.#retired.push(this.#segment);
    this.#log = log;
    this.#name = segmentName(next);
    this.#segment = this.#files.create(this.#name);
    return this.#files.list().filter((name) => name !== this.#name);
  }

  close(): void {
    this.#segment.close();
  }

  /** All flushes in flight are of one segment: none is begun on a new one before the old ones'. */
  #flushSegment(isLonely: boolean): void {
    const sequence = this.#written;
    this.#flushesInFlight += 1;
    this.#segment.flush(isLonely, (error) => {
      // A disk that fails to flush has lost data nobody knows of: only a crash is safe.
      if (error) throw error;
      this.#flushesInFlight -= 1;
      this.#flushed(sequence);
    });
  }

  #writeBatch(): void {
    const batch = this.#log.takeBatch();
    if (batch === undefined) return;
    this.#segment.write(batch.bytes, batch.offset);
    this.#written = batch.last;
  }

  #flushed(sequence: Sequence): void {
    if (sequence > this.durable) this.durable = sequence;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (waiter.sequence <= this.durable) waiter.call();
      else this.#waiters.push(waiter);
    }
    if (this.#flushesInFlight > 0) return;
    for (const segment of this.#retired) segment.close();
    this.#retired = [];
    if (this.#waiters.length > 0) this.flush();
  }
}

interface Waiter {
  readonly sequence: Sequence;
  readonly call: () => void;
}

/** With so few that wait there is little else to do meanwhile. */
const fewWaiters = 2;

/** All batches after `checkpoint` that survived, in order. */
export function* recover(files: JournalFiles, checkpoint: Sequence): Generator<JournalBatch> {
  let last = checkpoint;
  for (const name of files.list()) {
    for (const batch of decodeBatches(files.read(name))) {
      if (batch.last <= last) continue;
      if (batch.first !== last + 1) return;
      last = batch.last;
      yield batch;
    }
  }
}

/** The commit that a segment begins with. */
export function firstSequence(segment: string): Sequence {
  return Number.parseInt(segment, 10);
}

/** Sixteen digits, so that names sort as numbers do. */
function segmentName(first: Sequence): string {
  return `${String(first).padStart(16, "0")}.journal`;
}
