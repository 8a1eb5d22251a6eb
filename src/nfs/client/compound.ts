// The operations of a compound as the client writes them, and their results as it reads them
// (RFC 8881 §18).
import {
  nfsProgram,
  nfsVersion,
  Operation,
  operationNames,
  Procedure,
} from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { type AuthSys, encodeCall } from "../../wire/rpc/message.ts";
import type { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { encodeBitmap, fileAttributesBitmap } from "../../wire/nfs4/attributes.ts";
import { NfsError } from "./nfs-error.ts";
import type { OutgoingRecords } from "./outgoing-records.ts";

export type FileHandle = Uint8Array;

/** A whole call: no tag, minor version 1, and the operations that `encode` writes. */
export function encodeCompoundCall(
  records: OutgoingRecords,
  xid: number,
  credential: AuthSys,
  encode: (compound: CompoundWriter) => void,
): void {
  const { xdr } = records;
  encodeCall(xdr, {
    xid,
    program: nfsProgram,
    programVersion: nfsVersion,
    procedure: Procedure.compound,
    credential,
  });
  xdr.uint32(0);
  xdr.uint32(1);
  const countAt = xdr.length;
  xdr.uint32(0);
  const compound = new CompoundWriter(records);
  encode(compound);
  xdr.patchUint32(countAt, compound.count);
}

/** Writes operations one after the other and counts them. */
export class CompoundWriter {
  readonly xdr: XdrWriter;
  readonly #records: OutgoingRecords;
  count = 0;

  constructor(records: OutgoingRecords) {
    this.xdr = records.xdr;
    this.#records = records;
  }

  /** Contents of a file, which must stay as they are until the reply is there. */
  contents(bytes: Uint8Array): void {
    this.#records.opaque(bytes);
  }

  operation(number: number): XdrWriter {
    this.count += 1;
    this.xdr.uint32(number);
    return this.xdr;
  }

  putHandle(handle: FileHandle): void {
    this.operation(Operation.PUTFH).opaque(handle);
  }

  lookup(name: string): void {
    this.operation(Operation.LOOKUP).byteString(name);
  }

  getHandle(): void {
    this.operation(Operation.GETFH);
  }

  getAttributes(): void {
    encodeBitmap(this.operation(Operation.GETATTR), fileAttributesBitmap);
  }
}

/** Reads results in the order of the operations; one that failed throws `NfsError`. */
export class CompoundReader {
  readonly xdr: XdrReader;
  readonly #isRepetition: boolean;

  /** `isRepetition` where a server that has forgotten it may have done the same before. */
  constructor(xdr: XdrReader, isRepetition: boolean) {
    this.xdr = xdr;
    this.#isRepetition = isRepetition;
  }

  /** Steps over the result's header to its body. */
  expect(operation: number): XdrReader {
    throwUnlessOk(this.status(operation), operation);
    return this.xdr;
  }

  /** As `expect`; false where a repetition finds, by this status, that it may be done already. */
  expectOnce(operation: number, doneStatus: number): boolean {
    const status = this.status(operation);
    if (status === doneStatus && this.#isRepetition) return false;
    throwUnlessOk(status, operation);
    return true;
  }

  status(operation: number): number {
    const found = this.xdr.uint32();
    const status = this.xdr.uint32();
    if (found !== operation && status === Status.OK) {
      throw new Error(`the server answered operation ${found} instead of ${operation}`);
    }
    return status;
  }
}

function throwUnlessOk(status: number, operation: number): void {
  if (status === Status.OK) return;
  throw new NfsError(status, operationNames.get(operation) ?? String(operation));
}
