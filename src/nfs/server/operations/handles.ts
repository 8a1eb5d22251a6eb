// Which file the next operation is about (RFC 8881 §18.8, §18.13, §18.14, §18.19 to §18.21,
// §18.27 to §18.29, §18.45).
import { failed } from "../../../files/failure.ts";
import type { Inode } from "../../../files/file-system.ts";
import { handleLimit } from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import { anonymousStateid } from "../../../wire/nfs4/stateid.ts";
import { type Compound, statusOf } from "../compound.ts";
import { decodeName } from "../names.ts";

const authSys = 1;

/**
 * Who may not mount sees that there is a root, and is refused what follows: Linux's client takes
 * NFS4ERR_ACCESS here for an unsuitable security flavor, and mount(8) would say "Operation not
 * permitted" instead of EFS's "access denied by server".
 */
export function putRootHandle(compound: Compound): StatusCode {
  compound.seesRootOnly = !compound.grant.permissions.mount;
  const root = compound.grant.root();
  if (failed(root)) return statusOf(root);
  return setCurrent(compound, root);
}

export function putHandle(compound: Compound): StatusCode {
  const handle = compound.reader.opaque(handleLimit);
  if (!compound.grant.permissions.mount) return Status.ACCESS;
  const inode = compound.files.inodeOf(handle);
  if (failed(inode)) return inode.code === "EINVAL" ? Status.BADHANDLE : statusOf(inode);
  return setCurrent(compound, inode);
}

export function getHandle(compound: Compound): StatusCode {
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  compound.writer.opaque(compound.files.handleOf(compound.current));
  return Status.OK;
}

export function saveHandle(compound: Compound): StatusCode {
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  compound.saved = compound.current;
  compound.savedStateid = compound.currentStateid;
  return Status.OK;
}

export function restoreHandle(compound: Compound): StatusCode {
  if (compound.saved === undefined) {
    return compound.minorVersion === 0 ? Status.RESTOREFH : Status.NOFILEHANDLE;
  }
  compound.current = compound.saved;
  compound.currentStateid = compound.savedStateid;
  return Status.OK;
}

export function lookup(compound: Compound): StatusCode {
  const name = decodeName(compound.reader);
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  if (typeof name === "number") return name;
  if (compound.current.type === "symlink") return Status.SYMLINK;
  const found = compound.files.lookup(compound.caller, compound.current, name);
  if (failed(found)) return statusOf(found);
  return setCurrent(compound, found);
}

/** Stops at the access point's root, which is the top of what its clients can see. */
export function lookupParent(compound: Compound): StatusCode {
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  if (compound.current.type === "symlink") return Status.SYMLINK;
  const root = compound.grant.root();
  if (failed(root)) return statusOf(root);
  if (compound.current === root || compound.current === compound.files.root) return Status.NOENT;
  const above = compound.files.parent(compound.caller, compound.current);
  if (failed(above)) return statusOf(above);
  return setCurrent(compound, above);
}

export function securityOf(compound: Compound): StatusCode {
  const name = decodeName(compound.reader);
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  if (typeof name === "number") return name;
  const found = compound.files.lookup(compound.caller, compound.current, name);
  if (failed(found)) return statusOf(found);
  return answerSecurity(compound);
}

export function securityOfCurrent(compound: Compound): StatusCode {
  const style = compound.reader.uint32();
  if (compound.current === undefined) return Status.NOFILEHANDLE;
  if (style > 1) return Status.INVAL;
  if (style === 1) {
    const status = lookupParent(compound);
    if (status !== Status.OK) return status;
  }
  return answerSecurity(compound);
}

/** SECINFO uses NFSv4.1's current file handle up (RFC 8881 §2.6.3.1.1.8). */
function answerSecurity(compound: Compound): StatusCode {
  compound.writer.uint32(1);
  compound.writer.uint32(authSys);
  if (compound.minorVersion === 1) compound.current = undefined;
  return Status.OK;
}

function setCurrent(compound: Compound, inode: Inode): StatusCode {
  compound.current = inode;
  compound.currentStateid = anonymousStateid;
  return Status.OK;
}
