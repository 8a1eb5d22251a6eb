// Limits of the FUSE bridge.

/** Bytes of one read or write; what one NFS request carries. */
export const transferBytes = 1_048_576;
/** Pages of one request: 1 MiB. */
export const requestPages = 256;
/** Requests that the kernel keeps in flight in the background. */
export const backgroundRequests = 64;
/** Requests that are read together once there is one. */
export const requestsAtOnce = 16;
/** Buffers that are kept for later requests: 1 MiB each, where they held that much. */
export const spareBuffers = 32;
/** Threads of Node's pool, which has four, that wait for requests where nothing better does. */
export const poolReaders = 3;
/** Seconds that the kernel may use names and attributes without asking again. */
export const validitySeconds = 1;
/** Milliseconds that a process's groups are remembered. */
export const groupsMs = 1000;
/** Processes whose groups are remembered. */
export const groupsLimit = 1024;
/** Milliseconds between two tries of a lock that somebody else holds: first and longest. */
export const lockRetryFirstMs = 5;
export const lockRetryLimitMs = 250;
/** Supplementary groups that AUTH_SYS has room for (RFC 5531). */
export const authSysGroups = 16;
/** KiB that the kernel reads ahead, as efs-utils sets it (15 times 1 MiB, facts §1.1). */
export const readAheadKib = 15 * 1024;

/** Bytes that all files together may have on the way to the server before writers wait. */
export const writesInFlightBytes = 32 * 1024 * 1024;
/** Writes of one file that are on the way at once. */
export const writesInFlight = 8;
/** Milliseconds that a write waits for more that follow on it. */
export const gatherMs = 10;
/** Bytes from which a request's own buffer is kept instead of a copy of them. */
export const ownBufferBytes = 512 * 1024;
/** Own changes of a file that wait for the one before them to be known. */
export const unexplainedChangesLimit = 256;
/** Names that were found to lead elsewhere, and milliseconds that this is remembered. */
export const missedNamesLimit = 1024;
export const missedMs = 1000;
/** Milliseconds after which it is asked whether the process that waits is still there. */
export const abandonedCheckMs = 500;
/** Milliseconds that the last writes may take when the mount is gone. */
export const finishMs = 5000;
/** Bytes of a directory that the server is asked for at once. */
export const listingBytes = 128 * 1024;
/** Bytes up to which a reply is copied behind its header. */
export const shortReplyBytes = 8 * 1024;
/** Milliseconds until an open file is asked for changes of others: at first, and at most. */
export const watchFirstMs = 3000;
export const watchLimitMs = 60_000;
/** Open files that are asked for together. */
export const watchedAtOnce = 16;
/** Milliseconds that a file which was looked up again is kept open for the kernel to come. */
export const holdMs = 1000;
/** How often a flock(2) that doesn't wait is tried again. */
export const flockTries = 3;
