// LOCK, LOCKT, LOCKU, TEST_STATEID, FREE_STATEID (RFC 8881 §18.10 to §18.12, §18.48, §18.38).
import type { HeldLock, LockRange } from "../../../files/locks.ts";
import { LockType, opaqueLimit, Operation, ShareAccess } from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import { decodeStateid, encodeStateid, type Stateid } from "../../../wire/nfs4/stateid.ts";
import type { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import type { Compound } from "../compound.ts";
import type { Lock } from "../state/client.ts";
import { lockOwnerName, lockOwnerParts } from "../state/file-system-state.ts";
import { inSequence, inSequenceOf } from "./sequenced.ts";

const stateidsLimit = 1024;

export function lock(compound: Compound): StatusCode {
  const { reader } = compound;
  const type = reader.uint32();
  const reclaim = reader.boolean();
  const range = decodeRange(reader);
  const isNewOwner = reader.boolean();
  const openSeqid = isNewOwner ? reader.uint32() : 0;
  const given = decodeStateid(reader);
  const lockSeqid = reader.uint32();
  let lockOwner = "";
  if (isNewOwner) {
    reader.skip(8);
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
    const owner = compound.owner("lock", lockOwner);
    // A lock owner that begins begins with the seqid that it brings.
    if (!compound.holdsLocks(lockOwner)) owner.sequence = undefined;
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
  if (type < LockType.read || type > LockType.writeBlocking) return Status.INVAL;
  if (range === undefined) return Status.INVAL;
  const found = compound.find(given);
  if (typeof found === "number") return found;
  const inGrace = state.inGrace();
  if (reclaim && !(inGrace && compound.client.mayReclaim)) return Status.NO_GRACE;
  if (!reclaim && inGrace) return Status.GRACE;
  if (isNewOwner !== (found.kind === "open")) return Status.BAD_STATEID;
  const open = found.kind === "open" ? found : found.open;
  if (open.inode !== current) return Status.BAD_STATEID;
  const exclusive = type === LockType.write || type === LockType.writeBlocking;
  const needed = exclusive ? ShareAccess.write : ShareAccess.read;
  if ((open.access & needed) === 0) return Status.OPENMODE;
  const owned = found.kind === "lock" ? found : state.lockOf(open, lockOwner);
  return takeLock(compound, owned, range, exclusive);
}

function takeLock(
  compound: Compound,
  owned: Lock,
  range: LockRange,
  exclusive: boolean,
): StatusCode {
  const { files, state } = compound;
  const request = { ...range, owner: owned.owner, exclusive };
  let standing = files.locks.lock(owned.open.inode.number, request);
  while (standing !== undefined && standing !== "limit") {
    if (!releaseExpired(compound, owned.open.inode.number, standing)) break;
    standing = files.locks.lock(owned.open.inode.number, request);
  }
  if (standing === undefined) {
    owned.seqid += 1;
    const stateid = compound.stateidOf(owned);
    encodeStateid(compound.writer, stateid);
    compound.currentStateid = stateid;
    return Status.OK;
  }
  if (owned.seqid === 0) state.freeLock(owned);
  if (standing === "limit") return Status.RESOURCE;
  encodeDenied(compound, standing);
  return Status.DENIED;
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
  const range = decodeRange(reader);
  const clientId = [reader.uint32(), reader.uint32()] as const;
  const lockOwner = reader.byteString(opaqueLimit);
  const { current } = compound;
  if (compound.minorVersion === 0) {
    const refused = compound.actAs(...clientId);
    if (refused !== undefined) return refused;
  }
  if (current === undefined) return Status.NOFILEHANDLE;
  if (current.type !== "file") return current.type === "directory" ? Status.ISDIR : Status.INVAL;
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
  const range = decodeRange(reader);
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
  if (found.kind !== "lock") return Status.BAD_STATEID;
  if (range === undefined) return Status.INVAL;
  compound.files.locks.unlock(found.open.inode.number, found.owner, range);
  found.seqid += 1;
  const stateid = compound.stateidOf(found);
  encodeStateid(compound.writer, stateid);
  compound.currentStateid = stateid;
  return Status.OK;
}

export function testStateids(compound: Compound): StatusCode {
  const stateids = compound.reader.array(stateidsLimit, decodeStateid);
  compound.writer.array(stateids, (writer, stateid) => {
    const found = compound.find(stateid);
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

/** offset4 and length4; undefined where the length is zero or goes past 2^64 (§18.10.3). */
function decodeRange(reader: XdrReader): LockRange | undefined {
  const start = reader.uint64OrInfinity();
  const length = reader.uint64OrInfinity();
  if (length === 0 || start === Infinity) return undefined;
  return { start, end: start + length };
}

function encodeDenied(compound: Compound, held: HeldLock): void {
  const { writer, state } = compound;
  const { clientNumber, lockOwner } = lockOwnerParts(held.owner);
  writer.uint64(held.start);
  writer.uint64(held.end === Infinity ? Infinity : held.end - held.start);
  writer.uint32(held.exclusive ? LockType.write : LockType.read);
  writer.uint32(state.instance);
  writer.uint32(clientNumber);
  writer.byteString(lockOwner);
}
