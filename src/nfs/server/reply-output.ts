import { writeSync } from "node:fs";
import type { Socket } from "node:net";

import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { outputLimit, spareWriterLimit, spareWritersLimit } from "./limits.ts";

const outputCapacity = 64 * 1024;

/**
 * Where a connection's replies gather, and how they get out. With the socket's descriptor they are
 * given to the system at once, which costs less than half of a write through Node's stream; what
 * the system doesn't take goes to the stream, and so does everything after that until the stream
 * is empty, so that the order stays. Without a descriptor (TLS) all goes through the stream.
 */
export class ReplyOutput {
  readonly #socket: Socket;
  readonly #descriptor: number | undefined;
  readonly #relieved: () => void;
  #writer = new XdrWriter(outputCapacity);
  /** Buffers that the socket has done with. */
  readonly #spare: XdrWriter[] = [];
  /** Bytes that the stream holds. */
  #queued = 0;

  /** `relieved` is called when the output isn't full any more. */
  constructor(socket: Socket, descriptor: number | undefined, relieved: () => void) {
    this.#socket = socket;
    this.#descriptor = descriptor;
    this.#relieved = relieved;
  }

  /** Where the next reply is written. */
  get writer(): XdrWriter {
    return this.#writer;
  }

  /** The client doesn't read what it asked for: no more should be made before it does. */
  get isFull(): boolean {
    return this.#queued > outputLimit;
  }

  /** The caller keeps the writer from here on; what it holds before `length` goes on in another. */
  replace(length: number): void {
    const former = this.#writer;
    this.#writer = this.#spare.pop() ?? new XdrWriter(outputCapacity);
    this.#writer.room(length).set(former.written().subarray(0, length));
  }

  flush(): void {
    const writer = this.#writer;
    if (writer.length === 0) return;
    const sent = this.#queued > 0 ? 0 : this.#sendNow(writer);
    if (sent < writer.length && this.#socket.writable) this.#enqueue(writer, sent);
    else writer.length = 0;
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

  #enqueue(writer: XdrWriter, sent: number): void {
    const socket = this.#socket;
    const length = writer.length - sent;
    let isTaken = false;
    socket.write(writer.written(sent), () => {
      if (isTaken) this.#written(writer, length);
    });
    if (socket.writableLength === 0) {
      // The system has all of it: the buffer can be filled again.
      writer.length = 0;
      return;
    }
    isTaken = true;
    this.#queued += length;
    this.#writer = this.#spare.pop() ?? new XdrWriter(outputCapacity);
  }

  #written(writer: XdrWriter, length: number): void {
    const wasFull = this.isFull;
    this.#queued -= length;
    this.#keep(writer);
    if (wasFull && !this.isFull) this.#relieved();
  }

  #keep(writer: XdrWriter): void {
    if (this.#spare.length >= spareWritersLimit || writer.capacity > spareWriterLimit) return;
    writer.length = 0;
    this.#spare.push(writer);
  }
}
