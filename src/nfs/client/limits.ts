// Limits of the NFS client.

/** Requests of the session in flight at once; the server may grant fewer. */
export const slotsWanted = 64;
/** Bytes of one READ or WRITE (EFS: 1 MiB, facts §2.4). */
export const transferLimit = 1_048_576;
/** Bytes of one RPC record. */
export const recordLimit = transferLimit + 64 * 1024;
/** Bytes that a connection may bring at once. */
export const readSpace = 256 * 1024;
/** Bytes below which contents are copied into the record that carries them. */
export const copyLimit = 16 * 1024;
/** Bytes of a file that may be written and not committed before a COMMIT is sent by itself. */
export const uncommittedLimit = 32 * 1024 * 1024;
/** The same of all files together. */
export const allUncommittedLimit = 128 * 1024 * 1024;
/** Milliseconds: what nobody asks for is committed after once to twice as long. */
export const commitMs = 5000;
/** Milliseconds without a request after which the lease is renewed; leases are 90 s. */
export const renewalMs = 30_000;
/** Milliseconds before a lost connection is tried again: the first time, and at most. */
export const redialFirstMs = 50;
export const redialLimitMs = 3000;
/** Milliseconds before what the server put off (NFS4ERR_DELAY, NFS4ERR_GRACE) is asked again. */
export const delayFirstMs = 20;
export const delayLimitMs = 2000;
/** Milliseconds until an open that grace refused is tried again. */
export const reopenRetryMs = 500;
/** Milliseconds without an answer after which a server counts as away, though it is connected. */
export const muteMs = 5000;
/** Milliseconds after which such a connection is given up (as `timeo=600` has it, facts §1.1). */
export const giveUpMs = 60_000;
