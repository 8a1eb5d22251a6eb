// WRITE with the file's change attribute around it (RFC 8881 §18.32).
import {
  type Change,
  changeBitmap,
  decodeChange,
  encodeBitmap,
} from "../../wire/nfs4/attributes.ts";
import { Operation, Stable } from "../../wire/nfs4/operations.ts";
import { encodeStateid } from "../../wire/nfs4/stateid.ts";
import type { CompoundReader, CompoundWriter } from "./compound.ts";
import type { OpenFile } from "./open-file.ts";
import { decodeVerifier } from "./results.ts";

/** The file's change attribute right before and after a write, which tell others' writes apart. */
export interface Written {
  readonly before: Change;
  readonly after: Change;
}

export interface WriteAnswer extends Written {
  readonly count: number;
  readonly verifier: string;
}

export function encodeWrite(
  compound: CompoundWriter,
  open: OpenFile,
  offset: number,
  bytes: Uint8Array,
  stable: boolean,
): void {
  encodeBitmap(compound.operation(Operation.GETATTR), changeBitmap);
  const xdr = compound.operation(Operation.WRITE);
  encodeStateid(xdr, open.stateid);
  xdr.uint64(offset);
  xdr.uint32(stable ? Stable.fileSync : Stable.unstable);
  compound.contents(bytes);
  encodeBitmap(compound.operation(Operation.GETATTR), changeBitmap);
}

export function decodeWrite(results: CompoundReader): WriteAnswer {
  const before = decodeChange(results.expect(Operation.GETATTR));
  const xdr = results.expect(Operation.WRITE);
  const count = xdr.uint32();
  xdr.uint32();
  const verifier = decodeVerifier(xdr);
  const after = decodeChange(results.expect(Operation.GETATTR));
  return { before, after, count, verifier };
}
