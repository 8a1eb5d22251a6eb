import { constants } from "node:os";

import { type Clock, sleep } from "../base/clock.ts";
import type { FileLocks } from "../nfs/client/file-locks.ts";
import type { Change } from "../wire/nfs4/attributes.ts";
import { endOfFile, type LockRange } from "../wire/nfs4/lock-range.ts";
import { lockEndOfFile, lockIsFlock, LockKind } from "../wire/fuse/protocol.ts";
import { encodeLock } from "../wire/fuse/reply.ts";
import type { FuseRequest } from "../wire/fuse/request.ts";
import { RefusedWith } from "./errno.ts";
import type { OpenedFile } from "./file-operations.ts";
import { flockTries, lockRetryFirstMs, lockRetryLimitMs } from "./limits.ts";

const { errno } = constants;

export interface LockForwardingOptions {
  readonly locks: FileLocks;
  readonly clock: Clock;
  /** A lock will be asked for: what was written before is to be at the server. */
  readonly locking: (file: OpenedFile) => Promise<void>;
  /** A lock was granted: what others wrote under theirs is to be seen. */
  readonly locked: (file: OpenedFile, change: Change) => Promise<void>;
  /** A lock will be given up: what was written is to be safe, as others go on from it. */
  readonly unlocking: (file: OpenedFile) => Promise<void>;
}

/** fcntl(2) and flock(2) locks, which the server keeps for all clients. */
export class LockForwarding {
  readonly #locks: FileLocks;
  readonly #clock: Clock;
  readonly #locking: LockForwardingOptions["locking"];
  readonly #locked: LockForwardingOptions["locked"];
  readonly #unlocking: LockForwardingOptions["unlocking"];
  /** Where an owner holds locks on a file: FLUSH and unlocking need the same open file. */
  readonly #holding = new Map<string, Set<OpenedFile>>();
  readonly #waiting = new Set<bigint>();

  constructor({ locks, clock, locking, locked, unlocking }: LockForwardingOptions) {
    this.#locks = locks;
    this.#locking = locking;
    this.#clock = clock;
    this.#locked = locked;
    this.#unlocking = unlocking;
  }

  async test(request: FuseRequest, { open }: OpenedFile): Promise<Uint8Array> {
    const { range, kind, owner } = decodeLock(request);
    const exclusive = kind === LockKind.write;
    const standing = await this.#locks.testLock(open, owner, range, exclusive);
    if (standing === undefined) return encodeLock(0n, 0n, LockKind.unlock);
    const end = standing.end > lockEndOfFile ? lockEndOfFile : standing.end - 1n;
    const found = standing.exclusive ? LockKind.write : LockKind.read;
    return encodeLock(standing.start, end, found);
  }

  async set(request: FuseRequest, file: OpenedFile, wait: boolean): Promise<undefined> {
    const { unique, nodeId } = request;
    const { range, kind, owner } = decodeLock(request);
    const key = keyOf(owner, nodeId);
    if (kind === LockKind.unlock) {
      await this.#unlocking(file);
      for (const holder of this.#holding.get(key) ?? []) {
        await this.#locks.unlock(holder.open, owner, range);
      }
      return undefined;
    }
    const exclusive = kind === LockKind.write;
    if (wait) this.#waiting.add(unique);
    const isFlock = (request.uint32(40) & lockIsFlock) !== 0;
    let tries = 0;
    let delayMs = lockRetryFirstMs;
    let change: Change | undefined;
    try {
      for (;;) {
        await this.#locking(file);
        change = await this.#locks.lock(file.open, owner, range, exclusive);
        if (change !== undefined) break;
        // Who closed the last descriptor isn't waited for by the kernel: its lock may be going.
        tries += 1;
        if (!wait && tries > (isFlock ? flockTries : 0)) throw new RefusedWith(errno.EAGAIN);
        await sleep(this.#clock, delayMs);
        if (wait && !this.#waiting.has(unique)) throw new RefusedWith(errno.EINTR);
        delayMs = Math.min(delayMs * 2, lockRetryLimitMs);
      }
    } finally {
      this.#waiting.delete(unique);
    }
    const holders = this.#holding.get(key) ?? new Set<OpenedFile>();
    this.#holding.set(key, holders.add(file));
    await this.#locked(file, change);
    return undefined;
  }

  /** The application got a signal while it waited for a lock. */
  interrupt(unique: bigint): void {
    this.#waiting.delete(unique);
  }

  /** The process closed one of its descriptors of the file: all its locks go (fcntl(2)). */
  async releaseOwner(lockOwner: bigint, nodeId: number): Promise<void> {
    const owner = ownerName(lockOwner);
    const key = keyOf(owner, nodeId);
    const holders = this.#holding.get(key);
    if (holders === undefined) return;
    this.#holding.delete(key);
    for (const holder of holders) {
      await this.#unlocking(holder);
      await this.#locks.unlock(holder.open, owner, { start: 0n, end: endOfFile });
    }
  }

  forgetFile(file: OpenedFile): void {
    for (const [key, holders] of this.#holding) {
      holders.delete(file);
      if (holders.size === 0) this.#holding.delete(key);
    }
  }
}

/** struct fuse_lk_in. */
function decodeLock(request: FuseRequest): { range: LockRange; kind: number; owner: string } {
  const start = request.bigUint64(16);
  const last = request.bigUint64(24);
  const end = last >= lockEndOfFile ? endOfFile : last + 1n;
  return {
    range: { start, end },
    kind: request.uint32(32),
    owner: ownerName(request.bigUint64(8)),
  };
}

/** At most 16 bytes: Linux's client, told who holds a lock, has room for its own 20 and no more. */
function ownerName(lockOwner: bigint): string {
  return lockOwner.toString(16);
}

function keyOf(owner: string, nodeId: number): string {
  return `${nodeId} ${owner}`;
}
