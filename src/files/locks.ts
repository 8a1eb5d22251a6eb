import type { FileKey } from "../data/data.ts";

/**
 * Advisory byte-range locks of one file system (POSIX fcntl semantics: a new lock of the same
 * owner replaces, splits or merges with its old ones). Volatile: after a restart clients reclaim.
 * Owners are compared by identity of the string.
 */
export interface LockTable {
  /** The first lock of another owner that stands in the way, if any. */
  conflict(file: FileKey, request: LockRequest): HeldLock | undefined;
  /** Locks, or returns what stands in the way, or "limit" past 512 locks on the file (§2.6). */
  lock(file: FileKey, request: LockRequest): HeldLock | "limit" | undefined;
  unlock(file: FileKey, owner: string, range: LockRange): void;
  /** Drops all locks of the owner on the file; whether it had any. */
  releaseOwner(file: FileKey, owner: string): boolean;
  holds(file: FileKey, owner: string): boolean;
  /** How many separate locks the owner has on the file. */
  count(file: FileKey, owner: string): number;
}

export interface LockRange {
  readonly start: bigint;
  /** Past the last byte; 2^64 for "to the end of the file". */
  readonly end: bigint;
}

export interface LockRequest extends LockRange {
  readonly owner: string;
  readonly exclusive: boolean;
}

export type HeldLock = LockRequest;
