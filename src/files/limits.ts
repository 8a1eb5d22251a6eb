// Limits of an EFS file system (EFS quotas, facts §2.6), and of our own tables.

/** Bytes of a name. */
export const nameLimit = 255;
/** Bytes of a symbolic link's target. */
export const symbolicLinkLimit = 4080;
/** Levels of directories below the root. EFS says no error for it; ours is ENAMETOOLONG. */
export const levelsLimit = 1000;
/** Names of one file. */
export const linkLimit = 177;
/** Bytes of a file. */
export const fileSizeLimit = 52_673_613_135_872;
/** Byte-range locks on one file, of all clients. */
export const locksPerFileLimit = 512;
/** Inodes kept in memory. */
export const cachedInodesLimit = 200_000;
/** Inode numbers taken in one step, so that not every create writes the counter. */
export const inodeNumbersReserved = 4096;
/** How long attributes of written files may stay in memory alone, in milliseconds. */
export const lazyAttributesMs = 1000;
/** How long contents that nobody commits may stay unflushed, in milliseconds. */
export const contentsSettleMs = 5000;
/**
 * Bytes written to a file after which a flush begins that nobody asked for yet: who writes so much
 * commits it in the end, and the disk writes meanwhile.
 */
export const earlyFlushBytes = 4 * 1024 * 1024;
/** What is smaller by this factor doesn't count: it may be anywhere, and again and again. */
export const smallWriteFactor = 64;
/** Contents looked at in one piece of the sweep after a crash. */
export const sweepStep = 256;
/** Bytes of a file whose contents are kept beside its inode, in the store. */
export const inlineLimit = 8192;
/** Bytes of a stable write that goes to the store before it is flushed where it belongs. */
export const redoPieceLimit = 64 * 1024;
/** Such writes of one file until its contents are flushed. */
export const redoPiecesLimit = 128;
/** Memory, in bytes, that is kept for the next such writes, and for contents of small files. */
export const spareContentsBytes = 1024 * 1024;
/** Files whose attributes or small contents may wait in memory to be stored. */
export const unsavedFilesLimit = 500;
/** Bytes of the disk that are left free for the store: what its journal and LMDB may yet need. */
export const roomKeptFree = 64 * 1024 * 1024;
/** How often it is looked at, in milliseconds. */
export const roomLookedAtMs = 1000;
