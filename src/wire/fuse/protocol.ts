// The FUSE kernel protocol, version 7.31 and later (Linux, include/uapi/linux/fuse.h). Numbers are
// in the machine's byte order, which on every machine that Node runs on is little-endian.
export const protocolMajor = 7;
export const protocolMinor = 31;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  READDIRPLUS: 44,
  RENAME2: 45,
} as const;

/** Bits of INIT's flags. */
export const InitFlag = {
  asyncRead: 1 << 0,
  posixLocks: 1 << 1,
  bigWrites: 1 << 5,
  flockLocks: 1 << 10,
  readdirPlus: 1 << 13,
  readdirPlusAuto: 1 << 14,
  parallelDirectoryOperations: 1 << 18,
  handleKillPriv: 1 << 19,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  explicitInvalidateData: 1 << 25,
  /** There are flags of the second word. */
  extended: 1 << 30,
} as const;

/** Bits of OPEN's answer (FOPEN_*). */
export const OpenFlag = {
  directIo: 1 << 0,
  keepCache: 1 << 1,
  parallelDirectWrites: 1 << 6,
} as const;

/** Bits of INIT's second flags: of all flags those above the first 32. */
export const InitFlag2 = { directIoAllowMmap: 1 << 4 } as const;

/** A bit of OPEN's flags that only the kernel can set: execve(2) opens (FMODE_EXEC). */
export const openToRun = 0x20;

/** Bits of WRITE's write_flags: the kernel writes back what was written through a mapping. */
export const writeFromCache = 1 << 0;

/** Codes of what the kernel is told unasked. */
export const Notification = { invalidateInode: 2, invalidateEntry: 3 } as const;

/** Bits of SETATTR's valid. */
export const SetAttribute = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  accessTime: 1 << 4,
  modifyTime: 1 << 5,
  fileHandle: 1 << 6,
  accessTimeNow: 1 << 7,
  modifyTimeNow: 1 << 8,
} as const;

/** lk_flags: the lock is flock(2)'s. */
export const lockIsFlock = 1;
/** fl_type of fcntl(2). */
export const LockKind = { read: 0, write: 1, unlock: 2 } as const;
/** OFFSET_MAX of the kernel: the end of every file. */
export const lockEndOfFile = 0x7fff_ffff_ffff_ffffn;

export const requestHeaderLength = 40;
export const replyHeaderLength = 16;
export const rootNodeId = 1;
/** GETATTR's and READDIRPLUS's structures. */
export const attributesLength = 88;
export const entryLength = 128;
