import type { Sequence } from "../store.ts";
import { decodeRecords, type JournalRecord } from "./journal-record.ts";
import type { JournalFiles, JournalSegment } from "./journal-files.ts";

/**
 * A write-ahead log with group commit: records gather while one flush is under way, and the next
 * flush takes them all. Segments are named by the first sequence number that they hold.
 */
export class Journal {
  readonly #files: JournalFiles;
  #segment: JournalSegment;
  #name: string;
  #length = 0;
  #pending: Buffer[] = [];
  #pendingSequence: Sequence;
  #flushScheduled = false;
  #flushesInFlight = 0;
  #retired: JournalSegment[] = [];
  #waiters: { readonly sequence: Sequence; readonly call: () => void }[] = [];
  durable: Sequence;

  constructor(files: JournalFiles, next: Sequence) {
    this.#files = files;
    this.#name = segmentName(next);
    this.#segment = files.create(this.#name);
    this.durable = next - 1;
    this.#pendingSequence = next - 1;
  }

  /** Bytes in the present segment. */
  get length(): number {
    return this.#length;
  }

  append(sequence: Sequence, record: Buffer): void {
    this.#pending.push(record);
    this.#pendingSequence = sequence;
  }

  whenDurable(sequence: Sequence, call: () => void): void {
    if (sequence <= this.durable) call();
    else {
      this.#waiters.push({ sequence, call });
      this.flush();
    }
  }

  /** Begins a flush of what is pending, or lets one follow the flush that is under way. */
  flush(): void {
    if (this.#flushScheduled || this.#flushesInFlight > 0 || this.#pending.length === 0) return;
    this.#flushScheduled = true;
    // What else arrives in this turn of the event loop shares the flush.
    setImmediate(() => {
      this.#flushScheduled = false;
      if (this.#flushesInFlight > 0) return;
      this.#writePending();
      this.#flushSegment();
    });
  }

  /**
   * Begins a new segment at `next`; what came before goes on to be flushed into the old one.
   * Returns the names of all older segments, to remove once a checkpoint covers them.
   */
  rotate(next: Sequence): string[] {
    this.#writePending();
    this.#flushSegment();
    this.#retired.push(this.#segment);
    this.#name = segmentName(next);
    this.#segment = this.#files.create(this.#name);
    this.#length = 0;
    return this.#files.list().filter((name) => name !== this.#name);
  }

  close(): void {
    this.#segment.close();
  }

  /** All flushes in flight are of one segment: none is begun on a new one before the old ones'. */
  #flushSegment(): void {
    const sequence = this.#pendingSequence;
    this.#flushesInFlight += 1;
    this.#segment.flush((error) => {
      // A disk that fails to flush has lost data nobody knows of: only a crash is safe.
      if (error) throw error;
      this.#flushesInFlight -= 1;
      this.#flushed(sequence);
    });
  }

  #writePending(): void {
    const bytes = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending);
    this.#pending = [];
    if (bytes.length === 0) return;
    this.#segment.write(bytes, this.#length);
    this.#length += bytes.length;
  }

  #flushed(sequence: Sequence): void {
    if (sequence > this.durable) this.durable = sequence;
    const ready = this.#waiters.filter((waiter) => waiter.sequence <= this.durable);
    this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > this.durable);
    for (const waiter of ready) waiter.call();
    if (this.#flushesInFlight > 0) return;
    for (const segment of this.#retired) segment.close();
    this.#retired = [];
    if (this.#waiters.length > 0) this.flush();
  }
}

/** All records after `checkpoint` that survived, in order. */
export function* recover(files: JournalFiles, checkpoint: Sequence): Generator<JournalRecord> {
  let last = checkpoint;
  for (const name of files.list()) {
    for (const record of decodeRecords(files.read(name), last)) {
      if (record.sequence !== last + 1) return;
      last = record.sequence;
      yield record;
    }
  }
}

/** Sixteen digits, so that names sort as numbers do. */
function segmentName(first: Sequence): string {
  return `${String(first).padStart(16, "0")}.journal`;
}
