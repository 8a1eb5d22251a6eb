import type { XdrReader } from "../xdr/xdr-reader.ts";
import type { XdrWriter } from "../xdr/xdr-writer.ts";

/** Bytes of a file that may be locked; they may lie where no file reaches. */
export interface LockRange {
  readonly start: bigint;
  /** Past the last byte; `endOfFile` for "to the end of the file". */
  readonly end: bigint;
}

export const endOfFile = 2n ** 64n;
/** length4 of "to the end of the file". */
const lengthToEnd = endOfFile - 1n;

/** offset4 and length4. */
export function encodeLockRange(xdr: XdrWriter, { start, end }: LockRange): void {
  xdr.bigUint64(start);
  xdr.bigUint64(end === endOfFile ? lengthToEnd : end - start);
}

/** Undefined where they are no range (RFC 8881 §18.10.3). */
export function decodeLockRange(xdr: XdrReader): LockRange | undefined {
  const start = xdr.bigUint64();
  const length = xdr.bigUint64();
  if (length === lengthToEnd) return { start, end: endOfFile };
  const end = start + length;
  return length === 0n || end > lengthToEnd ? undefined : { start, end };
}
