// EXCHANGE_ID, CREATE_SESSION, DESTROY_SESSION, SEQUENCE, BIND_CONN_TO_SESSION, DESTROY_CLIENTID,
// RECLAIM_COMPLETE (RFC 8881 §18.35, §18.36, §18.37, §18.46, §18.34, §18.50, §18.51).
import {
  ChannelFromClient,
  ChannelFromServer,
  CreateSessionFlag,
  ExchangeFlag,
  opaqueLimit,
  verifierLength,
} from "../../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import { acceptedLength } from "../../../wire/rpc/message.ts";
import type { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import { type Compound, principalOf } from "../compound.ts";
import {
  cachedReplyLimit,
  operationsLimit,
  recordLimit,
  replyLimit,
  sessionsPerClientLimit,
  slotsLimit,
} from "../limits.ts";
import type { Client, Introduction } from "../state/client.ts";
import { mountName, mountNumber } from "../state/host-mounts.ts";
import type { ChannelAttributes, Session, Slot } from "../state/session.ts";

const implementationIdsLimit = 1;
const protectionNone = 0;
const knownExchangeFlags =
  (ExchangeFlag.supportMovedReferral |
    ExchangeFlag.supportMovedMigration |
    ExchangeFlag.bindPrincipalStateid |
    ExchangeFlag.useNonPnfs |
    ExchangeFlag.usePnfsMds |
    ExchangeFlag.usePnfsDs |
    ExchangeFlag.updateConfirmed) >>>
  0;

export function exchangeId(compound: Compound): StatusCode {
  const { reader, state } = compound;
  const verifier = Buffer.from(reader.fixedOpaque(verifierLength)).toString("hex");
  const { view, speaker } = compound;
  const host = view + reader.byteString(opaqueLimit);
  const flags = reader.uint32();
  const protection = reader.uint32();
  // The other ways need RPCSEC_GSS, which isn't served (§18.35.3).
  if (protection !== protectionNone) return Status.INVAL;
  skipImplementationId(reader);
  if ((flags & ~knownExchangeFlags) !== 0) return Status.INVAL;
  const principal = principalOf(compound);
  const isUpdate = (flags & ExchangeFlag.updateConfirmed) !== 0;
  const own = state.ownMount(host, speaker);
  const owner = own ?? (isUpdate ? host : state.freeMount(host, verifier, principal));
  const confirmed = state.clientOf(owner, true, 1);
  const client = isUpdate
    ? updated(confirmed, verifier, principal)
    : introduced(compound, confirmed, { view, owner, minorVersion: 1, verifier, principal });
  if (typeof client === "number") return client;
  client.speaker = speaker;
  state.renew(client);
  answerExchangeId(compound, client);
  return Status.OK;
}

function updated(
  confirmed: Client | undefined,
  verifier: string,
  principal: string,
): Client | StatusCode {
  if (confirmed === undefined) return Status.NOENT;
  if (confirmed.verifier !== verifier) return Status.NOT_SAME;
  return confirmed.principal === principal ? confirmed : Status.PERM;
}

function introduced(
  { state }: Compound,
  confirmed: Client | undefined,
  introduction: Introduction,
): Client | StatusCode {
  if (confirmed !== undefined) {
    const isSame = confirmed.principal === introduction.principal;
    if (isSame && confirmed.verifier === introduction.verifier) return confirmed;
    const holds = confirmed.states.size > 0 || confirmed.sessions.size > 0;
    if (!isSame && holds && !state.hasExpired(confirmed)) return Status.CLID_INUSE;
    if (!isSame) state.drop(confirmed);
  }
  const unconfirmed = state.clientOf(introduction.owner, false, 1);
  if (unconfirmed !== undefined) state.drop(unconfirmed);
  return state.introduce(introduction) ?? Status.DELAY;
}

function skipImplementationId(reader: XdrReader): void {
  reader.array(implementationIdsLimit, (item) => {
    item.opaque(opaqueLimit);
    item.opaque(opaqueLimit);
    item.skip(12);
  });
}

function answerExchangeId(compound: Compound, client: Client): void {
  const { writer, state } = compound;
  const confirmed = client.confirmed ? ExchangeFlag.confirmed : 0;
  writer.uint32(state.instance);
  writer.uint32(client.number);
  writer.uint32(client.sequence);
  writer.uint32((ExchangeFlag.useNonPnfs | confirmed) >>> 0);
  writer.uint32(protectionNone);
  // One owner a file system, view and mount, so that clients don't trunk what are different ones.
  writer.uint64(0);
  writer.byteString(mountName(state.files.id + compound.view, mountNumber(client.owner)));
  writer.byteString(state.files.id);
  writer.uint32(0);
}

export function createSession(compound: Compound): StatusCode {
  const { reader, writer, state } = compound;
  const instance = reader.uint32();
  const number = reader.uint32();
  const sequence = reader.uint32();
  const flags = reader.uint32();
  const fore = decodeChannel(reader);
  const back = decodeChannel(reader);
  reader.uint32();
  skipCallbackSecurity(reader);
  if ((flags & ~knownCreateSessionFlags) !== 0) return Status.INVAL;
  const client = compound.clientNamed(instance, number);
  if (client === undefined || state.hasLapsed(client)) return Status.STALE_CLIENTID;
  client.speaker = compound.speaker;
  const { createSessionReply: last } = client;
  const isAgain = last !== undefined && sequence === (client.sequence - 1) >>> 0;
  if (isAgain && last.status === Status.OK) {
    writer.room(last.body.length).set(last.body);
    return last.status;
  }
  if (!isAgain && sequence !== client.sequence) return Status.SEQ_MISORDERED;
  // From here on the number is used up, and what is answered is kept (§18.36.4). One that failed
  // made nothing: asked again it is refused again, and something else may be asked in its place.
  if (!isAgain) client.sequence = (client.sequence + 1) >>> 0;
  const start = writer.length;
  const status = makeSession(compound, client, { sequence, fore, back });
  const body = Uint8Array.prototype.slice.call(writer.written(start));
  client.createSessionReply = { status, body };
  return status;
}

function makeSession(
  compound: Compound,
  client: Client,
  wanted: { sequence: number; fore: ChannelAttributes; back: ChannelAttributes },
): StatusCode {
  const { state, writer } = compound;
  const { sequence, fore, back } = wanted;
  if (!client.confirmed && client.principal !== principalOf(compound)) return Status.CLID_INUSE;
  if (client.sessions.size >= sessionsPerClientLimit) return Status.NOSPC;
  for (const { maximumRequest, maximumReply } of [fore, back]) {
    if (Math.min(maximumRequest, maximumReply) < smallestRecord) return Status.TOOSMALL;
  }
  if (!client.confirmed) state.confirm(client);
  const session = state.createSession(client, agreed(fore));
  writer.fixedOpaque(session.id);
  writer.uint32(sequence);
  writer.uint32(0);
  encodeChannel(writer, session.fore);
  encodeChannel(writer, callbackChannel);
  state.renew(client);
  return Status.OK;
}

const knownCreateSessionFlags =
  CreateSessionFlag.persist |
  CreateSessionFlag.connectionBackChannel |
  CreateSessionFlag.connectionRdma;
/** A channel that can't carry a SEQUENCE and one small operation is of no use. */
const smallestRecord = 256;
const callbackChannel: ChannelAttributes = {
  maximumRequest: 4096,
  maximumReply: 4096,
  maximumCached: 0,
  maximumOperations: 2,
  slots: 1,
};

function agreed(wanted: ChannelAttributes): ChannelAttributes {
  return {
    maximumRequest: Math.min(wanted.maximumRequest, recordLimit),
    maximumReply: Math.min(wanted.maximumReply, replyLimit),
    maximumCached: Math.min(wanted.maximumCached, cachedReplyLimit),
    maximumOperations: Math.min(wanted.maximumOperations, operationsLimit),
    slots: Math.max(1, Math.min(wanted.slots, slotsLimit)),
  };
}

function decodeChannel(reader: XdrReader): ChannelAttributes {
  reader.uint32();
  const maximumRequest = reader.uint32();
  const maximumReply = reader.uint32();
  const maximumCached = reader.uint32();
  const maximumOperations = reader.uint32();
  const slots = reader.uint32();
  reader.array(1, (item) => item.uint32());
  return { maximumRequest, maximumReply, maximumCached, maximumOperations, slots };
}

function encodeChannel(writer: XdrWriter, channel: ChannelAttributes): void {
  writer.uint32(0);
  writer.uint32(channel.maximumRequest);
  writer.uint32(channel.maximumReply);
  writer.uint32(channel.maximumCached);
  writer.uint32(channel.maximumOperations);
  writer.uint32(channel.slots);
  writer.uint32(0);
}

const authNone = 0;
const authSys = 1;
const securityParametersLimit = 16;

function skipCallbackSecurity(reader: XdrReader): void {
  reader.array(securityParametersLimit, (item) => {
    const flavor = item.uint32();
    if (flavor === authNone) return;
    if (flavor === authSys) {
      item.skip(4);
      item.opaque(opaqueLimit);
      item.skip(8);
      item.array(16, (gid) => gid.uint32());
      return;
    }
    item.uint32();
    item.opaque(opaqueLimit);
    item.opaque(opaqueLimit);
  });
}

function decodeSession(compound: Compound): Session | undefined {
  const { reader } = compound;
  const instance = reader.uint32();
  const clientNumber = reader.uint32();
  const number = reader.uint32();
  const rest = reader.uint32();
  return rest === 0 ? compound.sessionNamed(instance, clientNumber, number) : undefined;
}

export function destroySession(compound: Compound): StatusCode {
  const session = decodeSession(compound);
  if (session === undefined) return Status.BADSESSION;
  // Its own session is there until the last operation (§18.37.3).
  const isLast = compound.reader.remaining === 0;
  if (session === compound.session && !isLast) return Status.NOT_ONLY_OP;
  compound.state.destroySession(session);
  return Status.OK;
}

export function destroyClientId(compound: Compound): StatusCode {
  const instance = compound.reader.uint32();
  const number = compound.reader.uint32();
  const { state } = compound;
  const client = compound.clientNamed(instance, number);
  if (client === undefined) return Status.STALE_CLIENTID;
  if (client.sessions.size > 0 || client.states.size > 0) return Status.CLIENTID_BUSY;
  state.drop(client);
  return Status.OK;
}

/** Nobody is called back, but a client that would be is told what it asked for (§18.34.3). */
const boundDirections: Readonly<Record<number, number>> = {
  [ChannelFromClient.fore]: ChannelFromServer.fore,
  [ChannelFromClient.back]: ChannelFromServer.back,
  [ChannelFromClient.foreOrBoth]: ChannelFromServer.both,
  [ChannelFromClient.backOrBoth]: ChannelFromServer.both,
};

export function bindConnection(compound: Compound): StatusCode {
  const session = decodeSession(compound);
  const direction = compound.reader.uint32();
  compound.reader.boolean();
  if (session === undefined) return compound.refuseSession();
  const answer = boundDirections[direction];
  if (answer === undefined) return Status.INVAL;
  session.client.speaker = compound.speaker;
  compound.writer.fixedOpaque(session.id);
  compound.writer.uint32(answer);
  compound.writer.boolean(false);
  return Status.OK;
}

export function reclaimComplete(compound: Compound): StatusCode {
  const oneFileSystem = compound.reader.boolean();
  const { client } = compound;
  if (oneFileSystem) {
    return compound.current === undefined ? Status.NOFILEHANDLE : Status.OK;
  }
  if (client.reclaimComplete) return Status.COMPLETE_ALREADY;
  compound.state.reclaimComplete(client);
  return Status.OK;
}

export function sequence(compound: Compound): StatusCode {
  const { reader } = compound;
  const session = decodeSession(compound);
  const sequenceNumber = reader.uint32();
  const slotNumber = reader.uint32();
  const highestSlot = reader.uint32();
  const keepReply = reader.boolean();
  if (session === undefined) return compound.refuseSession();
  session.client.speaker = compound.speaker;
  const slot = session.slots[slotNumber];
  if (slot === undefined) return Status.BADSLOT;
  if (highestSlot >= session.slots.length) return Status.BAD_HIGH_SLOT;
  if (compound.requestLength > session.fore.maximumRequest) return Status.REQ_TOO_BIG;
  if (compound.operationCount > session.fore.maximumOperations) return Status.TOO_MANY_OPS;
  const next = (slot.sequence + 1) >>> 0;
  if (sequenceNumber === slot.sequence) return repeat(compound, slot);
  if (sequenceNumber !== next) return Status.SEQ_MISORDERED;
  if (slot.busy) return Status.DELAY;
  limitReply(compound, session, keepReply);
  const isLast = compound.operationCount === 1;
  const tooBig = compound.refuseLength(sequenceLength, isLast);
  if (tooBig !== undefined) return tooBig;
  slot.sequence = sequenceNumber;
  slot.used = true;
  slot.busy = true;
  slot.reply = undefined;
  slot.requestLength = compound.requestLength;
  slot.principal = principalOf(compound);
  compound.session = session;
  compound.slot = slot;
  compound.keepReply = keepReply || isLast;
  compound.state.renew(session.client);
  encodeSequence(compound.writer, session, sequenceNumber, slotNumber);
  return Status.OK;
}

/** Bytes of SEQUENCE4resok. */
const sequenceLength = 36;

/** What is agreed on counts the RPC header (§18.36.3). */
function limitReply(compound: Compound, { fore }: Session, keepReply: boolean): void {
  const { maximumReply, maximumCached } = fore;
  const mustFitCache = keepReply && maximumCached < maximumReply;
  compound.tooBig = mustFitCache ? Status.REP_TOO_BIG_TO_CACHE : Status.REP_TOO_BIG;
  const longest = mustFitCache ? maximumCached : maximumReply;
  compound.resultEnd = compound.resultStart + longest - acceptedLength;
}

/** A retransmission: the answer of before, if it was kept (RFC 8881 §2.10.6.1.3). */
function repeat(compound: Compound, slot: Slot): StatusCode {
  if (!slot.used) return Status.SEQ_MISORDERED;
  if (slot.busy) return Status.DELAY;
  // Nobody gets what somebody else was answered (§2.10.6.1.3.1).
  const isSame =
    slot.requestLength === compound.requestLength && slot.principal === principalOf(compound);
  if (!isSame) return Status.SEQ_FALSE_RETRY;
  if (slot.reply === undefined) return Status.RETRY_UNCACHED_REP;
  compound.replay = slot.reply;
  return Status.OK;
}

function encodeSequence(
  writer: XdrWriter,
  session: Session,
  sequenceNumber: number,
  slotNumber: number,
): void {
  writer.fixedOpaque(session.id);
  writer.uint32(sequenceNumber);
  writer.uint32(slotNumber);
  writer.uint32(session.slots.length - 1);
  writer.uint32(session.slots.length - 1);
  writer.uint32(0);
}
