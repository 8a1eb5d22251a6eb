// LOCK, LOCKT, LOCKU, TEST_STATEID, FREE_STATEID (RFC 8881 §18.10 to §18.12, §18.48, §18.38).
import type { HeldLock } from "../../../files/locks.ts";
import { decodeLockRange, encodeLockRange, type LockRange } from "../../../wire/nfs4/lock-range.ts";
import { LockType, opaqueLimit, Operation, ShareAccess } from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import {
  currentStateid,
  decodeStateid,
  encodeStateid,
  nextSeqid,
  sameStateid,
  type Stateid,
} from "../../../wire/nfs4/stateid.ts";
import type { Compound } from "../compound.ts";
import { locksPerClientLimit, opensPerClientLimit } from "../limits.ts";
import type { Client, Lock } from "../state/client.ts";
import { lockOwnerName, lockOwnerParts } from "../state/file-system-state.ts";
import { inSequence, inSequenceOf } from "./sequenced.ts";

const stateidsLimit = 1024;

export function lock(compound: Compound): StatusCode {
  const { reader } = compound;
  const type = reader.uint32();
  const reclaim = reader.boolean();
  const range = decodeLockRange(reader);
  const isNewOwner = reader.boolean();
  const openSeqid = isNewOwner ? reader.uint32() : 0;
  const given = decodeStateid(reader);
  const lockSeqid = reader.uint32();
  let lockOwner = "";
  let clientId: [number, number] | undefined;
  if (isNewOwner) {
    clientId = [reader.uint32(), reader.uint32()];
    lockOwner = reader.byteString(opaqueLimit);
  }
  const wanted = { type, reclaim, range, isNewOwner, given, lockOwner };
  const operation = Operation.LOCK;
  if (!isNewOwner) {
    const work = (): StatusCode => lockWanted(compound, wanted);
    return inSequenceOf(compound, given, "lock", { operation, seqid: lockSeqid, work });
  }
  const work = (): StatusCode => {
    if (compound.minorVersion === 1) return lockWanted(compound, wanted);
    // NFSv4.1 has the session to say who it is (RFC 8881 §18.10.3).
    if (clientId?.[0] !== given.other0 || clientId[1] !== given.other1) {
      return Status.STALE_CLIENTID;
    }
    const owner = compound.owner("lock", lockOwner);
    // A lock owner that begins begins with the seqid that it brings.
    if (owner.held === 0) owner.sequence = undefined;
    const seqid = lockSeqid;
    return inSequence(compound, owner, {
      operation,
      seqid,
      work: () => lockWanted(compound, wanted),
    });
  };
  return inSequenceOf(compound, given, "open", { operation, seqid: openSeqid, work });
}

interface LockArguments {
  readonly type: number;
  readonly reclaim: boolean;
  readonly range: LockRange | undefined;
  readonly isNewOwner: boolean;
  readonly given: Stateid;
  readonly lockOwner: string;
}

function lockWanted(compound: Compound, wanted: LockArguments): StatusCode {
  const { type, reclaim, range, isNewOwner, given, lockOwner } = wanted;
  const { current, state } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  if (current.type !== "file") return current.type === "directory" ? Status.ISDIR : Status.INVAL;
  if (!isLockType(type)) return Status.INVAL;
  if (range === undefined) return Status.INVAL;
  const found = compound.find(given);
  if (typeof found === "number") return found;
  const inGrace = state.inGrace();
  if (reclaim && !state.mayReclaim(compound.client)) return Status.NO_GRACE;
  if (!reclaim && (inGrace || !compound.client.reclaimComplete)) return Status.GRACE;
  if (isNewOwner !== (found.kind === "open")) return Status.BAD_STATEID;
  const open = found.kind === "open" ? found : found.open;
  if (open.inode !== current) return Status.BAD_STATEID;
  const exclusive = type === LockType.write || type === LockType.writeBlocking;
  const needed = exclusive ? ShareAccess.write : ShareAccess.read;
  if ((open.access & needed) === 0) return Status.OPENMODE;
  const owned = found.kind === "lock" ? found : state.lockOf(open, lockOwner);
  return takeLock(compound, owned, { ...range, exclusive, reclaim });
}

function takeLock(
  compound: Compound,
  owned: Lock,
  wanted: LockRange & { readonly exclusive: boolean; readonly reclaim: boolean },
): StatusCode {
  const { files, state } = compound;
  if (hasEnoughLocks(owned.client)) return refuseLock(compound, owned);
  const { reclaim, ...range } = wanted;
  const request = { ...range, owner: owned.owner };
  let standing = files.locks.lock(owned.open.inode.number, request);
  while (standing !== undefined && standing !== "limit") {
    if (!releaseExpired(compound, owned.open.inode.number, standing)) break;
    standing = files.locks.lock(owned.open.inode.number, request);
  }
  if (standing === undefined) {
    state.countLocked(owned);
    compound.grantsState = true;
    owned.seqid = nextSeqid(owned.seqid);
    const stateid = compound.stateidOf(owned);
    encodeStateid(compound.writer, stateid);
    compound.currentStateid = stateid;
    return Status.OK;
  }
  if (standing === "limit") return refuseLock(compound, owned);
  if (owned.seqid === 0) state.freeLock(owned);
  if (reclaim) return Status.RECLAIM_CONFLICT;
  encodeDenied(compound, standing);
  return Status.DENIED;
}

/** Ranges, or lock owners that hold none, of which every one costs as much. */
function hasEnoughLocks({ lockedRanges, states }: Client): boolean {
  return (
    lockedRanges >= locksPerClientLimit || states.size > opensPerClientLimit + locksPerClientLimit
  );
}

/** There are as many locks as there may be (facts §2.6). */
function refuseLock({ state }: Compound, owned: Lock): StatusCode {
  if (owned.seqid === 0) state.freeLock(owned);
  return Status.DQUOT;
}

/** Whoever didn't renew its lease can't keep others out (RFC 8881 §8.4.3). */
function releaseExpired({ state, files }: Compound, file: number, standing: HeldLock): boolean {
  const holder = state.client(lockOwnerParts(standing.owner).clientNumber);
  if (holder !== undefined && !state.hasExpired(holder)) return false;
  if (holder !== undefined) state.drop(holder);
  else files.locks.releaseOwner(file, standing.owner);
  return true;
}

export function testLock(compound: Compound): StatusCode {
  const { reader } = compound;
  const type = reader.uint32();
  const range = decodeLockRange(reader);
  const clientId = [reader.uint32(), reader.uint32()] as const;
  const lockOwner = reader.byteString(opaqueLimit);
  const { current } = compound;
  if (compound.minorVersion === 0) {
    const refused = compound.actAs(...clientId);
    if (refused !== undefined) return refused;
  }
  if (current === undefined) return Status.NOFILEHANDLE;
  if (current.type !== "file") return current.type === "directory" ? Status.ISDIR : Status.INVAL;
  if (!isLockType(type)) return Status.INVAL;
  if (range === undefined) return Status.INVAL;
  if (compound.state.inGrace()) return Status.GRACE;
  const owner = lockOwnerName(compound.client, lockOwner);
  const exclusive = type === LockType.write || type === LockType.writeBlocking;
  const request = { ...range, owner, exclusive };
  let standing = compound.files.locks.conflict(current.number, request);
  while (standing !== undefined && releaseExpired(compound, current.number, standing)) {
    standing = compound.files.locks.conflict(current.number, request);
  }
  if (standing === undefined) return Status.OK;
  encodeDenied(compound, standing);
  return Status.DENIED;
}

export function unlock(compound: Compound): StatusCode {
  const { reader } = compound;
  reader.uint32();
  const seqid = reader.uint32();
  const given = decodeStateid(reader);
  const range = decodeLockRange(reader);
  return inSequenceOf(compound, given, "lock", {
    operation: Operation.LOCKU,
    seqid,
    work: () => unlockNamed(compound, given, range),
  });
}

function unlockNamed(compound: Compound, given: Stateid, range: LockRange | undefined): StatusCode {
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  const found = compound.find(given);
  if (typeof found === "number") return found;
  const isHere = found.kind === "lock" && found.open.inode === compound.current;
  if (!isHere) return Status.BAD_STATEID;
  if (range === undefined) return Status.INVAL;
  compound.files.locks.unlock(found.open.inode.number, found.owner, range);
  compound.state.countLocked(found);
  found.seqid = nextSeqid(found.seqid);
  const stateid = compound.stateidOf(found);
  encodeStateid(compound.writer, stateid);
  compound.currentStateid = stateid;
  return Status.OK;
}

export function testStateids(compound: Compound): StatusCode {
  const stateids = compound.reader.array(stateidsLimit, decodeStateid);
  compound.writer.array(stateids, (writer, stateid) => {
    // The current one, which SEQUENCE has just cleared, is none to test (§8.2.3).
    const isCurrent = sameStateid(stateid, currentStateid);
    const found = isCurrent ? Status.BAD_STATEID : compound.find(stateid);
    writer.uint32(typeof found === "number" ? found : Status.OK);
  });
  return Status.OK;
}

export function freeStateid(compound: Compound): StatusCode {
  const found = compound.find(decodeStateid(compound.reader));
  if (typeof found === "number") return found;
  if (found.kind === "open") return Status.LOCKS_HELD;
  const held = compound.files.locks.holds(found.open.inode.number, found.owner);
  if (held) return Status.LOCKS_HELD;
  compound.state.freeLock(found);
  return Status.OK;
}

function isLockType(type: number): boolean {
  return type >= LockType.read && type <= LockType.writeBlocking;
}

function encodeDenied(compound: Compound, held: HeldLock): void {
  const { writer, state } = compound;
  const { clientNumber, lockOwner } = lockOwnerParts(held.owner);
  encodeLockRange(writer, held);
  writer.uint32(held.exclusive ? LockType.write : LockType.read);
  writer.uint32(state.instance);
  writer.uint32(clientNumber);
  writer.byteString(lockOwner);
}
