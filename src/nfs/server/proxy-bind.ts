// The private program of efs-proxy: what it asks on every new connection (facts §1.6).
import { createHash } from "node:crypto";

import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";

export const proxyProgram = 400_123;
export const proxyVersion = 1;
export const bindProcedure = 2;

const ready = 3;
/**
 * The proxy's own figure for connections: with 1 or 2 it would still open two more, find that they
 * are not as many as it was told, and end itself. The threshold is the highest that there is, since
 * one thread serves a file system and more connections gain nothing.
 */
const scaleUp = {
  multiplexedConnections: 5,
  thresholdBytesPerSecond: 0x7fff_ffff,
  breachedSeconds: 1,
  lookbackSeconds: 1,
};

/** READY, with a partition that is always the same for a file system. */
export function encodeBindResponse(writer: XdrWriter, fileSystem: string): void {
  writer.uint32(ready);
  // 64 bytes, of fixed length: no count stands before them.
  writer.fixedOpaque(createHash("sha512").update(fileSystem).digest());
  writer.uint32(scaleUp.multiplexedConnections);
  writer.uint32(scaleUp.thresholdBytesPerSecond);
  writer.uint32(scaleUp.breachedSeconds);
  writer.uint32(scaleUp.lookbackSeconds);
}
