import { hostname } from "node:os";
import type { Duplex } from "node:stream";

import type { BusyPoll } from "../../base/busy-poll.ts";
import { type Clock, sleep, type Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Random } from "../../base/random.ts";
import { ExchangeFlag, Operation, opaqueLimit } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import type { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { CompoundReader, type CompoundWriter, encodeCompoundCall } from "./compound.ts";
import {
  delayFirstMs,
  delayLimitMs,
  giveUpMs,
  muteMs,
  recordLimit,
  redialFirstMs,
  redialLimitMs,
  renewalMs,
  slotsWanted,
} from "./limits.ts";
import { ClientClosed, NfsError } from "./nfs-error.ts";
import { type ReadTarget, Transport } from "./transport.ts";

export interface SessionClientOptions {
  /**
   * A new connection to the server, with TLS where that is wanted; aborted by `close`. It reads to
   * the target where it can, and gives its data otherwise.
   */
  readonly dial: (signal: AbortSignal, target: ReadTarget) => Promise<Duplex>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly busyPoll: BusyPoll;
  /** co_ownerid: the same for the life of the mount, different from all other clients'. */
  readonly owner: string;
  /** The server forgot the client: take opens and locks again, with requests marked urgent. */
  readonly reclaim: () => Promise<void>;
  /** After RECLAIM_COMPLETE: what could not be reclaimed is opened anew. */
  readonly reopen: () => Promise<void>;
}

export interface CompoundHow {
  /** Part of the recovery: goes out before it is complete. */
  readonly urgent?: boolean;
  /** Doing it twice would not be the same: the server has to keep its reply. */
  readonly once?: boolean;
}

/** One compound to be sent, as often as it takes. */
interface Request {
  readonly credential: AuthSys;
  readonly encode: (compound: CompoundWriter) => void;
  /** Takes the results; throws where one of them is an error. */
  readonly finish: (results: CompoundReader) => void;
  readonly fail: (error: Error) => void;
  readonly urgent: boolean;
  readonly once: boolean;
  /** A server that has forgotten it may have done it. */
  isRepetition: boolean;
  delayMs: number;
  slot: number;
  xid: number;
}

interface Slot {
  sequence: number;
  request: Request | undefined;
}

interface SessionFacts {
  readonly id: Uint8Array;
  readonly clientId: readonly [number, number];
}

const machineCredential: AuthSys = { machineName: hostname(), uid: 0, gid: 0, gids: [] };

/**
 * An NFSv4.1 session that outlives connections and servers (a "hard" mount): requests wait while
 * the server is away and are sent again, on the same slot where it may have seen them. After a
 * restart of the server the state is reclaimed first (RFC 8881 §2.10.6, §8.4.2).
 */
export class SessionClient {
  readonly #options: SessionClientOptions;
  readonly #verifier: Uint8Array;
  readonly #queue: Request[] = [];
  readonly #awaited = new Map<number, Request>();
  #slots: Slot[] = [];
  #session: SessionFacts | undefined;
  #transport: Transport | undefined;
  #phase: "closed" | "down" | "recovering" | "up" = "down";
  #xid: number;
  #renewal: Timer | undefined;
  #lastSentMs = 0;
  /** When the server said something last, or was asked after it had answered everything. */
  #lastHeardMs = 0;
  readonly #dialling = new AbortController();

  constructor(options: SessionClientOptions) {
    this.#options = options;
    this.#verifier = options.random.bytes(8);
    this.#xid = options.random.uint32();
  }

  /** The first connection; unlike later ones its failure is the caller's. */
  async connect(): Promise<void> {
    this.#phase = "recovering";
    try {
      await this.#establish();
    } catch (error) {
      this.close();
      throw error;
    }
    this.#renewLater();
  }

  compound<T>(
    credential: AuthSys,
    encode: (compound: CompoundWriter) => void,
    decode: (results: CompoundReader) => T,
    how: CompoundHow = {},
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.run(credential, encode, (results) => resolve(decode(results)), reject, how);
    });
  }

  /** As `compound`, for results that are used up where they arrived: `finish` reads them there. */
  run(
    credential: AuthSys,
    encode: (compound: CompoundWriter) => void,
    finish: (results: CompoundReader) => void,
    fail: (error: Error) => void,
    how: CompoundHow = {},
  ): void {
    this.#submit({
      credential,
      encode,
      finish,
      fail,
      urgent: how.urgent ?? false,
      once: how.once ?? false,
      isRepetition: false,
      delayMs: delayFirstMs,
      slot: -1,
      xid: 0,
    });
  }

  /** Gives the session back to the server where it can be reached, and stops. */
  async disconnect(timeoutMs: number): Promise<void> {
    const session = this.#session;
    if (this.#phase === "up" && session !== undefined) {
      const goodbye = this.#alone((compound) => {
        compound.operation(Operation.DESTROY_SESSION).fixedOpaque(session.id);
      })
        .then(() =>
          this.#alone((compound) => {
            const xdr = compound.operation(Operation.DESTROY_CLIENTID);
            xdr.uint32(session.clientId[0]);
            xdr.uint32(session.clientId[1]);
          }),
        )
        .catch((error: unknown) => {
          this.#options.log.debug({ error }, "the server didn't take the session back");
        });
      await Promise.race([goodbye, sleep(this.#options.clock, timeoutMs)]);
    }
    this.close();
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#renewal?.cancel();
    this.#dialling.abort();
    this.#transport?.close();
    const error = new ClientClosed("the mount was given up");
    for (const request of this.#awaited.values()) request.fail(error);
    for (const request of this.#queue) request.fail(error);
    this.#awaited.clear();
    this.#queue.length = 0;
  }

  #submit(request: Request): void {
    if (this.#phase === "closed") {
      request.fail(new ClientClosed("the mount was given up"));
    } else if (!this.#start(request)) {
      this.#queue.push(request);
    }
  }

  #start(request: Request): boolean {
    const ready = this.#phase === "up" || (request.urgent && this.#phase === "recovering");
    if (!ready || this.#session === undefined) return false;
    const free = this.#slots.findIndex((slot) => slot.request === undefined);
    if (free < 0) return false;
    const slot = this.#slots[free]!;
    slot.request = request;
    slot.sequence = (slot.sequence + 1) >>> 0;
    request.slot = free;
    this.#transmit(request);
    return true;
  }

  #transmit(request: Request): void {
    this.#xid = (this.#xid + 1) >>> 0;
    request.xid = this.#xid;
    this.#lastSentMs = this.#options.clock.nowMs();
    if (this.#awaited.size === 0) this.#lastHeardMs = this.#lastSentMs;
    this.#awaited.set(request.xid, request);
    const session = this.#session!;
    const slot = this.#slots[request.slot]!;
    this.#transport!.send((records) => {
      encodeCompoundCall(records, request.xid, request.credential, (compound) => {
        const sequence = compound.operation(Operation.SEQUENCE);
        sequence.fixedOpaque(session.id);
        sequence.uint32(slot.sequence);
        sequence.uint32(request.slot);
        sequence.uint32(this.#slots.length - 1);
        sequence.boolean(request.once);
        request.encode(compound);
      });
    });
  }

  #reply(xid: number, reader: XdrReader, accepted: boolean): void {
    const request = this.#awaited.get(xid);
    if (request === undefined) return;
    this.#lastHeardMs = this.#options.clock.nowMs();
    this.#awaited.delete(xid);
    if (!accepted) {
      this.#release(request);
      request.fail(new NfsError(Status.IO, "the server refused the call"));
      return;
    }
    const status = reader.uint32();
    reader.opaque(opaqueLimit);
    reader.uint32();
    if (request.slot < 0) {
      this.#finish(request, reader);
      return;
    }
    const sequenceStatus = stepOverSequence(reader);
    if (sequenceStatus === Status.DELAY) {
      this.#later(request, () => this.#transmitIfCurrent(request));
    } else if (sequenceStatus === Status.RETRY_UNCACHED_REP) {
      this.#release(request);
      this.#submit(request);
    } else if (sequenceStatus !== Status.OK) {
      this.#sessionLost(request, sequenceStatus);
    } else {
      this.#release(request);
      if (status === Status.DELAY || status === Status.GRACE) {
        this.#later(request, () => this.#submit(request));
      } else {
        this.#finish(request, reader);
      }
      this.#startWaiting();
    }
  }

  #finish(request: Request, reader: XdrReader): void {
    try {
      request.finish(new CompoundReader(reader, request.isRepetition));
    } catch (error) {
      request.fail(error as Error);
    }
  }

  #later(request: Request, call: () => void): void {
    this.#options.clock.schedule(request.delayMs, call);
    request.delayMs = Math.min(request.delayMs * 2, delayLimitMs);
  }

  #transmitIfCurrent(request: Request): void {
    if (this.#slots[request.slot]?.request === request && this.#transport !== undefined) {
      this.#transmit(request);
    }
  }

  #release(request: Request): void {
    const slot = this.#slots[request.slot];
    if (slot?.request === request) slot.request = undefined;
    request.slot = -1;
  }

  #startWaiting(): void {
    let next = this.#queue[0];
    while (next !== undefined && this.#start(next)) {
      this.#queue.shift();
      next = this.#queue[0];
    }
  }

  /** The server doesn't know the session (any more): everything in flight goes out anew. */
  #sessionLost(request: Request, status: number): void {
    this.#options.log.info({ status }, "the server doesn't know the session, recovering");
    this.#session = undefined;
    this.#awaited.set(request.xid, request);
    this.#requeueAll();
    if (this.#phase === "up") this.#recover();
    else this.#transport?.close();
  }

  #requeueAll(): void {
    const requests = [...this.#awaited.values()];
    this.#awaited.clear();
    for (const slot of this.#slots) {
      const { request } = slot;
      if (request !== undefined && !requests.includes(request)) requests.push(request);
      slot.request = undefined;
    }
    const kept: Request[] = [];
    for (const request of requests) {
      // The recovery that asked starts over; those requests are not waited for any more.
      if (request.urgent || request.slot < 0) request.fail(new Error("the session was lost"));
      else kept.push(request);
      request.isRepetition = true;
      request.slot = -1;
    }
    this.#queue.unshift(...kept);
  }

  #lost(transport: Transport, error: Error): void {
    if (transport !== this.#transport || this.#phase === "closed") return;
    this.#transport = undefined;
    this.#options.log.debug({ error: error.message }, "the connection to the server was lost");
    // Requests outside the session belong to a recovery, which tries again.
    for (const [xid, request] of this.#awaited) {
      if (request.slot >= 0 && !request.urgent) continue;
      this.#awaited.delete(xid);
      this.#release(request);
      request.fail(error);
    }
    if (this.#phase === "up") this.#recover();
  }

  /** Until the server is back, however long that takes. */
  #recover(): void {
    this.#phase = "recovering";
    const attempt = async (delayMs: number): Promise<void> => {
      try {
        await this.#establish();
      } catch (error) {
        if (this.isClosed()) return;
        this.#options.log.debug({ error: String(error) }, "the server can't be reached yet");
        this.#transport?.close();
        this.#transport = undefined;
        await sleep(this.#options.clock, delayMs);
        await attempt(Math.min(delayMs * 2, redialLimitMs));
      }
    };
    void attempt(redialFirstMs);
  }

  isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Whether requests are answered: there is a session, and the server isn't mute. */
  get isUp(): boolean {
    return this.#phase === "up" && !this.#isMute(muteMs);
  }

  #isMute(limitMs: number): boolean {
    return this.#awaited.size > 0 && this.#options.clock.nowMs() - this.#lastHeardMs > limitMs;
  }

  async #establish(): Promise<void> {
    if (this.#transport === undefined) await this.#dial();
    const isNew = this.#session === undefined;
    if (isNew) {
      await this.#createSession();
    } else {
      this.#awaited.clear();
      for (const slot of this.#slots) if (slot.request) this.#transmit(slot.request);
    }
    if (this.isClosed()) throw new ClientClosed("the mount was given up");
    this.#phase = "up";
    this.#startWaiting();
    // A server that was restarted keeps all others waiting until we have reclaimed what we hold.
    if (!isNew) this.#renew();
  }

  async #dial(): Promise<void> {
    const transport: Transport = new Transport({
      reply: (xid, reader, accepted) => this.#reply(xid, reader, accepted),
      sent: () => this.#options.busyPoll.worked(),
      lost: (error) => this.#lost(transport, error),
    });
    const stream = await this.#options.dial(this.#dialling.signal, transport.target);
    if (this.isClosed()) {
      stream.destroy();
      throw new ClientClosed("the mount was given up");
    }
    transport.attach(stream);
    this.#transport = transport;
  }

  async #createSession(): Promise<void> {
    const { clientId, sequence, confirmed } = await this.#exchangeId();
    const session = await this.#openSession(clientId, sequence);
    this.#requeueAll();
    this.#session = { id: session.id, clientId };
    this.#slots = Array.from({ length: session.slots }, () => ({
      sequence: 0,
      request: undefined,
    }));
    if (confirmed) return;
    await this.#options.reclaim();
    await this.compound(
      machineCredential,
      (compound) => compound.operation(Operation.RECLAIM_COMPLETE).boolean(false),
      (results) => {
        const status = results.status(Operation.RECLAIM_COMPLETE);
        const done = status === Status.OK || status === Status.COMPLETE_ALREADY;
        if (!done) throw new NfsError(status, "RECLAIM_COMPLETE");
      },
      { urgent: true, once: true },
    );
    await this.#options.reopen();
  }

  async #exchangeId(): Promise<{
    clientId: [number, number];
    sequence: number;
    confirmed: boolean;
  }> {
    const results = (
      compound: CompoundReader,
    ): {
      clientId: [number, number];
      sequence: number;
      confirmed: boolean;
    } => {
      const xdr = compound.expect(Operation.EXCHANGE_ID);
      const clientId: [number, number] = [xdr.uint32(), xdr.uint32()];
      const sequence = xdr.uint32();
      return { clientId, sequence, confirmed: (xdr.uint32() & ExchangeFlag.confirmed) !== 0 };
    };
    return this.#alone((compound) => {
      const xdr = compound.operation(Operation.EXCHANGE_ID);
      xdr.fixedOpaque(this.#verifier);
      xdr.byteString(this.#options.owner);
      xdr.uint32(0);
      xdr.uint32(0);
      xdr.uint32(0);
    }, results);
  }

  async #openSession(
    clientId: readonly [number, number],
    sequence: number,
  ): Promise<{ id: Uint8Array; slots: number }> {
    return this.#alone(
      (compound) => {
        const xdr = compound.operation(Operation.CREATE_SESSION);
        xdr.uint32(clientId[0]);
        xdr.uint32(clientId[1]);
        xdr.uint32(sequence);
        xdr.uint32(0);
        encodeChannel(xdr, slotsWanted);
        encodeChannel(xdr, 1);
        xdr.uint32(0x4000_0000);
        xdr.uint32(1);
        xdr.uint32(0);
      },
      (results) => {
        const xdr = results.expect(Operation.CREATE_SESSION);
        const id = Uint8Array.prototype.slice.call(xdr.fixedOpaque(16));
        xdr.skip(8);
        xdr.skip(20);
        return { id, slots: Math.max(1, xdr.uint32()) };
      },
    );
  }

  /** A compound of one operation outside the session. */
  #alone<T = void>(
    encode: (compound: CompoundWriter) => void,
    decode?: (results: CompoundReader) => T,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#transport === undefined) throw new Error("there is no connection");
      this.#xid = (this.#xid + 1) >>> 0;
      const request: Request = {
        credential: machineCredential,
        encode,
        finish: (results) => resolve(decode?.(results) as T),
        fail: reject,
        urgent: true,
        once: false,
        isRepetition: false,
        delayMs: delayFirstMs,
        slot: -1,
        xid: this.#xid,
      };
      this.#awaited.set(request.xid, request);
      this.#transport.send((records) => {
        encodeCompoundCall(records, request.xid, request.credential, encode);
      });
    });
  }

  #renewLater(): void {
    this.#renewal = this.#options.clock.schedule(renewalMs, () => {
      const idleMs = this.#options.clock.nowMs() - this.#lastSentMs;
      if (this.#phase === "up" && this.#isMute(giveUpMs)) {
        // Its host may be gone: the connection alone would notice that after a quarter of an hour.
        this.#options.log.info({}, "the server doesn't answer, connecting anew");
        this.#transport?.end(new Error("the server doesn't answer"));
      } else if (idleMs >= renewalMs && this.#phase === "up") this.#renew();
      if (this.#phase !== "closed") this.#renewLater();
    });
  }

  #renew(): void {
    this.compound(
      machineCredential,
      () => {},
      () => {},
    ).catch((error: unknown) => {
      this.#options.log.debug({ error: String(error) }, "the lease could not be renewed");
    });
  }
}

function encodeChannel(xdr: XdrWriter, slots: number): void {
  xdr.uint32(0);
  xdr.uint32(recordLimit);
  xdr.uint32(recordLimit);
  xdr.uint32(8192);
  xdr.uint32(16);
  xdr.uint32(slots);
  xdr.uint32(0);
}

/** SEQUENCE's status; on success the reader stands behind its result. */
function stepOverSequence(reader: XdrReader): number {
  reader.uint32();
  const status = reader.uint32();
  if (status === Status.OK) reader.skip(16 + 20);
  return status;
}
