import type { ByteString } from "./byte-string.ts";

/**
 * The contract of a transactional, ordered key-value store. Cloud services keep their records in
 * one, a file system keeps its inodes, directory entries and accounting in one.
 *
 * - Keys are byte strings ordered as unsigned bytes, 1 to `maximumKeyLength` bytes long.
 * - What is read is a view: valid until the next call of the same reader, and never to be changed.
 * - Transactions are synchronous, serializable and atomic: what `write` did is visible at once to
 *   whoever reads, all of it, or none of it where the work threw.
 * - A commit is *applied* at once and *durable* later; `Sequence` numbers order commits, and many
 *   commits become durable in one flush. Whoever promised durability waits with `whenDurable`.
 *   After a crash the store holds exactly the commits up to some sequence number, at least every
 *   one that was reported durable.
 * - An engine that may not have a value at hand (a remote one) throws `NotResident` from a read;
 *   the owner awaits `loaded` and runs the whole piece of work again. Work is therefore free of
 *   effects other than on its transaction. Engines on local disk never throw it.
 */
export interface Store {
  /** Runs read-only work on the present state. The reader must not be kept. */
  read<T>(work: (reader: Reader) => T): T;
  /** Runs work that changes; where it throws, nothing has changed and the error passes on. */
  write<T>(work: (writer: Writer) => T): T;
  /** The newest applied commit; 0 before the first one. */
  readonly applied: Sequence;
  /** The newest commit that survives a crash; at most `applied`. */
  readonly durable: Sequence;
  /**
   * Calls back once `durable` >= `sequence`: at once where it already is, else after the flush
   * that covers it, never from within `write`. Asks for a flush; callers that wait together share
   * one.
   */
  whenDurable(sequence: Sequence, call: () => void): void;
  /** Flushes, then releases everything. The store must not be used afterwards. */
  close(): Promise<void>;
}

/** Counts commits; a whole number that fits a double. */
export type Sequence = number;

export interface Reader {
  get(key: ByteString): Uint8Array | undefined;
  /**
   * Entries with `from` <= key < `to`, ascending (descending with `reverse`), at most `limit`.
   * Lazy: it reads only as far as it is consumed.
   */
  scan(range: Range): Iterable<Entry>;
}

export interface Writer extends Reader {
  /** The value is copied. */
  put(key: ByteString, value: Uint8Array): void;
  /** Removing what isn't there is no error. */
  remove(key: ByteString): void;
}

export interface Range {
  readonly from: ByteString;
  readonly to: ByteString;
  readonly limit?: number;
  readonly reverse?: boolean;
}

export interface Entry {
  readonly key: ByteString;
  readonly value: Uint8Array;
}

/** A read found nothing at hand; run the work again once `loaded` has settled. */
export class NotResident extends Error {
  override readonly name = "NotResident";
  readonly loaded: Promise<void>;

  constructor(loaded: Promise<void>) {
    super("the value is not at hand");
    this.loaded = loaded;
  }
}

/** Bytes; LMDB's own limit is 1,978 with its standard build. */
export const maximumKeyLength = 511;
