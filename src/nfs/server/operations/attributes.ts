// ACCESS, GETATTR, SETATTR, VERIFY, NVERIFY (RFC 8881 §18.1, §18.7, §18.30, §18.31, §18.15).
import { failed } from "../../../files/failure.ts";
import type { AttributeChange } from "../../../files/file-system.ts";
import {
  Attribute,
  decodeBitmap,
  type DecodedSettable,
  decodeSettable,
  encodeBitmap,
  hasAttribute,
  isWithin,
  type SettableAttributes,
} from "../../../wire/nfs4/attributes.ts";
import { ShareAccess } from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import { decodeStateid, isSpecial, type Stateid } from "../../../wire/nfs4/stateid.ts";
import { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import { asksForWriteOnly, encodeAttributes, supportedBitmap } from "../attributes.ts";
import { type Compound, statusOf } from "../compound.ts";

const accessBits = 0x3f;
const ownerPattern = /^\d{1,10}$/;
const highestId = 0xffff_ffff;

export function access(compound: Compound): StatusCode {
  const wanted = compound.reader.uint32();
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  const isDirectory = compound.current.type === "directory";
  // Executing is for files, searching and deleting for directories (§18.1.3).
  const supported = wanted & accessBits & (isDirectory ? ~0x20 : ~(0x02 | 0x10));
  compound.writer.uint32(supported);
  let granted = compound.files.access(compound.caller, compound.current, supported);
  if (!compound.grant.permissions.write) granted &= ~(0x04 | 0x08 | 0x10);
  compound.writer.uint32(granted);
  return Status.OK;
}

export function getAttributes(compound: Compound): StatusCode {
  const wanted = decodeBitmap(compound.reader);
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  if (asksForWriteOnly(wanted)) return Status.INVAL;
  encodeAttributes(compound.writer, wanted, compound, compound.current);
  return Status.OK;
}

/** The result has a bitmap whatever the status is; the driver keeps it. */
export function setAttributes(compound: Compound): StatusCode {
  const stateid = decodeStateid(compound.reader);
  const settable = decodeSettable(compound.reader);
  const status = trySetAttributes(compound, stateid, settable);
  encodeBitmap(compound.writer, status === Status.OK ? settable.bitmap : []);
  return status;
}

function trySetAttributes(
  compound: Compound,
  stateid: Stateid,
  settable: DecodedSettable,
): StatusCode {
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  const refused = refuseUnsettable(settable) ?? compound.refuseWrite();
  if (refused !== undefined) return refused;
  const change = attributeChange(settable.attributes);
  if (typeof change === "number") return change;
  let opened = false;
  if (change.size !== undefined && !isSpecial(compound.effective(stateid))) {
    const found = compound.find(stateid);
    if (typeof found === "number") return found;
    const open = found.kind === "lock" ? found.open : found;
    // What is open for writing gives no right to another file (§8.2.4).
    if (open.inode !== current) return Status.BAD_STATEID;
    if ((open.access & ShareAccess.write) === 0) return Status.OPENMODE;
    opened = true;
  }
  const outcome = compound.files.setAttributes(compound.caller, current, { ...change, opened });
  return failed(outcome) ? statusOf(outcome) : Status.OK;
}

/** Attributes that only can be read are another mistake than those that there aren't. */
export function refuseUnsettable(settable: {
  readonly unsupported: boolean;
  readonly readOnly: boolean;
}): StatusCode | undefined {
  if (!settable.unsupported) return undefined;
  return settable.readOnly ? Status.INVAL : Status.ATTRNOTSUPP;
}

/** Numeric owners only, as AUTH_SYS clients send them (RFC 8881 §5.9). */
export function attributeChange(attributes: SettableAttributes): AttributeChange | StatusCode {
  const { owner, ownerGroup, ...rest } = attributes;
  if (rest.mode !== undefined && rest.mode > 0o7777) return Status.INVAL;
  if (!isTime(rest.accessTime) || !isTime(rest.modifyTime)) return Status.INVAL;
  if (owner === "" || ownerGroup === "") return Status.INVAL;
  const uid = owner === undefined ? undefined : idOf(owner);
  const gid = ownerGroup === undefined ? undefined : idOf(ownerGroup);
  if (uid === null || gid === null) return Status.BADOWNER;
  return { ...rest, ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) };
}

function isTime(time: SettableAttributes["accessTime"]): boolean {
  return time === undefined || time === "now" || time.nanoseconds < 1_000_000_000;
}

function idOf(owner: string): number | null {
  const id = ownerPattern.test(owner) ? Number(owner) : NaN;
  return id <= highestId ? id : null;
}

export function verify(compound: Compound): StatusCode {
  const same = comparesSame(compound);
  if (typeof same === "number") return same;
  return same ? Status.OK : Status.NOT_SAME;
}

export function verifyDifferent(compound: Compound): StatusCode {
  const same = comparesSame(compound);
  if (typeof same === "number") return same;
  return same ? Status.SAME : Status.OK;
}

function comparesSame(compound: Compound): boolean | StatusCode {
  const { reader } = compound;
  const bitmap = decodeBitmap(reader);
  const values = reader.opaque(compound.requestLength);
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  // An error of READDIR's is nothing to compare with (RFC 8881 §18.31.3).
  if (asksForWriteOnly(bitmap) || hasAttribute(bitmap, Attribute.readdirError)) return Status.INVAL;
  if (!isWithin(bitmap, supportedBitmap[compound.minorVersion])) return Status.ATTRNOTSUPP;
  const own = new XdrWriter(256);
  encodeBitmap(own, bitmap);
  const start = own.length + 4;
  own.length = 0;
  encodeAttributes(own, bitmap, compound, compound.current);
  return Buffer.compare(own.written(start), values) === 0;
}
