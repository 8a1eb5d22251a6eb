// Who may change which attribute, and what else changes with it (facts §2.4, chown(2), chmod(2)).
import { EACCES, EFBIG, EINVAL, EISDIR, EPERM, type Failure } from "./failure.ts";
import type { AttributeChange, Caller, Timestamp } from "./file-system.ts";
import { fileSizeLimit } from "./limits.ts";
import type { Node } from "./node.ts";
import { inGroup, isOwner, isRoot, mayWrite } from "./permissions.ts";

const setUserBit = 0o4000;
const setGroupBit = 0o2000;

export function mayChangeAttributes(
  caller: Caller,
  node: Node,
  change: AttributeChange,
): Failure | undefined {
  const owner = isOwner(caller, node);
  if (change.mode !== undefined && !owner) return EPERM;
  if (change.uid !== undefined && !isRoot(caller)) {
    if (!owner || change.uid !== node.uid) return EPERM;
  }
  if (change.gid !== undefined && !isRoot(caller)) {
    if (!owner || (change.gid !== node.gid && !inGroup(caller, change.gid))) return EPERM;
  }
  return mayChangeSize(caller, node, change) ?? mayChangeTimes(caller, node, change);
}

function mayChangeSize(caller: Caller, node: Node, change: AttributeChange): Failure | undefined {
  if (change.size === undefined) return undefined;
  if (node.type === "directory") return EISDIR;
  if (node.type !== "file") return EINVAL;
  if (change.size > fileSizeLimit) return EFBIG;
  return change.opened || mayWrite(caller, node) ? undefined : EACCES;
}

function mayChangeTimes(caller: Caller, node: Node, change: AttributeChange): Failure | undefined {
  if (isOwner(caller, node)) return undefined;
  for (const time of [change.accessTime, change.modifyTime]) {
    if (time === undefined) continue;
    if (time !== "now") return EPERM;
    if (!mayWrite(caller, node)) return EACCES;
  }
  return undefined;
}

/** Sets mode, owner and times; the size is the file system's, which has the contents too. */
export function applyAttributes(
  caller: Caller,
  node: Node,
  change: AttributeChange,
  now: Timestamp,
): void {
  const givesAway = change.uid !== undefined || change.gid !== undefined;
  // Root's chown too, and of whatever can't be a directory, as on Linux (chown(2)).
  if (givesAway && node.type !== "directory") clearSetIdBits(node);
  if (change.uid !== undefined) node.uid = change.uid;
  if (change.gid !== undefined) node.gid = change.gid;
  if (change.mode !== undefined) {
    node.mode = change.mode & 0o7777;
    const foreignGroup = !isRoot(caller) && !inGroup(caller, node.gid);
    if (foreignGroup) node.mode &= ~setGroupBit;
  }
  if (change.accessTime !== undefined) {
    node.accessTime = change.accessTime === "now" ? now : change.accessTime;
  }
  if (change.modifyTime !== undefined) {
    node.modifyTime = change.modifyTime === "now" ? now : change.modifyTime;
  }
}

/** Whoever isn't root and writes to a file takes its setuid and setgid bits away. */
export function clearSetIdBits(node: Node): void {
  node.mode &= ~setUserBit;
  // Without group execution the bit meant mandatory locking and stays.
  if ((node.mode & 0o010) !== 0) node.mode &= ~setGroupBit;
}
