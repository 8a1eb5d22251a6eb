import {
  type Change,
  changeBitmap,
  decodeChange,
  encodeBitmap,
} from "../../wire/nfs4/attributes.ts";
import {
  decodeLockRange,
  encodeLockRange,
  endOfFile,
  type LockRange,
} from "../../wire/nfs4/lock-range.ts";
import { LockType, Operation } from "../../wire/nfs4/operations.ts";
import { decodeStateid, encodeStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { NfsError } from "./nfs-error.ts";
import { type ConflictingLock, HeldLock, type OpenFile } from "./open-file.ts";
import type { SessionClient } from "./session-client.ts";

const once = { once: true };
const recovery = { once: true, urgent: true };

/** Byte-range locks, which the server keeps for all clients. */
export class FileLocks {
  readonly #session: SessionClient;
  /** By file and owner, with the opens that know each. */
  readonly #held = new Map<string, { readonly lock: HeldLock; readonly opens: Set<OpenFile> }>();

  constructor(session: SessionClient) {
    this.#session = session;
  }

  /** What stands in the way of a lock; undefined where it would be granted. */
  testLock(
    open: OpenFile,
    owner: string,
    range: LockRange,
    exclusive: boolean,
  ): Promise<ConflictingLock | undefined> {
    return this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.LOCKT);
        xdr.uint32(exclusive ? LockType.write : LockType.read);
        encodeLockRange(xdr, range);
        xdr.uint64(0);
        xdr.byteString(owner);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const status = results.status(Operation.LOCKT);
        if (status === Status.OK) return undefined;
        if (status !== Status.DENIED) throw new NfsError(status, "LOCKT");
        const standing = decodeLockRange(results.xdr);
        if (standing === undefined) throw new NfsError(Status.BADXDR, "LOCKT");
        return { ...standing, exclusive: results.xdr.uint32() === LockType.write };
      },
    );
  }

  /** The file's change attribute under the lock; undefined where it was not granted. */
  async lock(
    open: OpenFile,
    owner: string,
    range: LockRange,
    exclusive: boolean,
  ): Promise<Change | undefined> {
    const held = open.locks.get(owner) ?? this.#known(open, owner);
    return held.inTurn(async () => {
      const change = await this.#lockOnce(open, held, range, exclusive, false);
      if (change !== undefined) held.add(range, exclusive, open);
      return change;
    });
  }

  /** Before the open file is closed: the owner's locks go, as with any close (fcntl(2)). */
  async release(open: OpenFile): Promise<void> {
    for (const held of open.locks.values()) {
      await held.inTurn(async () => {
        await this.#unlockOnce(open, held, { start: 0n, end: endOfFile });
        // The server may have had it with this open file.
        held.stateid = undefined;
      });
      const key = keyOf(open, held.owner);
      const known = this.#held.get(key);
      known?.opens.delete(open);
      if (known?.opens.size === 0) this.#held.delete(key);
    }
  }

  async unlock(open: OpenFile, owner: string, range: LockRange): Promise<void> {
    // It may have been locked through another open file.
    const held = open.locks.get(owner) ?? this.#held.get(keyOf(open, owner))?.lock;
    await held?.inTurn(() => this.#unlockOnce(open, held, range));
  }

  async #unlockOnce(open: OpenFile, held: HeldLock, range: LockRange): Promise<void> {
    if (held.stateid === undefined) return;
    held.remove(range);
    await this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.LOCKU);
        xdr.uint32(LockType.write);
        xdr.uint32(0);
        encodeStateid(xdr, held.stateid ?? open.stateid);
        encodeLockRange(xdr, range);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        held.stateid = decodeStateid(results.expect(Operation.LOCKU));
      },
      once,
    );
  }

  /** After a restart of the server: all locks that are held through the open file. */
  async lockAgain(open: OpenFile, reclaim: boolean): Promise<void> {
    for (const held of open.locks.values()) {
      // Unless it was locked again through another open file by now.
      if (!isOfSameClient(held.stateid, open.stateid)) held.stateid = undefined;
      for (const { exclusive, open: through, ...range } of held.ranges) {
        if (through === open) await this.#lockOnce(open, held, range, exclusive, reclaim);
      }
    }
  }

  #known(open: OpenFile, owner: string): HeldLock {
    const key = keyOf(open, owner);
    let known = this.#held.get(key);
    if (known === undefined) {
      known = { lock: new HeldLock(owner), opens: new Set() };
      this.#held.set(key, known);
    }
    known.opens.add(open);
    open.locks.set(owner, known.lock);
    return known.lock;
  }

  #lockOnce(
    open: OpenFile,
    held: HeldLock,
    range: LockRange,
    exclusive: boolean,
    reclaim: boolean,
  ): Promise<Change | undefined> {
    return this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.LOCK);
        xdr.uint32(exclusive ? LockType.write : LockType.read);
        xdr.boolean(reclaim);
        encodeLockRange(xdr, range);
        const isNew = held.stateid === undefined;
        xdr.boolean(isNew);
        if (isNew) xdr.uint32(0);
        encodeStateid(xdr, held.stateid ?? open.stateid);
        xdr.uint32(0);
        if (isNew) {
          xdr.uint64(0);
          xdr.byteString(held.owner);
        }
        encodeBitmap(compound.operation(Operation.GETATTR), changeBitmap);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const status = results.status(Operation.LOCK);
        if (status === Status.DENIED) return undefined;
        if (status !== Status.OK) throw new NfsError(status, "LOCK");
        held.stateid = decodeStateid(results.xdr);
        return decodeChange(results.expect(Operation.GETATTR));
      },
      reclaim ? recovery : once,
    );
  }
}

/** Whether both are of one run of the server, and of what it has known of the client since. */
function isOfSameClient(one: Stateid | undefined, other: Stateid): boolean {
  return one?.other0 === other.other0 && one.other1 === other.other1;
}

function keyOf(open: OpenFile, owner: string): string {
  return `${Buffer.from(open.handle).toString("latin1")} ${owner}`;
}
