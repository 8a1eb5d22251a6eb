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
