// For tests: the operations that make and keep sessions (RFC 8881 §18.34 to §18.37, §18.46,
// §18.50).
import { Operation } from "../../../wire/nfs4/operations.ts";
import type { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import { plain, type RawOperation } from "./raw-operations.ts";

const anyLength = 1024 * 1024;

export interface ExchangeIdFields {
  readonly owner: string;
  readonly verifier?: string;
  readonly flags?: number;
  /** state_protect4_a; SP4_NONE where left out. */
  readonly encodeProtection?: (writer: XdrWriter) => void;
}

export interface ExchangedId {
  /** Eight bytes in hex. */
  readonly clientId: string;
  readonly sequence: number;
  readonly flags: number;
  readonly protection: number;
  readonly majorId: string;
}

/** The verifier is eight characters. */
export function exchangeId(fields: ExchangeIdFields): RawOperation<ExchangedId> {
  return {
    number: Operation.EXCHANGE_ID,
    encode: (writer) => {
      writer.fixedOpaque(Buffer.from(fields.verifier ?? "verifier", "latin1"));
      writer.byteString(fields.owner);
      writer.uint32(fields.flags ?? 0);
      if (fields.encodeProtection === undefined) writer.uint32(0);
      else fields.encodeProtection(writer);
      writer.uint32(0);
    },
    decode: (reader) => {
      const clientId = Buffer.from(reader.fixedOpaque(8)).toString("hex");
      const sequence = reader.uint32();
      const flags = reader.uint32();
      const protection = reader.uint32();
      reader.skip(8);
      const majorId = reader.byteString(anyLength);
      reader.opaque(anyLength);
      reader.array(1, skipImplementation);
      return { clientId, sequence, flags, protection, majorId };
    },
  };
}

function skipImplementation(reader: XdrReader): void {
  reader.opaque(anyLength);
  reader.opaque(anyLength);
  reader.skip(12);
}

/** channel_attrs4 without its header padding and RDMA parts. */
export interface RawChannel {
  readonly maximumRequest: number;
  readonly maximumReply: number;
  readonly maximumCached: number;
  readonly maximumOperations: number;
  readonly slots: number;
}

export const wideChannel: RawChannel = {
  maximumRequest: 0xffff_ffff,
  maximumReply: 0xffff_ffff,
  maximumCached: 0xffff_ffff,
  maximumOperations: 0xffff_ffff,
  slots: 0xffff_ffff,
};

export interface CreateSessionFields {
  readonly clientId: string;
  readonly sequence: number;
  readonly flags?: number;
  readonly fore?: Partial<RawChannel>;
  readonly back?: Partial<RawChannel>;
}

export interface CreatedSession {
  readonly sessionId: Buffer;
  readonly sequence: number;
  readonly flags: number;
  readonly fore: RawChannel;
}

export function createSession(fields: CreateSessionFields): RawOperation<CreatedSession> {
  return {
    number: Operation.CREATE_SESSION,
    encode: (writer) => {
      writer.fixedOpaque(Buffer.from(fields.clientId, "hex"));
      writer.uint32(fields.sequence);
      writer.uint32(fields.flags ?? 0);
      encodeChannel(writer, { ...wideChannel, ...fields.fore });
      encodeChannel(writer, { ...wideChannel, ...fields.back });
      writer.uint32(0x4000_0000);
      // One way to call back: AUTH_NONE.
      writer.array([0], (item, flavor) => item.uint32(flavor));
    },
    decode: (reader) => {
      const sessionId = Buffer.from(reader.fixedOpaque(16));
      const sequence = reader.uint32();
      const flags = reader.uint32();
      const fore = decodeChannel(reader);
      decodeChannel(reader);
      return { sessionId, sequence, flags, fore };
    },
  };
}

function encodeChannel(writer: XdrWriter, channel: RawChannel): void {
  writer.uint32(0);
  writer.uint32(channel.maximumRequest);
  writer.uint32(channel.maximumReply);
  writer.uint32(channel.maximumCached);
  writer.uint32(channel.maximumOperations);
  writer.uint32(channel.slots);
  writer.uint32(0);
}

function decodeChannel(reader: XdrReader): RawChannel {
  reader.skip(4);
  const channel = {
    maximumRequest: reader.uint32(),
    maximumReply: reader.uint32(),
    maximumCached: reader.uint32(),
    maximumOperations: reader.uint32(),
    slots: reader.uint32(),
  };
  reader.array(1, (item) => item.uint32());
  return channel;
}

export interface SequenceFields {
  readonly sessionId: Uint8Array;
  readonly sequence: number;
  readonly slot?: number;
  readonly highestSlot?: number;
  readonly keep?: boolean;
}

export interface Sequenced {
  readonly sessionId: Buffer;
  readonly sequence: number;
  readonly slot: number;
  readonly highestSlot: number;
  readonly targetHighestSlot: number;
  readonly flags: number;
}

export function sequence(fields: SequenceFields): RawOperation<Sequenced> {
  return {
    number: Operation.SEQUENCE,
    encode: (writer) => {
      writer.fixedOpaque(fields.sessionId);
      writer.uint32(fields.sequence);
      writer.uint32(fields.slot ?? 0);
      writer.uint32(fields.highestSlot ?? fields.slot ?? 0);
      writer.boolean(fields.keep ?? false);
    },
    decode: (reader) => ({
      sessionId: Buffer.from(reader.fixedOpaque(16)),
      sequence: reader.uint32(),
      slot: reader.uint32(),
      highestSlot: reader.uint32(),
      targetHighestSlot: reader.uint32(),
      flags: reader.uint32(),
    }),
  };
}

export function destroySession(sessionId: Uint8Array): RawOperation<undefined> {
  return plain(Operation.DESTROY_SESSION, (writer) => writer.fixedOpaque(sessionId));
}

export function destroyClientId(clientId: string): RawOperation<undefined> {
  return plain(Operation.DESTROY_CLIENTID, (writer) =>
    writer.fixedOpaque(Buffer.from(clientId, "hex")),
  );
}

export interface BoundConnection {
  readonly sessionId: Buffer;
  readonly direction: number;
  readonly rdma: boolean;
}

export function bindConnection(
  sessionId: Uint8Array,
  direction: number,
): RawOperation<BoundConnection> {
  return {
    number: Operation.BIND_CONN_TO_SESSION,
    encode: (writer) => {
      writer.fixedOpaque(sessionId);
      writer.uint32(direction);
      writer.boolean(false);
    },
    decode: (reader) => ({
      sessionId: Buffer.from(reader.fixedOpaque(16)),
      direction: reader.uint32(),
      rdma: reader.boolean(),
    }),
  };
}
