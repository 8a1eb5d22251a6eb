// OPEN, CLOSE, OPEN_DOWNGRADE (RFC 8881 §18.16, §18.2, §18.18).
import { failed } from "../../../files/failure.ts";
import { AccessBit, type AttributeChange, type Inode } from "../../../files/file-system.ts";
import {
  type Bitmap,
  decodeSettable,
  encodeBitmap,
  type SettableAttributes,
} from "../../../wire/nfs4/attributes.ts";
import {
  CreateMode,
  delegationNone,
  OpenClaim,
  openResultLockTypePosix,
  OpenType,
  opaqueLimit,
  ShareAccess,
  shareAccessMask,
} from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import { anonymousStateid, decodeStateid, encodeStateid } from "../../../wire/nfs4/stateid.ts";
import type { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import { type Compound, statusOf } from "../compound.ts";
import { decodeName } from "../names.ts";
import { attributeChange } from "./attributes.ts";
import { encodeChange } from "./names.ts";

interface CreateHow {
  readonly mode: number;
  readonly attributes: SettableAttributes;
  readonly bitmap: Bitmap;
  readonly unsupported: boolean;
  readonly verifier: { readonly high: number; readonly low: number } | undefined;
}

interface OpenArguments {
  readonly access: number;
  readonly deny: number;
  readonly owner: string;
  readonly how: CreateHow | undefined;
  readonly claim: number;
  readonly name: string | StatusCode | undefined;
}

function decodeOpen(reader: XdrReader): OpenArguments {
  reader.uint32();
  const access = reader.uint32() & shareAccessMask;
  const deny = reader.uint32();
  reader.skip(8);
  const owner = reader.byteString(opaqueLimit);
  const how = reader.uint32() === OpenType.create ? decodeCreateHow(reader) : undefined;
  const claim = reader.uint32();
  let name: string | StatusCode | undefined;
  if (claim === OpenClaim.null) name = decodeName(reader);
  else if (claim === OpenClaim.previous) reader.uint32();
  return { access, deny, owner, how, claim, name };
}

function decodeCreateHow(reader: XdrReader): CreateHow {
  const mode = reader.uint32();
  let verifier: CreateHow["verifier"];
  if (mode === CreateMode.exclusive || mode === CreateMode.exclusive41) {
    verifier = { high: reader.uint32(), low: reader.uint32() };
  }
  if (mode === CreateMode.exclusive) {
    return { mode, attributes: {}, bitmap: [], unsupported: false, verifier };
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
  const wanted = decodeOpen(compound.reader);
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
  if (inode.type !== "file") return openedWrongType(inode);
  if (!opened.created) {
    const denied = refuseAccess(compound, inode, wanted);
    if (denied !== undefined) return denied;
  }
  const held = compound.state.open(compound.client, wanted.owner, inode, wanted.access);
  if (held === undefined) return Status.RESOURCE;
  const { writer } = compound;
  const stateid = compound.stateidOf(held);
  encodeStateid(writer, stateid);
  encodeChange(writer, opened.before, opened.after);
  writer.uint32(openResultLockTypePosix);
  encodeBitmap(writer, opened.set);
  writer.uint32(delegationNone);
  compound.current = inode;
  compound.currentStateid = stateid;
  return Status.OK;
}

function refuseOpen(compound: Compound, wanted: OpenArguments): StatusCode | undefined {
  const { claim, access, deny, how, name } = wanted;
  const served: readonly number[] = [OpenClaim.null, OpenClaim.previous, OpenClaim.fileHandle];
  if (!served.includes(claim)) return Status.NOTSUPP;
  if (access === 0 || deny > 3) return Status.INVAL;
  if (deny !== 0) return Status.NOTSUPP;
  const inGrace = compound.state.inGrace();
  const reclaims = claim === OpenClaim.previous;
  if (reclaims && !(inGrace && compound.client.mayReclaim)) return Status.NO_GRACE;
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
  const { how } = wanted;
  const name = wanted.name as string;
  const before = directory.change;
  const found = compound.files.lookup(compound.caller, directory, name);
  if (failed(found) && (how === undefined || found.code !== "ENOENT")) return statusOf(found);
  if (how === undefined) {
    return { inode: found as Inode, created: false, before, after: before, set: [] };
  }
  if (how.unsupported) return Status.ATTRNOTSUPP;
  const change = attributeChange(how.attributes);
  if (typeof change === "number") return change;
  if (!failed(found)) return openExisting(compound, directory, found, how, change, wanted);
  const { mode, ...attributes } = change;
  const made = compound.files.create(compound.caller, directory, name, {
    type: "file",
    mode: mode ?? (how.mode === CreateMode.exclusive ? 0 : 0o644),
    attributes,
    ...(how.verifier && { verifier: how.verifier }),
  });
  if (failed(made)) return statusOf(made);
  return { inode: made, created: true, before, after: directory.change, set: how.bitmap };
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
    // The same client asks again for what it made; it need not have the rights for it (§18.16.3).
    return again ? { ...found, created: true, set: how.bitmap } : Status.EXIST;
  }
  if (change.size !== 0 || inode.type !== "file") return { ...found, created: false };
  const denied = refuseAccess(compound, inode, { access: wanted.access | ShareAccess.write });
  if (denied !== undefined) return denied;
  const outcome = compound.files.setAttributes(compound.caller, inode, { size: 0, opened: true });
  if (failed(outcome)) return statusOf(outcome);
  return { ...found, created: false, set: how.bitmap };
}

function openedWrongType(inode: Inode): StatusCode {
  if (inode.type === "directory") return Status.ISDIR;
  return inode.type === "symlink" ? Status.SYMLINK : Status.WRONG_TYPE;
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
  compound.reader.uint32();
  const given = decodeStateid(compound.reader);
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  const found = compound.find(given);
  if (typeof found === "number") return found;
  if (found.kind !== "open") return Status.BAD_STATEID;
  const { locks } = compound.files;
  for (const lock of found.locks.values()) {
    if (locks.holds(found.inode.number, lock.owner)) return Status.LOCKS_HELD;
  }
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
  compound.reader.uint32();
  const access = compound.reader.uint32() & shareAccessMask;
  const deny = compound.reader.uint32();
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  const found = compound.find(given);
  if (typeof found === "number") return found;
  if (found.kind !== "open") return Status.BAD_STATEID;
  if (access === 0 || deny !== 0 || (access & ~found.access) !== 0) return Status.INVAL;
  found.access = access;
  found.seqid += 1;
  const stateid = compound.stateidOf(found);
  encodeStateid(compound.writer, stateid);
  compound.currentStateid = stateid;
  return Status.OK;
}
