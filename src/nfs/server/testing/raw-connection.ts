// For tests: one connection to an NFS server on which anything can be sent, well formed or not.
import net, { type Socket } from "node:net";

import { nfsProgram, nfsVersion, Operation, Procedure } from "../../../wire/nfs4/operations.ts";
import { Status } from "../../../wire/nfs4/status.ts";
import { type AuthSys, decodeReply, encodeCall } from "../../../wire/rpc/message.ts";
import { RecordReader } from "../../../wire/rpc/record-reader.ts";
import { marked } from "../../../wire/rpc/testing.ts";
import { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import { decodeDenied, type Denied, type RawOperation } from "./raw-operations.ts";

const replyLimit = 4 * 1024 * 1024;

/** What COMPOUND answered: a value for each operation that succeeded, in their order. */
export interface CompoundResult {
  readonly status: number;
  readonly tag: string;
  readonly statuses: readonly number[];
  readonly values: readonly unknown[];
  /** What stood in the way, where LOCK or LOCKT said so. */
  readonly denied: Denied | undefined;
  /** Everything after the RPC header, as it was sent. */
  readonly bytes: Buffer;
}

export interface CompoundHeader {
  readonly minorVersion?: number;
  readonly tag?: string;
  /** Says that there are more or fewer operations than there are. */
  readonly count?: number;
}

export interface CallFields {
  readonly program?: number;
  readonly programVersion?: number;
  readonly procedure?: number;
}

/** A COMPOUND's arguments, of NFSv4.1 unless the header says otherwise. */
export function encodeCompound(
  writer: XdrWriter,
  operations: readonly RawOperation<unknown>[],
  header: CompoundHeader = {},
): void {
  writer.byteString(header.tag ?? "");
  writer.uint32(header.minorVersion ?? 1);
  writer.uint32(header.count ?? operations.length);
  for (const operation of operations) {
    writer.uint32(operation.number);
    operation.encode(writer);
  }
}

/** Sends calls in any order, and gives each reply to whoever waits for its xid. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #records = new RecordReader(replyLimit);
  readonly #waiting = new Map<number, (reply: Buffer | Error) => void>();
  readonly #closed: Promise<void>;
  #lastXid = 0;
  /** AUTH_SYS of the calls to come; AUTH_NONE where undefined. */
  credential: AuthSys | undefined = root;

  static async connect(port: number): Promise<RawConnection> {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("connect", resolve);
    });
    return new RawConnection(socket);
  }

  /** On a connection that is there, such as one with TLS. */
  static over(socket: Socket): RawConnection {
    return new RawConnection(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("close", () => {
      for (const settle of this.#waiting.values()) settle(new Error("the server hung up"));
      this.#waiting.clear();
    });
  }

  get closed(): Promise<void> {
    return this.#closed;
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.#closed;
  }

  /** Leaves what comes to the kernel, as a client that is slow does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  nextXid(): number {
    this.#lastXid += 1;
    return this.#lastXid;
  }

  /** Sends bytes as they are, record mark and all. */
  sendBytes(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends one record and resolves with the reply to `xid`, from the xid on. */
  exchange(xid: number, record: Uint8Array): Promise<Buffer> {
    const reply = this.reply(xid);
    this.sendBytes(marked(record));
    return reply;
  }

  /** Resolves with the reply to `xid`, from the xid on. */
  reply(xid: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(xid, (reply) => (reply instanceof Error ? reject(reply) : resolve(reply)));
    });
  }

  /** A call with the given arguments; resolves with the reply from the xid on. */
  call(fields: CallFields, encodeArguments: (writer: XdrWriter) => void): Promise<Buffer> {
    const xid = this.nextXid();
    const writer = new XdrWriter();
    encodeCall(writer, {
      xid,
      program: fields.program ?? nfsProgram,
      programVersion: fields.programVersion ?? nfsVersion,
      procedure: fields.procedure ?? Procedure.compound,
      ...(this.credential && { credential: this.credential }),
    });
    encodeArguments(writer);
    return this.exchange(xid, writer.written());
  }

  async compound(
    operations: readonly RawOperation<unknown>[],
    header: CompoundHeader = {},
  ): Promise<CompoundResult> {
    const reply = await this.call({}, (writer) => encodeCompound(writer, operations, header));
    return decodeCompound(reply, operations);
  }

  #receive(chunk: Buffer): void {
    this.#records.push(chunk);
    for (let record = this.#records.next(); record; record = this.#records.next()) {
      const reply = Buffer.from(record.bytes.subarray(record.start, record.end));
      const xid = reply.readUInt32BE(0);
      const settle = this.#waiting.get(xid);
      this.#waiting.delete(xid);
      settle?.(reply);
    }
  }
}

export const root: AuthSys = { machineName: "test", uid: 0, gid: 0, gids: [] };

/** A user of its own with its own group. */
export function user(uid: number): AuthSys {
  return { machineName: "test", uid, gid: uid, gids: [] };
}

/** Reads the whole reply: what is missing or left over fails the test that caused it. */
function decodeCompound(
  reply: Buffer,
  operations: readonly RawOperation<unknown>[],
): CompoundResult {
  const reader = new XdrReader(reply);
  const header = decodeReply(reader);
  if (header?.kind !== "accepted" || header.status !== 0) {
    throw new Error(`the call was not accepted: ${JSON.stringify(header)}`);
  }
  return decodeResults(reply.subarray(reader.offset), operations);
}

/** COMPOUND4res. */
export function decodeResults(
  bytes: Buffer,
  operations: readonly RawOperation<unknown>[],
): CompoundResult {
  const reader = new XdrReader(bytes);
  const status = reader.uint32();
  const tag = reader.byteString(replyLimit);
  const count = reader.uint32();
  const statuses: number[] = [];
  const values: unknown[] = [];
  let denied: Denied | undefined;
  for (let index = 0; index < count; index += 1) {
    const number = reader.uint32();
    const own = reader.uint32();
    const operation = operations[index];
    const isIllegal = number === Operation.ILLEGAL && own === Status.OP_ILLEGAL;
    if (operation?.number !== number && !isIllegal) {
      throw new Error(`result ${index} is of operation ${number}`);
    }
    statuses.push(own);
    if (own === Status.OK) values.push(operation?.decode(reader));
    else if (own === Status.DENIED) denied = decodeDenied(reader);
    else if (own === Status.CLID_INUSE && number === Operation.SETCLIENTID) {
      // Who uses the id: network id and address (RFC 7530 §16.33.2).
      reader.byteString(replyLimit);
      reader.byteString(replyLimit);
    }
    // SETATTR4res has its bitmap whatever the status is (RFC 8881 §18.30.2).
    else if (number === Operation.SETATTR) reader.array(3, (item) => item.uint32());
  }
  if (reader.remaining !== 0) throw new Error(`${reader.remaining} bytes follow the results`);
  if (status !== (statuses.at(-1) ?? status)) throw new Error(`COMPOUND says ${status}`);
  return { status, tag, statuses, values, denied, bytes };
}
