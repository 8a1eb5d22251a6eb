/**
 * The contract of the store of file contents, by inode. It knows lengths and bytes; sizes, times
 * and permissions belong to `files`, which never asks for a byte past a file's size.
 *
 * - Contents are sparse: what was never written, or was punched, reads as zeros and takes no room.
 * - `read` and `write` finish at once (return a number) where the engine can, or return a promise
 *   where waiting would block everybody. Operations on one file are applied in the order they
 *   were called.
 * - Bytes are durable when `whenDurable` of the file calls back.
 */
export interface Data {
  /**
   * Fills `target` from `offset`, zeros for holes and past the end of what is stored.
   * Returns how many bytes were filled: always `target.length`.
   */
  read(file: FileKey, offset: number, target: Uint8Array): number | Promise<number>;
  /** Stores all of `bytes`, which are valid during the call, at `offset`. Throws `NoSpace` when the device is full. */
  write(file: FileKey, offset: number, bytes: Uint8Array): number | Promise<number>;
  /** Forgets everything at and past `length`; a later read there gives zeros. */
  truncate(file: FileKey, length: number): void;
  /** Where the stored contents end; 0 for a file that has none. */
  length(file: FileKey): number;
  /** Bytes of room that the file's contents take, in whole 4 KiB blocks. */
  allocated(file: FileKey): number;
  /** The first offset >= `offset` that holds data (or a hole); undefined where none follows. */
  seek(file: FileKey, offset: number, what: "data" | "hole"): number | undefined;
  /** Removes all contents; a file that has none is no error. A crash before `close` may undo it. */
  remove(file: FileKey): void;
  /** Calls back when everything written to the file so far survives a crash; flushes are shared. */
  whenDurable(file: FileKey, call: (error?: Error) => void): void;
  /** Bytes that there is room for; Infinity where no limit is known. */
  room(): number;
  /** Every file that has contents, for the check after a crash. */
  list(): Iterable<FileKey>;
  /** Makes everything durable, removals too, and releases what is open. */
  close(): Promise<void>;
}

/** The inode number: a whole number from 1 that fits a double, never used twice. */
export type FileKey = number;

export class NoSpace extends Error {
  override readonly name = "NoSpace";
}
