import type { FileKey } from "../data/data.ts";
import type { Sequence } from "../store/store.ts";
import type { Failure } from "./failure.ts";
import type { LockTable } from "./locks.ts";

/**
 * The protocol-neutral POSIX file system: what NFS (and anything else) is a thin edge over.
 *
 * - Every operation is synchronous, atomic and checked against the caller's permissions, except
 *   where it says otherwise. An expected outcome is returned (`Failure`), a broken invariant throws.
 * - Reads of contents return a promise only where the data isn't at hand.
 * - A change is visible to everybody at once and durable later: the protocol's edge remembers
 *   `applied` after the operation and waits with `whenDurable` before it promises durability.
 * - One owner: all calls come from one thread. Nothing here blocks for a lock.
 * - A store engine may throw `NotResident`; the edge waits and calls again. Operations have no
 *   effect before they can no longer throw it.
 */
export interface FileSystem {
  readonly id: string;
  readonly root: Inode;
  readonly locks: LockTable;

  /**
   * A handle, 16 to 64 bytes, that stays valid for the inode's life and over restarts; the bytes
   * stay until the next call.
   */
  handleOf(inode: Inode): Uint8Array;
  /** ESTALE where the inode is gone (or was never ours); EINVAL where the bytes are no handle. */
  inodeOf(handle: Uint8Array): Inode | Failure;
  /** By number, for caches that outlive an `Inode` object. */
  inode(number: FileKey): Inode | Failure;

  /** EAGAIN where a size can't be set just now, but in a moment. */
  setAttributes(caller: Caller, inode: Inode, change: AttributeChange): Inode | Failure;
  /** The subset of `wanted` that the caller has on the inode. */
  access(caller: Caller, inode: Inode, wanted: AccessMask): AccessMask;

  /** Needs search permission. "." and ".." are the edge's business, see `parent`. */
  lookup(caller: Caller, directory: Inode, name: Name): Inode | Failure;
  /** The directory above; the root's is the root. */
  parent(caller: Caller, directory: Inode): Inode | Failure;
  /** A new directory, symbolic link, fifo or socket, or a regular file; EEXIST where it exists. */
  create(caller: Caller, directory: Inode, name: Name, node: NewNode): Inode | Failure;
  link(caller: Caller, inode: Inode, directory: Inode, name: Name): Inode | Failure;
  /** `unlink` or `rmdir`, by `kind`; "any" takes whichever the entry is (NFS REMOVE). */
  remove(
    caller: Caller,
    directory: Inode,
    name: Name,
    kind: "any" | "directory" | "file",
  ): Failure | undefined;
  rename(caller: Caller, from: Inode, fromName: Name, to: Inode, toName: Name): Failure | undefined;
  /**
   * Entries after `cookie` (0 starts) in a stable order, until `take` returns false. A cookie is
   * a whole number >= 3 that stays valid whatever happens to the directory; no entry that was
   * there all the time is lost or repeated. "." and ".." are not included.
   * `withInodes` also gives each entry's inode (readdirplus).
   */
  readDirectory(
    caller: Caller,
    directory: Inode,
    cookie: number,
    withInodes: boolean,
    take: (entry: DirectoryEntry) => boolean,
  ): ReadDirectoryEnd | Failure;
  readSymbolicLink(caller: Caller, inode: Inode): Uint8Array | Failure;

  /**
   * Keeps an inode's contents while it is open though its last name may go; each `hold` needs a
   * `release`. After a restart, held inodes without a name are kept until `endRecovery`.
   */
  hold(inode: Inode): void;
  release(inode: Inode): void;
  /**
   * Keeps the object the only one of its inode for who has it in hand while waiting; each `pin`
   * needs an `unpin`.
   */
  pin(inode: Inode): void;
  unpin(inode: Inode): void;
  /** Removes nameless inodes that nobody reclaimed; the NFS server calls it when grace is over. */
  endRecovery(): void;

  /**
   * Reads up to `target.length` bytes and returns how many: fewer only at the end of the file.
   * Permission is checked by `access` when the file is opened, not here.
   */
  read(inode: Inode, offset: number, target: Uint8Array): number | Promise<number>;
  /**
   * Writes all of `bytes`; extends the file, clears setuid and setgid (unless root), sets times.
   * Returns the bytes written. Not durable; see `commit`. Permission is checked when opened.
   * `stable`: a `commit` follows at once, which then takes less time.
   */
  write(
    caller: Caller,
    inode: Inode,
    offset: number,
    bytes: Uint8Array,
    stable?: boolean,
  ): number | Failure | Promise<number | Failure>;
  /** Calls back once all data and attributes written to the file so far are durable. */
  commit(inode: Inode, call: (error?: Error) => void): void;
  /**
   * The first half of `commit`, where there is nothing to wait for before: what was written so far
   * is durable with `applied` then. False where it takes a `commit`.
   */
  commitToStore(inode: Inode): boolean;
  seek(inode: Inode, offset: number, what: "data" | "hole"): number | undefined;

  readonly applied: Sequence;
  readonly durable: Sequence;
  whenDurable(sequence: Sequence, call: () => void): void;

  /** Metered bytes as `DescribeFileSystems` reports them, exact at any moment (facts §2.8). */
  meteredBytes(): MeteredBytes;
  /**
   * Meters a file's data in another class; whatever is written to it brings it back to standard
   * (facts §2.10). EINVAL where it is no file.
   */
  setStorageClass(inode: Inode, storageClass: StorageClass): Failure | undefined;
  close(): Promise<void>;
}

/**
 * A file's attributes as they are now: one object an inode while it is cached, updated in place,
 * read directly by the hot path. Nobody outside `files` writes to it. Don't keep it over an await
 * unless it is pinned or held; keep `number` and ask again.
 */
export interface Inode {
  readonly number: FileKey;
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Room taken as EFS meters it: data in 4 KiB steps, at least one (facts §2.8). */
  readonly spaceUsed: number;
  readonly storageClass: StorageClass;
  /** Grows with every change of data or attributes; whole number. */
  readonly change: number;
  readonly accessTime: Timestamp;
  readonly modifyTime: Timestamp;
  readonly changeTime: Timestamp;
  readonly birthTime: Timestamp;
  /** Two numbers kept at an exclusive create, zeros otherwise. */
  readonly verifierHigh: number;
  readonly verifierLow: number;
}

/** EFS's Standard, IA and Archive. */
export type StorageClass = "archive" | "infrequentAccess" | "standard";

/** Bytes by storage class, and their sum. */
export type MeteredBytes = Readonly<Record<StorageClass | "total", number>>;

export type FileType = "directory" | "fifo" | "file" | "socket" | "symlink";

/** Time since 1970 as POSIX has it; nanoseconds 0 to 999,999,999. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/**
 * A file name as bytes: each character of the string is one byte (latin1), so that any bytes fit
 * and comparing is cheap. 1 to 255 bytes without "/" and NUL; "." and ".." are refused (EINVAL).
 */
export type Name = string;

/** Who asks, after access point and root squash have been applied. uid or gid 0 is root. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

export const superuser: Caller = { uid: 0, gid: 0, groups: [] };

export interface NewNode {
  readonly type: FileType;
  readonly mode: number;
  /** Symbolic links only: 1 to 4,080 bytes. */
  readonly target?: Uint8Array;
  /** Given at an exclusive create, kept in the inode. */
  readonly verifier?: { readonly high: number; readonly low: number };
  /** Further attributes set in the same step (size, times; owner where the caller may). */
  readonly attributes?: AttributeChange;
}

export interface AttributeChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  /** The file is open for writing, which gives the right to change its size (ftruncate(2)). */
  readonly opened?: boolean;
  /** A time, or "now": which of the two decides who may set it (utimensat(2)). */
  readonly accessTime?: Timestamp | "now";
  readonly modifyTime?: Timestamp | "now";
}

/** Bits as in ACCESS of NFS, which POSIX `access` maps onto (RFC 8881 §18.1.1). */
export type AccessMask = number;
export const AccessBit = {
  read: 0x01,
  lookup: 0x02,
  modify: 0x04,
  extend: 0x08,
  delete: 0x10,
  execute: 0x20,
} as const;

export interface DirectoryEntry {
  readonly name: Name;
  readonly cookie: number;
  readonly number: FileKey;
  readonly inode?: Inode;
}

/** Whether every entry was given ("end") or `take` stopped ("more"). */
export type ReadDirectoryEnd = "end" | "more";
