// The private program of efs-proxy: what it asks on every new connection (facts §1.6).
import { createHash } from "node:crypto";

import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";

export const proxyProgram = 400_123;
export const proxyVersion = 1;
export const bindProcedure = 2;

const ready = 3;
const scaleUp = {
  multiplexedConnections: 1,
  thresholdBytesPerSecond: 314_572_800,
  breachedSeconds: 1,
  lookbackSeconds: 1,
};

/** READY, with a partition that is always the same and no further connections. */
export function encodeBindResponse(writer: XdrWriter, fileSystem: string): void {
  writer.uint32(ready);
  writer.opaque(createHash("sha512").update(fileSystem).digest());
  writer.uint32(scaleUp.multiplexedConnections);
  writer.uint32(scaleUp.thresholdBytesPerSecond);
  writer.uint32(scaleUp.breachedSeconds);
  writer.uint32(scaleUp.lookbackSeconds);
}
