// For tests: what NFSv4.0 has otherwise than 4.1 (RFC 7530 §16), written down from the RFC's XDR.
import { nfsProgram, nfsVersion, Operation, Procedure } from "../../../wire/nfs4/operations.ts";
import { Status } from "../../../wire/nfs4/status.ts";
import { decodeStateid, encodeStateid, type Stateid } from "../../../wire/nfs4/stateid.ts";
import { encodeCall } from "../../../wire/rpc/message.ts";
import { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import { nameOf } from "./raw-client.ts";
import { type CompoundResult, encodeCompound, type RawConnection, root } from "./raw-connection.ts";
import { type Opened, open, openAgain, type OpenFields, openHandle } from "./raw-opens.ts";
import { plain, type RawOperation } from "./raw-operations.ts";

/** clientid4 as sixteen hexadecimal digits. */
export type ClientId = string;

export interface Introduced {
  readonly clientId: ClientId;
  readonly confirmation: Buffer;
}

export function setClientId(owner: string, verifier = "verifier"): RawOperation<Introduced> {
  return {
    number: Operation.SETCLIENTID,
    encode: (writer) => {
      writer.fixedOpaque(Buffer.from(verifier));
      writer.byteString(owner);
      writer.uint32(0x4000_0000);
      writer.byteString("tcp");
      writer.byteString("127.0.0.1.0.0");
      writer.uint32(1);
    },
    decode: (reader) => ({
      clientId: Buffer.from(reader.fixedOpaque(8)).toString("hex"),
      confirmation: Buffer.from(reader.fixedOpaque(8)),
    }),
  };
}

export function confirmClientId({ clientId, confirmation }: Introduced): RawOperation<undefined> {
  return plain(Operation.SETCLIENTID_CONFIRM, (writer) => {
    encodeClientId(writer, clientId);
    writer.fixedOpaque(confirmation);
  });
}

export function renew(clientId: ClientId): RawOperation<undefined> {
  return plain(Operation.RENEW, (writer) => encodeClientId(writer, clientId));
}

export function releaseLockOwner(clientId: ClientId, owner: string): RawOperation<undefined> {
  return plain(Operation.RELEASE_LOCKOWNER, (writer) => {
    encodeClientId(writer, clientId);
    writer.byteString(owner);
  });
}

export interface SequencedOpen extends OpenFields {
  readonly clientId: ClientId;
  readonly seqid: number;
}

/** CLAIM_NULL of an owner with its seqid. */
export function openInSequence(name: string, fields: SequencedOpen): RawOperation<Opened> {
  return inSequence(open(name, fields), fields);
}

/** CLAIM_PREVIOUS. */
export function openAgainInSequence(fields: SequencedOpen): RawOperation<Opened> {
  return inSequence(openAgain(fields), fields);
}

/** CLAIM_FH, which NFSv4.0 has not. */
export function openHandleInSequence(fields: SequencedOpen): RawOperation<Opened> {
  return inSequence(openHandle(fields), fields);
}

function inSequence(
  operation: RawOperation<Opened>,
  fields: Pick<SequencedOpen, "clientId" | "seqid">,
): RawOperation<Opened> {
  return {
    ...operation,
    encode: (writer) => {
      const start = writer.length;
      operation.encode(writer);
      writer.patchUint32(start, fields.seqid);
      const id = Buffer.from(fields.clientId, "hex");
      writer.patchUint32(start + 12, id.readUInt32BE(0));
      writer.patchUint32(start + 16, id.readUInt32BE(4));
    },
  };
}

export function confirmOpen(stateid: Stateid, seqid: number): RawOperation<Stateid> {
  return {
    number: Operation.OPEN_CONFIRM,
    encode: (writer) => {
      encodeStateid(writer, stateid);
      writer.uint32(seqid);
    },
    decode: decodeStateid,
  };
}

export function closeInSequence(stateid: Stateid, seqid: number): RawOperation<Stateid> {
  return {
    number: Operation.CLOSE,
    encode: (writer) => {
      writer.uint32(seqid);
      encodeStateid(writer, stateid);
    },
    decode: decodeStateid,
  };
}

export interface SequencedLock {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
  readonly stateid: Stateid;
  readonly lockSeqid: number;
  /** Given where the lock owner begins: the open owner's seqid, and who the lock owner is. */
  readonly begins?: {
    readonly openSeqid: number;
    readonly clientId: ClientId;
    readonly owner: string;
  };
}

export function lockInSequence(given: SequencedLock): RawOperation<Stateid> {
  return {
    number: Operation.LOCK,
    encode: (writer) => {
      writer.uint32(given.type);
      writer.boolean(false);
      writer.uint64(given.offset);
      writer.uint64(given.length);
      writer.boolean(given.begins !== undefined);
      if (given.begins !== undefined) writer.uint32(given.begins.openSeqid);
      encodeStateid(writer, given.stateid);
      writer.uint32(given.lockSeqid);
      if (given.begins === undefined) return;
      encodeClientId(writer, given.begins.clientId);
      writer.byteString(given.begins.owner);
    },
    decode: decodeStateid,
  };
}

export function unlockInSequence(stateid: Stateid, seqid: number): RawOperation<Stateid> {
  return {
    number: Operation.LOCKU,
    encode: (writer) => {
      writer.uint32(1);
      writer.uint32(seqid);
      encodeStateid(writer, stateid);
      writer.uint64(0);
      writer.uint64(Infinity);
    },
    decode: decodeStateid,
  };
}

function encodeClientId(writer: XdrWriter, clientId: ClientId): void {
  writer.fixedOpaque(Buffer.from(clientId, "hex"));
}

/** A whole call of version 0, to be sent as often as one likes. */
export function callOf(xid: number, operations: readonly RawOperation<unknown>[]): Buffer {
  const writer = new XdrWriter();
  encodeCall(writer, {
    xid,
    program: nfsProgram,
    programVersion: nfsVersion,
    procedure: Procedure.compound,
    credential: root,
  });
  encodeCompound(writer, operations, { minorVersion: 0 });
  return Buffer.from(writer.written());
}

/** A connection that speaks minor version 0. */
export class Version0 {
  readonly connection: RawConnection;

  constructor(connection: RawConnection) {
    this.connection = connection;
  }

  run(...operations: readonly RawOperation<unknown>[]): Promise<CompoundResult> {
    return this.connection.compound(operations, { minorVersion: 0 });
  }

  /** The compound's status, by name. */
  async status(...operations: readonly RawOperation<unknown>[]): Promise<string> {
    return nameOf((await this.run(...operations)).status);
  }

  /** What the last operation answers; throws where one fails. */
  async value<T>(...operations: [...RawOperation<unknown>[], RawOperation<T>]): Promise<T> {
    const result = await this.run(...operations);
    if (result.status !== Status.OK) throw new Error(`answered ${nameOf(result.status)}`);
    return result.values.at(-1) as T;
  }

  /** A confirmed client id. */
  async introduce(owner: string, verifier?: string): Promise<ClientId> {
    const introduced = await this.value(setClientId(owner, verifier));
    await this.value(confirmClientId(introduced));
    return introduced.clientId;
  }
}
