import { nameLimit } from "../../files/limits.ts";
import { Status, type StatusCode } from "../../wire/nfs4/status.ts";
import type { XdrReader } from "../../wire/xdr/xdr-reader.ts";

/** Longest name that is read at all before it is called too long. */
const decodedNameLimit = 4096;

/** A component4, or the status that refuses it (RFC 8881 §14, §15.1.3.2). */
export function decodeName(reader: XdrReader): string | StatusCode {
  const name = reader.byteString(decodedNameLimit);
  if (name === "") return Status.INVAL;
  if (name.length > nameLimit) return Status.NAMETOOLONG;
  if (name === "." || name === "..") return Status.BADNAME;
  return name.includes("/") || name.includes("\0") ? Status.BADCHAR : name;
}
