import type { Socket } from "node:net";

import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { nfsProgram, nfsVersion, Procedure } from "../../wire/nfs4/operations.ts";
import {
  AcceptStatus,
  type CallHeader,
  decodeCall,
  encodeAccepted,
  encodeAuthError,
  encodeProgramMismatch,
  encodeRpcMismatch,
  rpcVersion,
} from "../../wire/rpc/message.ts";
import { RecordReader } from "../../wire/rpc/record-reader.ts";
import { XdrError, XdrReader } from "../../wire/xdr/xdr-reader.ts";
import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import type { ConnectionGrant } from "./admission.ts";
import { Compound } from "./compound.ts";
import {
  outputLimit,
  readSpace,
  recordLimit,
  spareWriterLimit,
  spareWritersLimit,
} from "./limits.ts";
import { moveToOwnBuffer } from "./own-buffer.ts";
import { bindProcedure, encodeBindResponse, proxyProgram, proxyVersion } from "./proxy-bind.ts";
import { peekMinorVersion, runCompound } from "./run-compound.ts";
import { DuplicateRequests } from "./state/duplicate-requests.ts";
import type { FileSystemState } from "./state/file-system-state.ts";

export interface ConnectionContext {
  readonly grant: ConnectionGrant;
  readonly state: FileSystemState;
  /** The client's address. */
  readonly peer: string;
  readonly bootVerifier: Uint8Array;
  readonly clock: Clock;
  readonly log: Log;
}

const lastFragment = 0x8000_0000;
const outputCapacity = 64 * 1024;
/** Bytes after which replies go out though more requests wait: longer buffers are of no use. */
const flushAt = 512 * 1024;

/**
 * One client's connection: takes RPC records off the stream, runs them in order, and sends what
 * is ready in one write for all that arrived together. A reply that promises durability waits
 * beside the stream, so that others overtake it.
 */
export class Connection {
  #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #records = new RecordReader(recordLimit);
  readonly #reader = new XdrReader();
  #output = new XdrWriter(outputCapacity);
  /** Buffers that the socket has done with. */
  readonly #spare: XdrWriter[] = [];
  #flushing = false;
  #expiry: Timer | undefined;

  /** Serves what comes on the stream until it closes. */
  static serve(socket: Socket, context: ConnectionContext): void {
    new Connection(socket, context).#serveStream();
  }

  /**
   * The same for a plain connection of which `first` was read already: the rest is read to where
   * it is used. Returns the socket that the connection has from here on.
   */
  static servePlain(accepted: Socket, first: Uint8Array, context: ConnectionContext): Socket {
    const connection = new Connection(accepted, context);
    const records = connection.#records;
    // Before the socket is given the room that follows.
    records.push(first);
    const moved = moveToOwnBuffer(accepted, {
      space: () => records.space(readSpace),
      received: (length) => {
        records.received(length);
        connection.#answerAll();
      },
    });
    if (moved === undefined) {
      connection.#serveStream();
    } else {
      connection.#socket = moved;
      connection.#start();
    }
    connection.#answerAll();
    return connection.#socket;
  }

  private constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
  }

  #serveStream(): void {
    this.#socket.on("data", (chunk: Buffer) => {
      this.#records.push(chunk);
      this.#answerAll();
    });
    this.#start();
  }

  #start(): void {
    const socket = this.#socket;
    socket.on("drain", () => socket.resume());
    socket.on("close", () => {
      this.#expiry?.cancel();
      this.#context.grant.closed();
    });
    this.#closeWhenExpired();
    socket.resume();
  }

  #closeWhenExpired(): void {
    const { expiresAtMs } = this.#context.grant;
    if (expiresAtMs === undefined) return;
    const delayMs = Math.max(0, expiresAtMs - this.#context.clock.nowMs());
    this.#expiry = this.#context.clock.schedule(delayMs, () => this.#socket.destroy());
  }

  #answerAll(): void {
    try {
      for (let record = this.#records.next(); record; record = this.#records.next()) {
        this.#answer(record.bytes, record.start, record.end);
        if (this.#output.length >= flushAt) this.#flush();
      }
    } catch (error) {
      // What can't be told apart into calls can't be answered; the client connects anew.
      this.#context.log.warn({ error }, "closing a connection that doesn't speak RPC");
      this.#socket.destroy();
    }
    this.#flush();
  }

  #answer(bytes: Uint8Array, start: number, end: number): void {
    const reader = this.#reader;
    const writer = this.#output;
    reader.reset(bytes, start, end);
    const replyStart = writer.length;
    writer.uint32(0);
    const call = decodeCall(reader);
    // A reply to a callback: this server makes none.
    if (call === undefined) {
      writer.length = replyStart;
      return;
    }
    const refused = encodeRefusal(writer, call);
    if (!refused) {
      encodeAccepted(writer, call.xid, AcceptStatus.success);
      if (call.procedure === Procedure.compound) {
        this.#answerCompound(call, replyStart, bytes.subarray(start, end));
        return;
      }
      if (call.procedure === bindProcedure)
        encodeBindResponse(writer, this.#context.state.files.id);
    }
    markRecord(writer, replyStart);
  }

  #answerCompound(call: CallHeader, replyStart: number, request: Uint8Array): void {
    const { grant, state, bootVerifier } = this.#context;
    const writer = this.#output;
    const duplicate = this.#duplicateKey(call, request);
    const former = duplicate === undefined ? undefined : state.duplicates.reply(duplicate);
    if (former !== undefined) {
      writer.room(former.length).set(former);
      markRecord(writer, replyStart);
      return;
    }
    const compound = new Compound({
      reader: this.#reader,
      writer,
      grant,
      state,
      credential: call.credential,
      bootVerifier,
      requestLength: request.length,
      duplicate,
    });
    const resultStart = writer.length;
    const appliedBefore = state.files.applied;
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
    if (running !== undefined) {
      this.#finishLater(compound, running, replyStart, resultStart, appliedBefore);
      return;
    }
    markRecord(writer, replyStart);
    if (compound.commits.length === 0 && state.files.applied === appliedBefore) {
      if (compound.slot !== undefined) compound.slot.busy = false;
      return;
    }
    keepForDuplicate(compound, resultStart);
    const reply = Buffer.from(writer.written(replyStart));
    writer.length = replyStart;
    this.#sendWhenDurable(compound, reply);
  }

  /** The compound waits for contents: it takes its buffers along, the connection goes on. */
  #finishLater(
    compound: Compound,
    running: Promise<void>,
    replyStart: number,
    resultStart: number,
    appliedBefore: number,
  ): void {
    const others = this.#output.written().slice(0, replyStart);
    this.#output = this.#spare.pop() ?? new XdrWriter(outputCapacity);
    this.#output.room(others.length).set(others);
    compound.reader = compound.reader.detached();
    running.then(
      () => {
        markRecord(compound.writer, replyStart);
        const isDurable = compound.state.files.applied === appliedBefore;
        if (!isDurable) keepForDuplicate(compound, resultStart);
        const reply = Buffer.from(compound.writer.written(replyStart));
        if (compound.commits.length > 0 || !isDurable) this.#sendWhenDurable(compound, reply);
        else this.#send(compound, reply);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** NFSv4.0 only: what the request is known by when it comes again. */
  #duplicateKey(call: CallHeader, request: Uint8Array): string | undefined {
    if (peekMinorVersion(this.#reader) !== 0) return undefined;
    return DuplicateRequests.key(this.#context.peer, call.xid, request);
  }

  #sendWhenDurable(compound: Compound, reply: Uint8Array): void {
    const { files } = compound.state;
    let waits = compound.commits.length + 1;
    const arrived = (error?: Error): void => {
      if (error) return this.#fail(error);
      waits -= 1;
      if (waits === 0) this.#send(compound, reply);
    };
    for (const inode of compound.commits) files.commit(inode, arrived);
    files.whenDurable(files.applied, arrived);
  }

  #send(compound: Compound, reply: Uint8Array): void {
    if (compound.slot !== undefined) compound.slot.busy = false;
    this.#output.room(reply.length).set(reply);
    if (this.#flushing) return;
    this.#flushing = true;
    // Whoever waited for the same flush goes out with the same write.
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #fail(error: unknown): void {
    this.#context.log.error({ error }, "a request could not be finished, closing its connection");
    this.#socket.destroy();
  }

  #flush(): void {
    const output = this.#output;
    if (output.length === 0 || this.#socket.destroyed) return;
    const socket = this.#socket;
    let isTaken = false;
    socket.write(output.written(), () => {
      if (isTaken) this.#keep(output);
    });
    if (socket.writableLength === 0) {
      // The system has all of it: the buffer can be filled again.
      output.length = 0;
      return;
    }
    isTaken = true;
    this.#output = this.#spare.pop() ?? new XdrWriter(outputCapacity);
    if (socket.writableLength > outputLimit) socket.pause();
  }

  #keep(output: XdrWriter): void {
    if (this.#spare.length >= spareWritersLimit || output.capacity > spareWriterLimit) return;
    output.length = 0;
    this.#spare.push(output);
  }
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

function keepForDuplicate(compound: Compound, resultStart: number): void {
  if (compound.duplicate === undefined) return;
  compound.state.duplicates.keep(compound.duplicate, compound.writer.written(resultStart));
}

function markRecord(writer: XdrWriter, start: number): void {
  writer.patchUint32(start, (lastFragment | (writer.length - start - 4)) >>> 0);
}
