// READ, WRITE, COMMIT (RFC 8881 §18.22, §18.32, §18.3).
import { failed, type Failure } from "../../../files/failure.ts";
import { AccessBit, type Inode } from "../../../files/file-system.ts";
import { ShareAccess, Stable } from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import { decodeStateid, isSpecial, type Stateid } from "../../../wire/nfs4/stateid.ts";
import { padding } from "../../../wire/xdr/xdr-reader.ts";
import { type Compound, mayUse, type Outcome, statusOf, wrongType } from "../compound.ts";
import { transferLimit } from "../limits.ts";

export function read(compound: Compound): Outcome {
  const { reader, writer } = compound;
  const stateid = decodeStateid(reader);
  const offset = reader.uint64OrInfinity();
  const count = Math.min(reader.uint32(), transferLimit);
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  const refused = refuseContents(compound, current, stateid, ShareAccess.read);
  if (refused !== undefined) return refused;
  const length = Math.max(0, Math.min(count, current.size - offset));
  writer.boolean(offset + length >= current.size);
  writer.uint32(length);
  if (length === 0) return Status.OK;
  const target = writer.room(length + padding(length));
  if (length < target.length) target.fill(0, length);
  const filled = compound.files.read(current, offset, target.subarray(0, length));
  return typeof filled === "number" ? Status.OK : filled.then(() => Status.OK);
}

export function write(compound: Compound): Outcome {
  const { reader } = compound;
  const stateid = decodeStateid(reader);
  const offset = reader.uint64OrInfinity();
  const stable = reader.uint32();
  const bytes = reader.opaque(transferLimit);
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  if (stable > Stable.fileSync) return Status.BADXDR;
  const refused =
    compound.refuseWrite() ?? refuseContents(compound, current, stateid, ShareAccess.write);
  if (refused !== undefined) return refused;
  const isStable = stable !== Stable.unstable;
  const written = compound.files.write(compound.caller, current, offset, bytes, isStable);
  if (written instanceof Promise) {
    return written.then((count) => answerWrite(compound, current, stable, count));
  }
  return answerWrite(compound, current, stable, written);
}

function answerWrite(
  compound: Compound,
  inode: Inode,
  stable: number,
  written: number | Failure,
): StatusCode {
  if (failed(written)) return statusOf(written);
  if (stable !== Stable.unstable) compound.commits.push(inode);
  compound.writer.uint32(written);
  compound.writer.uint32(stable === Stable.unstable ? Stable.unstable : Stable.fileSync);
  compound.writer.fixedOpaque(compound.bootVerifier);
  return Status.OK;
}

export function commit(compound: Compound): StatusCode {
  const offset = compound.reader.uint64OrInfinity();
  const count = compound.reader.uint32();
  const { current } = compound;
  if (current === undefined) return Status.NOFILEHANDLE;
  if (current.type !== "file") return notFile(compound, current);
  if (offset + count >= 2 ** 64) return Status.INVAL;
  compound.commits.push(current);
  compound.writer.fixedOpaque(compound.bootVerifier);
  return Status.OK;
}

/** Whether the stateid, or for a special one the permissions, let the contents be used. */
function refuseContents(
  compound: Compound,
  inode: Inode,
  given: Stateid,
  access: number,
): StatusCode | undefined {
  if (inode.type !== "file") return notFile(compound, inode);
  if (isSpecial(compound.effective(given))) return refuseUser(compound, inode, access);
  const found = compound.find(given);
  if (typeof found === "number") return found;
  const open = found.kind === "lock" ? found.open : found;
  if (open.inode !== inode) return Status.BAD_STATEID;
  if ((open.access & access) === 0) {
    // Clients read around what they write; whoever may read the file is let (§9.1.2).
    const isReading = access === ShareAccess.read;
    const mayRead = isReading && refuseUser(compound, inode, access) === undefined;
    return mayRead ? undefined : Status.OPENMODE;
  }
  // Somebody else's stateid gives no right that one doesn't have (RFC 7530 §16.36.5).
  return open.uid === compound.caller.uid ? undefined : refuseUser(compound, inode, access);
}

function refuseUser(compound: Compound, inode: Inode, access: number): StatusCode | undefined {
  const wanted = access === ShareAccess.read ? AccessBit.read : AccessBit.modify;
  const failure = mayUse(compound, inode, wanted);
  return failure && statusOf(failure);
}

function notFile(compound: Compound, inode: Inode): StatusCode {
  if (inode.type === "directory") return Status.ISDIR;
  const isLink = inode.type === "symlink" && compound.minorVersion === 1;
  return isLink ? Status.SYMLINK : wrongType(compound);
}
