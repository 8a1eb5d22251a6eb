import { nameLimit } from "../../files/limits.ts";
import { Status, type StatusCode } from "../../wire/nfs4/status.ts";
import type { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import { recordLimit } from "./limits.ts";

/** A component4, or the status that refuses it (RFC 8881 §14, §15.1.3.2). */
export function decodeName(reader: XdrReader): string | StatusCode {
  // The protocol itself has no limit: what fits the record is called too long, not malformed.
  const name = reader.byteString(recordLimit);
  if (name === "") return Status.INVAL;
  if (name.length > nameLimit) return Status.NAMETOOLONG;
  if (name === "." || name === "..") return Status.BADNAME;
  return name.includes("/") || name.includes("\0") ? Status.BADCHAR : name;
}
