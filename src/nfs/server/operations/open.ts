// OPEN, CLOSE, OPEN_DOWNGRADE (RFC 8881 §18.16, §18.2, §18.18), OPEN_CONFIRM (RFC 7530 §16.18).
import { failed } from "../../../files/failure.ts";
import { AccessBit, type AttributeChange, type Inode } from "../../../files/file-system.ts";
import {
  Attribute,
  type Bitmap,
  bitmapOf,
  decodeSettable,
  encodeBitmap,
  type SettableAttributes,
} from "../../../wire/nfs4/attributes.ts";
import {
  CreateMode,
  Delegation,
  OpenClaim,
  OpenResult,
  Operation,
  OpenType,
  opaqueLimit,
  ShareAccess,
  shareAccessMask,
  shareAccessKnown,
  shareAccessWantHighest,
  shareAccessWantMask,
} from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import {
  anonymousStateid,
  decodeStateid,
  encodeStateid,
  nextSeqid,
  type Stateid,
} from "../../../wire/nfs4/stateid.ts";
import { XdrError, type XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import { canSetExclusively } from "../attributes.ts";
import { type Compound, statusOf } from "../compound.ts";
import { decodeName } from "../names.ts";
import { attributeChange, refuseUnsettable } from "./attributes.ts";
import type { Open } from "../state/client.ts";
import { encodeChange } from "./names.ts";
import { inSequence, inSequenceOf } from "./sequenced.ts";

interface CreateHow {
  readonly mode: number;
  readonly attributes: SettableAttributes;
  readonly bitmap: Bitmap;
  readonly unsupported: boolean;
  readonly readOnly: boolean;
  readonly verifier: { readonly high: number; readonly low: number } | undefined;
}

interface OpenArguments {
  readonly seqid: number;
  readonly access: number;
  /** Bits of share_access that say nothing to this minor version. */
  readonly unknown: number;
  readonly deny: number;
  /** Two words; NFSv4.1 ignores it, the session says who it is. */
  readonly clientId: readonly [number, number];
  readonly owner: string;
  readonly how: CreateHow | undefined;
  readonly claim: number;
  readonly name: string | StatusCode | undefined;
}

function decodeOpen({ reader, minorVersion }: Compound): OpenArguments {
  const seqid = reader.uint32();
  const share = reader.uint32();
  const deny = reader.uint32();
  const clientId = [reader.uint32(), reader.uint32()] as const;
  const owner = reader.byteString(opaqueLimit);
  const openType = reader.uint32();
  if (openType > OpenType.create) throw new XdrError(`opentype4 is ${openType}`);
  const how = openType === OpenType.create ? decodeCreateHow(reader) : undefined;
  const claim = reader.uint32();
  if (claim > highestClaim[minorVersion]) throw new XdrError(`open_claim_type4 is ${claim}`);
  let name: string | StatusCode | undefined;
  if (claim === OpenClaim.null) name = decodeName(reader);
  else if (claim === OpenClaim.previous) reader.uint32();
  const access = share & shareAccessMask;
  const unknown = unknownShareAccess(share, minorVersion);
  return { seqid, access, unknown, deny, clientId, owner, how, claim, name };
}

/** NFSv4.1 may say what it would like about delegations, of which there are none. */
function unknownShareAccess(share: number, minorVersion: 0 | 1): number {
  if (minorVersion === 0) return share & ~shareAccessMask;
  const want = share & shareAccessWantMask;
  return want > shareAccessWantHighest ? want : share & ~shareAccessKnown;
}

function decodeCreateHow(reader: XdrReader): CreateHow {
  const mode = reader.uint32();
  if (mode > CreateMode.exclusive41) throw new XdrError(`createmode4 is ${mode}`);
  let verifier: CreateHow["verifier"];
  if (mode === CreateMode.exclusive || mode === CreateMode.exclusive41) {
    const [high, low] = [reader.uint32(), reader.uint32()];
    // An inode with zeros was not made exclusively: a verifier of zeros is kept as another one.
    verifier = { high, low: high === 0 && low === 0 ? 1 : low };
  }
  if (mode === CreateMode.exclusive) {
    return { mode, attributes: {}, bitmap: [], unsupported: false, readOnly: false, verifier };
  }
  return { mode, ...decodeSettable(reader), verifier };
}

/** What OPEN leads to: the file, what happened to its directory, which attributes were set. */
interface Opened {
  readonly inode: Inode;
  readonly created: boolean;
  readonly before: number;
  readonly after: number;
  readonly set: Bitmap;
}

export function open(compound: Compound): StatusCode {
  const wanted = decodeOpen(compound);
  if (compound.minorVersion === 1) return openWanted(compound, wanted);
  const refused = compound.actAs(...wanted.clientId);
  if (refused !== undefined) return refused;
  const owner = compound.owner("open", wanted.owner);
  // An owner that was never confirmed may begin anew with any seqid (RFC 7530 §16.18.5).
  if (!owner.confirmed && wanted.seqid !== owner.sequence) {
    compound.state.closeAll(compound.client, wanted.owner);
    owner.sequence = undefined;
  }
  return inSequence(compound, owner, {
    operation: Operation.OPEN,
    seqid: wanted.seqid,
    work: () => openWanted(compound, wanted),
  });
}

function openWanted(compound: Compound, wanted: OpenArguments): StatusCode {
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  const refused = refuseOpen(compound, wanted);
  if (refused !== undefined) return refused;
  const opened =
    wanted.claim === OpenClaim.null
      ? openByName(compound, current, wanted)
      : { inode: current, created: false, before: 0, after: 0, set: [] };
  if (typeof opened === "number") return opened;
  const { inode } = opened;
  if (inode.type !== "file") return openedWrongType(compound, inode);
  // Its owner may have it open although its mode says no, as whoever made it has (§18.16.3).
  const isOwnAgain = wanted.claim === OpenClaim.previous && compound.caller.uid === inode.uid;
  if (!opened.created && !isOwnAgain) {
    const denied = refuseAccess(compound, inode, wanted);
    if (denied !== undefined) return denied;
  }
  const held = compound.state.open(compound.client, {
    owner: wanted.owner,
    uid: compound.caller.uid,
    inode,
    access: wanted.access,
  });
  if (held === undefined) return Status.DQUOT;
  compound.grantsState = true;
  const { writer } = compound;
  const stateid = compound.stateidOf(held);
  encodeStateid(writer, stateid);
  encodeChange(writer, opened.before, opened.after);
  const confirm = mustConfirm(compound, held, wanted.claim) ? OpenResult.confirm : 0;
  writer.uint32(OpenResult.lockTypePosix | confirm);
  encodeBitmap(writer, opened.set);
  // Whatever was wanted: EFS gives no delegations, and no reasons (facts §2.5).
  writer.uint32(Delegation.none);
  compound.current = inode;
  compound.currentStateid = stateid;
  return Status.OK;
}

const highestClaim: Record<0 | 1, number> = {
  0: OpenClaim.delegatePrevious,
  1: OpenClaim.delegatePreviousHandle,
};
/** The others are about delegations (facts §2.5). */
const servedClaims: Record<0 | 1, readonly number[]> = {
  0: [OpenClaim.null, OpenClaim.previous],
  1: [OpenClaim.null, OpenClaim.previous, OpenClaim.fileHandle],
};

function mustConfirm(compound: Compound, held: Open, claim: number): boolean {
  if (compound.minorVersion === 1) return false;
  const owner = compound.owner("open", held.owner);
  // Nobody is asked to confirm what it reclaims (RFC 7530 §9.1.11).
  if (claim === OpenClaim.previous) owner.confirmed = true;
  if (owner.confirmed) compound.state.record(compound.client);
  return !owner.confirmed;
}

function refuseOpen(compound: Compound, wanted: OpenArguments): StatusCode | undefined {
  const { claim, access, unknown, deny, how, name } = wanted;
  if (!servedClaims[compound.minorVersion].includes(claim)) return Status.NOTSUPP;
  if (access === 0 || unknown !== 0 || deny > 3) return Status.INVAL;
  // Only a name can be created.
  if (how !== undefined && claim !== OpenClaim.null) return Status.INVAL;
  if (deny !== 0) return Status.NOTSUPP;
  const inGrace = compound.state.inGrace();
  const reclaims = claim === OpenClaim.previous;
  if (reclaims && !compound.state.mayReclaim(compound.client)) return Status.NO_GRACE;
  if (!reclaims && inGrace) return Status.GRACE;
  if (!reclaims && !compound.client.reclaimComplete) return Status.GRACE;
  if (typeof name === "number") return name;
  const changes = how !== undefined || (access & ShareAccess.write) !== 0;
  return changes ? compound.refuseWrite() : undefined;
}

function openByName(
  compound: Compound,
  directory: Inode,
  wanted: OpenArguments,
): Opened | StatusCode {
  if (directory.type !== "directory") {
    return directory.type === "symlink" ? Status.SYMLINK : Status.NOTDIR;
  }
  const { files, caller } = compound;
  const { how } = wanted;
  const name = wanted.name as string;
  const before = directory.change;
  if (how === undefined) {
    const found = files.lookup(caller, directory, name);
    if (failed(found)) return statusOf(found);
    return { inode: found, created: false, before, after: before, set: [] };
  }
  const change = attributesWanted(how);
  if (typeof change === "number") {
    const found = files.lookup(caller, directory, name);
    return failed(found) && found.code !== "ENOENT" ? statusOf(found) : change;
  }
  const { mode, ...attributes } = change;
  const made = files.create(caller, directory, name, {
    type: "file",
    mode: mode ?? (how.mode === CreateMode.exclusive ? 0 : 0o644),
    attributes,
    ...(how.verifier && { verifier: how.verifier }),
  });
  if (!failed(made)) {
    return { inode: made, created: true, before, after: directory.change, set: how.bitmap };
  }
  if (made.code !== "EEXIST") return statusOf(made);
  const found = files.lookup(caller, directory, name);
  if (failed(found)) return statusOf(found);
  return openExisting(compound, directory, found, how, change, wanted);
}

/** Which attributes a new file is to have, or why it can't have them. */
function attributesWanted(how: CreateHow): AttributeChange | StatusCode {
  const unsettable = refuseUnsettable(how);
  if (unsettable !== undefined) return unsettable;
  if (how.mode === CreateMode.exclusive41 && !canSetExclusively(how.bitmap)) return Status.INVAL;
  return attributeChange(how.attributes);
}

function openExisting(
  compound: Compound,
  directory: Inode,
  inode: Inode,
  how: CreateHow,
  change: AttributeChange,
  wanted: OpenArguments,
): Opened | StatusCode {
  const found = { inode, before: directory.change, after: directory.change, set: [] };
  if (how.mode === CreateMode.guarded) return Status.EXIST;
  if (how.verifier !== undefined) {
    const { high, low } = how.verifier;
    const again = inode.verifierHigh === high && inode.verifierLow === low;
    // Whoever made it asks again, and need not have the rights for it (§18.16.3).
    const created = compound.caller.uid === inode.uid;
    return again ? { ...found, created, set: how.bitmap } : Status.EXIST;
  }
  if (change.size !== 0 || inode.type !== "file") return { ...found, created: false };
  const denied = refuseAccess(compound, inode, { access: wanted.access | ShareAccess.write });
  if (denied !== undefined) return denied;
  const outcome = compound.files.setAttributes(compound.caller, inode, { size: 0, opened: true });
  if (failed(outcome)) return statusOf(outcome);
  return { ...found, created: false, set: bitmapOf([Attribute.size]) };
}

function openedWrongType({ minorVersion }: Compound, inode: Inode): StatusCode {
  if (inode.type === "directory") return Status.ISDIR;
  return inode.type === "symlink" || minorVersion === 0 ? Status.SYMLINK : Status.WRONG_TYPE;
}

/** A program may be opened for reading by whoever may run it: its pages have to be read. */
function refuseAccess(
  compound: Compound,
  inode: Inode,
  { access }: { access: number },
): StatusCode | undefined {
  const bits = AccessBit.read | AccessBit.modify | AccessBit.execute;
  const granted = compound.files.access(compound.caller, inode, bits);
  const mayRead = (granted & (AccessBit.read | AccessBit.execute)) !== 0;
  if ((access & ShareAccess.read) !== 0 && !mayRead) return Status.ACCESS;
  const mayWrite = (granted & AccessBit.modify) !== 0;
  return (access & ShareAccess.write) !== 0 && !mayWrite ? Status.ACCESS : undefined;
}

export function close(compound: Compound): StatusCode {
  const seqid = compound.reader.uint32();
  const given = decodeStateid(compound.reader);
  return inSequenceOf(compound, given, "open", {
    operation: Operation.CLOSE,
    seqid,
    work: () => closeNamed(compound, given),
  });
}

function closeNamed(compound: Compound, given: Stateid): StatusCode {
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  const found = compound.find(given);
  if (typeof found === "number") return found;
  if (found.kind !== "open" || found.inode !== compound.current) return Status.BAD_STATEID;
  const { locks } = compound.files;
  for (const lock of found.locks ?? []) {
    if (locks.holds(found.inode.number, lock.owner)) return Status.LOCKS_HELD;
  }
  if (compound.minorVersion === 0) compound.owner("open", found.owner).closed = found.number;
  compound.state.close(found);
  // A stateid that nobody can use (RFC 8881 §18.2.4).
  encodeStateid(compound.writer, invalidStateid);
  compound.currentStateid = anonymousStateid;
  return Status.OK;
}

const invalidStateid = {
  seqid: 0xffff_ffff,
  other0: 0,
  other1: 0,
  other2: 0,
};

export function downgrade(compound: Compound): StatusCode {
  const given = decodeStateid(compound.reader);
  const seqid = compound.reader.uint32();
  const access = compound.reader.uint32() & shareAccessMask;
  const deny = compound.reader.uint32();
  return inSequenceOf(compound, given, "open", {
    operation: Operation.OPEN_DOWNGRADE,
    seqid,
    work: () => downgradeNamed(compound, given, access, deny),
  });
}

function downgradeNamed(
  compound: Compound,
  given: Stateid,
  access: number,
  deny: number,
): StatusCode {
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  const found = compound.find(given);
  if (typeof found === "number") return found;
  if (found.kind !== "open" || found.inode !== compound.current) return Status.BAD_STATEID;
  if (access === 0 || deny !== 0) return Status.INVAL;
  const kept = found.opened.filter((opened) => (opened & ~access) === 0);
  const union = kept.reduce((all, opened) => all | opened, 0);
  // It has to be what some of the opens together asked for (§18.18.3).
  if (union !== access) return Status.INVAL;
  found.access = access;
  found.opened = kept;
  found.seqid = nextSeqid(found.seqid);
  const stateid = compound.stateidOf(found);
  encodeStateid(compound.writer, stateid);
  compound.currentStateid = stateid;
  return Status.OK;
}

/** NFSv4.0: the owner has shown that its first OPEN was no retransmission of somebody before. */
export function confirmOpen(compound: Compound): StatusCode {
  const given = decodeStateid(compound.reader);
  const seqid = compound.reader.uint32();
  return inSequenceOf(compound, given, "open", {
    operation: Operation.OPEN_CONFIRM,
    seqid,
    work: () => {
      const { current, client, state } = compound;
      if (current === undefined) return Status.NOFILEHANDLE;
      const found = compound.findUnconfirmed(given);
      if (typeof found === "number") return found;
      if (found.kind !== "open" || found.inode !== current) return Status.BAD_STATEID;
      const owner = compound.owner("open", found.owner);
      if (owner.confirmed) return Status.BAD_STATEID;
      owner.confirmed = true;
      state.record(client);
      compound.grantsState = true;
      found.seqid = nextSeqid(found.seqid);
      encodeStateid(compound.writer, compound.stateidOf(found));
      return Status.OK;
    },
  });
}
