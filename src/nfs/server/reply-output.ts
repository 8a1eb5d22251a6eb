import { writeSync } from "node:fs";
import type { Socket } from "node:net";

import type { BusyPoll } from "../../base/busy-poll.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { outputLimit } from "./limits.ts";
import { descriptorOf } from "./own-buffer.ts";
import type { SpareWriters } from "./spare-writers.ts";

/**
 * Bytes that TLS is given at once: it hands out nothing before it has encrypted all of them, and the
 * client can't decrypt meanwhile. Three records.
 */
const securePiece = 48 * 1024;

export interface ReplyOutputOptions {
  readonly socket: Socket;
  readonly busyPoll: BusyPoll;
  readonly spareWriters: SpareWriters;
  /** Something that had to wait has got out. */
  readonly progressed: () => void;
}

/**
 * Where a connection's replies gather, and how they get out. With the socket's descriptor they are
 * given to the system at once; what it doesn't take goes through Node's stream, and without a
 * descriptor (TLS) everything. While the stream has something, replies gather, and go out together
 * when it is done: the order stays, and there are two buffers at most.
 */
export class ReplyOutput {
  readonly #socket: Socket;
  readonly #descriptor: number | undefined;
  readonly #busyPoll: BusyPoll;
  readonly #spareWriters: SpareWriters;
  readonly #progressed: () => void;
  #writer: XdrWriter | undefined;
  /** What the stream takes from. */
  #sending: XdrWriter | undefined;
  /** Bytes that the stream doesn't have behind it yet. */
  #unsent = 0;

  constructor(options: ReplyOutputOptions) {
    this.#socket = options.socket;
    this.#descriptor = descriptorOf(options.socket);
    this.#busyPoll = options.busyPoll;
    this.#spareWriters = options.spareWriters;
    this.#progressed = options.progressed;
  }

  /** Where the next reply is written. */
  get writer(): XdrWriter {
    return (this.#writer ??= this.#spareWriters.take());
  }

  /** The client doesn't read what it asked for: no more should be made before it does. */
  get isFull(): boolean {
    return this.#unsent > 0 && this.#unsent + (this.#writer?.length ?? 0) > outputLimit;
  }

  /** The caller keeps the writer from here on; what it holds before `length` goes on in another. */
  replace(length: number): void {
    const former = this.writer;
    this.#writer = undefined;
    this.writer.room(length).set(former.written().subarray(0, length));
  }

  flush(): void {
    const writer = this.#writer;
    if (this.#sending !== undefined || writer === undefined) return;
    this.#writer = undefined;
    if (writer.length === 0) {
      this.#spareWriters.giveBack(writer);
      return;
    }
    const sent = this.#sendNow(writer);
    this.#busyPoll.worked();
    if (sent === writer.length || !this.#socket.writable) {
      this.#spareWriters.giveBack(writer);
      return;
    }
    this.#sending = writer;
    this.#unsent = writer.length - sent;
    this.#sendPiece(writer);
  }

  /** Returns how many bytes the system took. */
  #sendNow(writer: XdrWriter): number {
    const descriptor = this.#descriptor;
    // That of a closed socket may be another file's already.
    if (descriptor === undefined || !this.#socket.writable) return 0;
    try {
      return writeSync(descriptor, writer.buffer, 0, writer.length);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") this.#socket.destroy();
      return 0;
    }
  }

  #sendPiece(writer: XdrWriter): void {
    const from = writer.length - this.#unsent;
    const longest = this.#descriptor === undefined ? securePiece : this.#unsent;
    const to = Math.min(writer.length, from + longest);
    this.#socket.write(writer.buffer.subarray(from, to), (error) => {
      if (error) return;
      this.#unsent = writer.length - to;
      if (this.#unsent > 0) this.#sendPiece(writer);
      else this.#sent(writer);
      this.#progressed();
    });
  }

  #sent(writer: XdrWriter): void {
    this.#sending = undefined;
    this.#spareWriters.giveBack(writer);
    this.flush();
  }
}
