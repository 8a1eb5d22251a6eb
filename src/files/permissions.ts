// POSIX permissions as EFS applies them (facts §2.4).
import { AccessBit, type AccessMask, type Caller, type Inode } from "./file-system.ts";

const readBit = 4;
const writeBit = 2;
const executeBit = 1;
const stickyBit = 0o1000;

/** EFS takes uid 0 or gid 0 for root. */
export function isRoot(caller: Caller): boolean {
  return caller.uid === 0 || caller.gid === 0;
}

export function isOwner(caller: Caller, inode: Inode): boolean {
  return caller.uid === inode.uid || isRoot(caller);
}

export function inGroup(caller: Caller, gid: number): boolean {
  return caller.gid === gid || caller.groups.includes(gid);
}

export function mayRead(caller: Caller, inode: Inode): boolean {
  return allows(caller, inode, readBit);
}

export function mayWrite(caller: Caller, inode: Inode): boolean {
  return allows(caller, inode, writeBit);
}

export function maySearch(caller: Caller, directory: Inode): boolean {
  return allows(caller, directory, executeBit);
}

/** Adding names to a directory and taking them out. */
export function mayChangeEntries(caller: Caller, directory: Inode): boolean {
  return allows(caller, directory, writeBit) && allows(caller, directory, executeBit);
}

/** In a sticky directory only the owner of the entry or of the directory may take it out. */
export function mayRemoveEntry(caller: Caller, directory: Inode, entry: Inode): boolean {
  if (!mayChangeEntries(caller, directory)) return false;
  if ((directory.mode & stickyBit) === 0) return true;
  return isOwner(caller, entry) || isOwner(caller, directory);
}

export function grantedAccess(caller: Caller, inode: Inode, wanted: AccessMask): AccessMask {
  let granted = 0;
  const isDirectory = inode.type === "directory";
  if (mayRead(caller, inode)) granted |= AccessBit.read;
  if (mayWrite(caller, inode)) {
    granted |= AccessBit.modify | AccessBit.extend;
    if (isDirectory && maySearch(caller, inode)) granted |= AccessBit.delete;
  }
  if (maySearch(caller, inode)) granted |= isDirectory ? AccessBit.lookup : AccessBit.execute;
  return granted & wanted;
}

function allows(caller: Caller, inode: Inode, bit: number): boolean {
  if (isRoot(caller)) {
    // Even root may execute only what somebody may.
    const isFile = inode.type === "file";
    return bit !== executeBit || !isFile || (inode.mode & 0o111) !== 0;
  }
  if (caller.uid === inode.uid) return ((inode.mode >> 6) & bit) !== 0;
  if (inGroup(caller, inode.gid)) return ((inode.mode >> 3) & bit) !== 0;
  return (inode.mode & bit) !== 0;
}
