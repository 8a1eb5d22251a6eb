// Limits of the NFS server.
import { recordsInLongBuffer } from "../../wire/rpc/record-reader.ts";

/** Seconds that a client's state lives without a sign of it; AWS doesn't publish its own (§2.4). */
export const leaseSeconds = 90;
/** Milliseconds that state outlives its lease while nobody else wants what it holds. */
export const courtesyMs = 24 * 60 * 60_000;
/** Milliseconds that the grace period lasts at least after a reclaim, up to a second lease. */
export const betweenReclaimsMs = 2000;
/** Bytes of one READ or WRITE (facts §2.4: 1 MiB). */
export const transferLimit = 1_048_576;
/** Bytes of one RPC record: a transfer and its headers. */
export const recordLimit = transferLimit + 64 * 1024;
/** Bytes of one reply; efs-proxy takes at most 1 MiB and 4 KiB (facts §1.6). */
export const replyLimit = transferLimit + 4096;
/** Milliseconds until a connection is closed whose peer has to dial again: it does so at once. */
export const hangUpMs = 2000;
/** Bytes of a reply that a slot keeps for a retransmission. */
export const cachedReplyLimit = 8192;
/** Replies to NFSv4.0's changing requests that are kept for a retransmission, and their bytes. */
export const duplicateRepliesLimit = 2048;
export const duplicateReplyLimit = 4096;
/** Retransmissions of a request that wait for its reply; more are not answered. */
export const duplicatesWaitingLimit = 64;
/** Requests of a session that are answered at the same time. */
export const slotsLimit = 64;
/** Operations in one compound. */
export const operationsLimit = 64;
/** Clients of one file system, as EFS limits its connections (facts §2.6); more have to wait. */
export const clientsLimit = 25_000;
/** Mounts of one host and view that are told apart; more are taken for its first. */
export const hostMountsLimit = 1024;
/** Sessions of one client. */
export const sessionsPerClientLimit = 32;
/** Open files of one client, as EFS has it (facts §2.6). */
export const opensPerClientLimit = 65_536;
/** Byte-range locks of one client, on all files, as EFS has it (facts §2.6). */
export const locksPerClientLimit = 65_536;
/** Owners of a kind that an NFSv4.0 client has before those without a stateid are forgotten. */
export const idleOwnersLimit = 4096;
/** Bytes of a compound's tag; longer ones are refused as malformed. */
export const tagLimit = 1024;
/** Connections that a closed security group holds without an answer. */
export const heldConnectionsLimit = 1024;
/** Bytes that each of them may say: a peer waits for the answer to its first request. */
export const heldBytesLimit = 64 * 1024;
/** Bytes that the socket is given to read into, at least. */
export const readSpace = 64 * 1024;
/** Bytes of a buffer for large requests. */
export const longReadBytes = recordsInLongBuffer * recordLimit;
/** Such buffers that are kept while no connection uses them. */
export const longReadsLimit = 16;
/** Bytes of an output buffer that is kept for the next replies. */
export const spareWriterLimit = 4 * 1024 * 1024;
/** Such buffers, of all connections. */
export const spareWritersLimit = 16;
/**
 * Bytes of output that wait for a slow reader before no more of its requests are looked at. With
 * more, replies of 1 MiB go through more memory than the CPU's cache holds.
 */
export const outputLimit = 256 * 1024;
