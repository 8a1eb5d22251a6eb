import type { LockRange } from "../../wire/nfs4/lock-range.ts";
import { anonymousStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import type { FileHandle } from "./compound.ts";

/** Bytes that the server has and may lose in a crash, until they are committed. */
export interface UncommittedWrite {
  /** Rises with every write of the client, to whatever file. */
  readonly order: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The server's write verifier when it took them (RFC 8881 §18.32.3). */
  verifier: string;
  /** To be called when the bytes are not needed any more. */
  readonly release: (() => void) | undefined;
  isCommitted: boolean;
}

/** A file that is open on the server, with what is needed to open it again after a restart. */
export class OpenFile {
  readonly owner: string;
  readonly credential: AuthSys;
  readonly handle: FileHandle;
  /** ShareAccess bits. */
  readonly access: number;
  stateid: Stateid = anonymousStateid;
  written: UncommittedWrite[] = [];
  writtenBytes = 0;
  /** Of a write that nobody waited for: told by what is asked next. */
  writeFailure: Error | undefined;
  /** So much was written that it is being committed already. */
  isCommitting = false;
  /** By owner; other opens of the file have the same ones. */
  readonly locks = new Map<string, HeldLock>();

  constructor(owner: string, credential: AuthSys, handle: FileHandle, access: number) {
    this.owner = owner;
    this.credential = credential;
    this.handle = handle;
    this.access = access;
  }
}

export interface ConflictingLock extends LockRange {
  readonly exclusive: boolean;
}

/**
 * The byte ranges that one lock owner has locked in a file: one stateid, through whichever opens
 * they were locked (RFC 8881 §8.2.1).
 */
export class HeldLock {
  readonly owner: string;
  /** Absent until the server has granted the first lock. */
  stateid: Stateid | undefined;
  ranges: (LockRange & { readonly exclusive: boolean; readonly open: OpenFile })[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(owner: string) {
    this.owner = owner;
  }

  /**
   * Runs the work when all before it is done: each change of a lock makes a new stateid from the
   * last one (RFC 8881 §8.2.2).
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  add(range: LockRange, exclusive: boolean, open: OpenFile): void {
    this.remove(range);
    this.ranges.push({ ...range, exclusive, open });
  }

  remove(range: LockRange): void {
    this.ranges = this.ranges.flatMap((held) => {
      if (held.start >= range.end || range.start >= held.end) return [held];
      const left: typeof this.ranges = [];
      if (held.start < range.start) left.push({ ...held, end: range.start });
      if (held.end > range.end) left.push({ ...held, start: range.end });
      return left;
    });
  }
}
