import type { Socket } from "node:net";

import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { nfsProgram, nfsVersion, Procedure } from "../../wire/nfs4/operations.ts";
import {
  acceptedLength,
  AcceptStatus,
  type CallHeader,
  CredentialMemory,
  decodeCall,
  encodeAccepted,
  encodeAuthError,
  encodeProgramMismatch,
  encodeRpcMismatch,
  rpcVersion,
} from "../../wire/rpc/message.ts";
import { type RecordRange, RecordReader } from "../../wire/rpc/record-reader.ts";
import { XdrError, XdrReader } from "../../wire/xdr/xdr-reader.ts";
import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { type ConnectionGrant, viewName } from "./admission.ts";
import type { Compound } from "./compound.ts";
import { HeldReplies } from "./held-replies.ts";
import { duplicatesWaitingLimit, hangUpMs, readSpace, recordLimit } from "./limits.ts";
import { readToOwnBuffer } from "./own-buffer.ts";
import { bindProcedure, encodeBindResponse, proxyProgram, proxyVersion } from "./proxy-bind.ts";
import { ReplyOutput } from "./reply-output.ts";
import { peekMinorVersion, runCompound } from "./run-compound.ts";
import type { SharedParts } from "./shared-parts.ts";
import { DuplicateRequests } from "./state/duplicate-requests.ts";
import type { FileSystemState } from "./state/file-system-state.ts";
import { forgetRequest } from "./state/session.ts";

export interface ConnectionContext {
  readonly grant: ConnectionGrant;
  readonly state: FileSystemState;
  /** The client's address. */
  readonly peer: string;
  readonly bootVerifier: Uint8Array;
  readonly clock: Clock;
  readonly log: Log;
  readonly shared: SharedParts;
}

const lastFragment = 0x8000_0000;
/** The record's mark and the RPC header of a reply. */
const recordHeader = 4 + acceptedLength;
/** Bytes after which replies go out though more requests wait: longer buffers are of no use. */
const flushAt = 512 * 1024;

/**
 * One client's connection: takes RPC records off the stream, runs them in order, and sends what
 * is ready in one write for all that arrived together. A reply that promises durability waits
 * beside the stream, so that others overtake it.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #view: string;
  /** Whose retransmissions its requests can be: those of one host that has one view. */
  readonly #peer: string;
  readonly #records: RecordReader;
  readonly #reader = new XdrReader();
  readonly #credentials = new CredentialMemory();
  readonly #output: ReplyOutput;
  /** What its clients remember of it: they live longer. */
  readonly #speaker = { isOpen: true };
  #flushing = false;
  /** Of what is being answered now. */
  #held: HeldReplies | undefined;
  #spareHeld: HeldReplies | undefined;
  /** The client has to read first. */
  #isPaused = false;
  #expiry: Timer | undefined;
  /** Nothing is answered any more. */
  #isMute = false;

  /** Serves what comes on the socket until it closes, after `first`, which was read already. */
  static serve(socket: Socket, first: Uint8Array | undefined, context: ConnectionContext): void {
    const connection = new Connection(socket, context);
    connection.#start(first);
  }

  private constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#view = viewName(context.grant);
    this.#peer = context.peer + this.#view;
    const { busyPoll, spareWriters, longBuffers } = context.shared;
    this.#records = new RecordReader(recordLimit, readSpace, longBuffers);
    const progressed = (): void => this.#goOn();
    this.#output = new ReplyOutput({ socket, busyPoll, spareWriters, progressed });
  }

  #receive(chunk: Buffer): void {
    this.#records.push(chunk);
    this.#answerAll();
  }

  #start(first: Uint8Array | undefined): void {
    const socket = this.#socket;
    const records = this.#records;
    if (first !== undefined) records.push(first);
    for (let chunk = read(socket); chunk !== null; chunk = read(socket)) records.push(chunk);
    const isOwn = readToOwnBuffer(socket, {
      space: () => records.space(readSpace),
      received: (length) => {
        records.received(length);
        this.#answerAll();
      },
    });
    if (!isOwn) socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("close", () => {
      this.#speaker.isOpen = false;
      this.#expiry?.cancel();
      this.#context.grant.closed();
    });
    this.#closeWhenExpired();
    socket.resume();
    this.#answerAll();
  }

  /** Requests that waited for the client to read are answered, and then the socket read again. */
  #goOn(): void {
    if (!this.#isPaused || this.#output.isFull) return;
    this.#isPaused = false;
    this.#answerAll();
    if (!this.#output.isFull) this.#socket.resume();
  }

  #closeWhenExpired(): void {
    const { expiresAtMs } = this.#context.grant;
    if (expiresAtMs === undefined) return;
    const delayMs = Math.max(0, expiresAtMs - this.#context.clock.nowMs());
    this.#expiry = this.#context.clock.schedule(delayMs, () => this.#socket.destroy());
  }

  #hangUp(): void {
    this.#isMute = true;
    this.#socket.pause();
    this.#expiry?.cancel();
    this.#expiry = this.#context.clock.schedule(hangUpMs, () => this.#socket.destroy());
  }

  #answerAll(): void {
    try {
      while (!this.#isMute && !this.#output.isFull) {
        const record = this.#records.next();
        if (record === undefined) break;
        this.#answer(record);
        if (this.#output.writer.length >= flushAt) this.#output.flush();
      }
    } catch (error) {
      // What can't be told apart into calls can't be answered; the client connects anew.
      this.#context.log.warn({ error }, "closing a connection that doesn't speak RPC");
      this.#socket.destroy();
    }
    this.#output.flush();
    if (this.#held !== undefined) {
      this.#releaseWhenDurable(this.#held);
      this.#held = undefined;
    }
    if (!this.#output.isFull) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #answer(record: RecordRange): void {
    const reader = this.#reader;
    const { writer } = this.#output;
    reader.reset(record.bytes, record.start, record.end);
    const replyStart = writer.length;
    writer.uint32(0);
    const call = decodeCall(reader, this.#credentials);
    // A reply to a callback: this server makes none.
    if (call === undefined) {
      writer.length = replyStart;
      return;
    }
    const refused = encodeRefusal(writer, call);
    if (!refused) {
      encodeAccepted(writer, call.xid, AcceptStatus.success);
      if (call.procedure === Procedure.compound) {
        this.#answerCompound(call, replyStart, record);
        return;
      }
      if (call.procedure === bindProcedure)
        encodeBindResponse(writer, this.#context.state.files.id);
    }
    markRecord(writer, replyStart);
  }

  #answerCompound(call: CallHeader, replyStart: number, request: RecordRange): void {
    const { grant, state, bootVerifier, shared } = this.#context;
    const { spareCompound } = shared;
    const { writer } = this.#output;
    const duplicate = this.#duplicateKey(call, request);
    if (duplicate !== undefined && this.#answerAgain(duplicate, call.xid, replyStart)) return;
    const compound = spareCompound.begin({
      reader: this.#reader,
      writer,
      grant,
      view: this.#view,
      speaker: this.#speaker,
      state,
      credential: call.credential,
      bootVerifier,
      requestLength: request.end - request.start,
      duplicate,
    });
    let running: void | Promise<void>;
    try {
      running = runCompound(compound);
    } catch (error) {
      if (!(error instanceof XdrError)) throw error;
      writer.length = replyStart + 4;
      encodeAccepted(writer, call.xid, AcceptStatus.garbageArguments);
      markRecord(writer, replyStart);
      return;
    }
    if (compound.hangsUp) {
      writer.length = replyStart;
      this.#hangUp();
      return;
    }
    if (running !== undefined) {
      this.#finishLater(compound, running, replyStart);
      return;
    }
    markRecord(writer, replyStart);
    if (!compound.awaitsDurability) {
      if (compound.slot !== undefined) compound.slot.busy = false;
      spareCompound.giveBack(compound);
      return;
    }
    if (duplicate === undefined && awaitsStoreOnly(compound)) {
      this.#held ??= this.#takeSpareHeld();
      this.#held.take(writer, replyStart, compound.slot);
      spareCompound.giveBack(compound);
      return;
    }
    if (duplicate !== undefined) state.duplicates.begin(duplicate);
    const reply = Buffer.from(writer.written(replyStart));
    writer.length = replyStart;
    this.#sendWhenDurable(compound, reply);
  }

  #takeSpareHeld(): HeldReplies {
    const spare = this.#spareHeld ?? new HeldReplies();
    this.#spareHeld = undefined;
    return spare;
  }

  #releaseWhenDurable(held: HeldReplies): void {
    const { files } = this.#context.state;
    files.whenDurable(files.applied, () => {
      held.release(this.#output.writer);
      this.#spareHeld = held;
      this.#flushSoon();
    });
  }

  /** The compound waits for contents: it takes its buffers along, the connection goes on. */
  #finishLater(compound: Compound, running: Promise<void>, replyStart: number): void {
    const { state, duplicate } = compound;
    if (duplicate !== undefined) state.duplicates.begin(duplicate);
    this.#output.replace(replyStart);
    compound.reader = compound.reader.detached();
    running.then(
      () => {
        markRecord(compound.writer, replyStart);
        const reply = Buffer.from(compound.writer.written(replyStart));
        if (compound.awaitsDurability) this.#sendWhenDurable(compound, reply);
        else this.#send(compound, reply);
      },
      (error: unknown) => this.#fail(compound, error),
    );
  }

  /** NFSv4.0 only: what the request is known by when it comes again. */
  #duplicateKey(call: CallHeader, { bytes, start, end }: RecordRange): string | undefined {
    if (peekMinorVersion(this.#reader) !== 0) return undefined;
    return DuplicateRequests.key(this.#peer, call.xid, bytes.subarray(start, end));
  }

  /** A retransmission: the answer of before, though not before that one itself. */
  #answerAgain(duplicate: string, xid: number, replyStart: number): boolean {
    const former = this.#context.state.duplicates.find(duplicate);
    if (former === undefined) return false;
    const { writer } = this.#output;
    if ("reply" in former) {
      writer.room(former.reply.length).set(former.reply);
      markRecord(writer, replyStart);
      return true;
    }
    writer.length = replyStart;
    if (former.waiting.length === duplicatesWaitingLimit) return true;
    former.waiting.push((reply) => {
      if (reply === undefined) {
        this.#socket.destroy();
        return;
      }
      const again = new XdrWriter();
      again.uint32(0);
      encodeAccepted(again, xid, AcceptStatus.success);
      again.room(reply.length).set(reply);
      markRecord(again, 0);
      this.#send(undefined, again.written());
    });
    return true;
  }

  #sendWhenDurable(compound: Compound, reply: Uint8Array): void {
    const { files } = compound.state;
    let waits = compound.commits.length + 2;
    const arrived = (error?: Error): void => {
      if (error && waits > 0) {
        waits = 0;
        return this.#fail(compound, error);
      }
      waits -= 1;
      if (waits === 0) this.#send(compound, reply);
    };
    for (const inode of compound.commits) files.commit(inode, arrived);
    files.whenDurable(files.applied, arrived);
    if (compound.awaitsRecords) compound.state.whenRecorded(arrived);
    else arrived();
  }

  #send(compound: Compound | undefined, reply: Uint8Array): void {
    if (compound?.slot !== undefined) compound.slot.busy = false;
    if (compound?.duplicate !== undefined) {
      compound.state.duplicates.finish(compound.duplicate, reply.subarray(recordHeader));
    }
    if (compound !== undefined) this.#context.shared.spareCompound.giveBack(compound);
    this.#output.writer.room(reply.length).set(reply);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    // Whoever waited for the same flush goes out with the same write.
    queueMicrotask(() => {
      this.#flushing = false;
      this.#output.flush();
    });
  }

  #fail(compound: Compound, error: unknown): void {
    if (compound.slot !== undefined) forgetRequest(compound.slot);
    if (compound.duplicate !== undefined) compound.state.duplicates.fail(compound.duplicate);
    this.#context.log.error({ error }, "a request could not be finished, closing its connection");
    this.#socket.destroy();
  }
}

/** Whether the next flush of the store makes durable all that the reply says. */
function awaitsStoreOnly({ commits, files, awaitsRecords }: Compound): boolean {
  return !awaitsRecords && commits.every((inode) => files.commitToStore(inode));
}

/** The program, version, procedure or credential that isn't served, answered (RFC 5531 §9). */
function encodeRefusal(writer: XdrWriter, call: CallHeader): boolean {
  const isNfs = call.program === nfsProgram;
  const isProxy = call.program === proxyProgram;
  const version = isNfs ? nfsVersion : proxyVersion;
  if (call.version !== rpcVersion) encodeRpcMismatch(writer, call.xid);
  else if (!isNfs && !isProxy) {
    encodeAccepted(writer, call.xid, AcceptStatus.programUnavailable);
  } else if (call.programVersion !== version) {
    encodeProgramMismatch(writer, call.xid, version);
  } else if (call.credentialRefused) {
    encodeAuthError(writer, call.xid, call.credentialRefused);
  } else if (call.procedure > (isNfs ? Procedure.compound : bindProcedure)) {
    encodeAccepted(writer, call.xid, AcceptStatus.procedureUnavailable);
  } else return false;
  return true;
}

/** What Node read ahead. */
function read(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null;
}

function markRecord(writer: XdrWriter, start: number): void {
  writer.patchUint32(start, (lastFragment | (writer.length - start - 4)) >>> 0);
}
