import { close, read, readSync } from "node:fs";
import net, { type Socket, type SocketConstructorOpts } from "node:net";
import process from "node:process";

import type { RequestBuffers } from "./request-buffers.ts";
import { poolReaders, requestsAtOnce } from "./limits.ts";

/** Where requests of the kernel come from, one in each buffer. */
export interface RequestSource {
  /** Takes the descriptor away from the kernel: it closes. */
  close(): void;
}

export interface RequestSourceEvents {
  /** A request, in a buffer that is the receiver's from here on. */
  request(buffer: Buffer, length: number): void;
  /** Nothing more will come; `code` is ENODEV where the file system was unmounted. */
  ended(code: string | undefined): void;
}

interface PipeHandle {
  open(descriptor: number): void;
}

/**
 * Reads by the event loop itself where this Node lets a descriptor of any kind be waited for, which
 * is no public interface of it: its thread pool costs two wake-ups a request.
 */
export function readRequests(
  descriptor: number,
  buffers: RequestBuffers,
  events: RequestSourceEvents,
): RequestSource {
  const handle = openPipe(descriptor);
  if (handle === undefined) return new PooledSource(descriptor, buffers, events);
  return new PolledSource(descriptor, handle, buffers, events);
}

function openPipe(descriptor: number): PipeHandle | undefined {
  try {
    const { binding } = process as unknown as { binding?: (name: string) => unknown };
    const pipes = binding?.("pipe_wrap") as
      | { Pipe: new (type: number) => PipeHandle; constants: { SOCKET: number } }
      | undefined;
    if (pipes === undefined) return undefined;
    const handle = new pipes.Pipe(pipes.constants.SOCKET);
    handle.open(descriptor);
    return handle;
  } catch {
    return undefined;
  }
}

/** After one request the others that wait are read at once, as far as there may be some. */
class PolledSource implements RequestSource {
  readonly #descriptor: number;
  readonly #buffers: RequestBuffers;
  readonly #events: RequestSourceEvents;
  readonly #socket: Socket;
  #next: Buffer;
  #ended = false;

  constructor(
    descriptor: number,
    handle: PipeHandle,
    buffers: RequestBuffers,
    events: RequestSourceEvents,
  ) {
    this.#descriptor = descriptor;
    this.#buffers = buffers;
    this.#events = events;
    this.#next = buffers.take();
    const options = {
      handle,
      readable: true,
      writable: false,
      onread: {
        buffer: () => this.#next,
        callback: (length: number) => {
          this.#received(length);
          return true;
        },
      },
    };
    const socket = new net.Socket(options as unknown as SocketConstructorOpts);
    this.#socket = socket;
    socket.on("error", (error: NodeJS.ErrnoException) => this.#end(error.code));
    socket.on("close", () => this.#end("ENODEV"));
    socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #received(length: number): void {
    const buffer = this.#next;
    this.#next = this.#buffers.take();
    this.#events.request(buffer, length);
    // A lone request is followed by none: its thread waits for the answer.
    if (this.#buffers.used > 2) this.#readWaiting();
  }

  #readWaiting(): void {
    for (let count = 0; count < requestsAtOnce && !this.#ended; count += 1) {
      const buffer = this.#next;
      const length = this.#readNow(buffer);
      if (length === 0) return;
      this.#next = this.#buffers.take();
      this.#events.request(buffer, length);
    }
  }

  /** 0 where nothing waits; what else there is comes by the event loop too. */
  #readNow(buffer: Buffer): number {
    const { stackTraceLimit } = Error;
    // That nothing waits is an error, and its stack would cost more than the reading.
    Error.stackTraceLimit = 0;
    try {
      return readSync(this.#descriptor, buffer, 0, buffer.length, null);
    } catch {
      return 0;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  #end(code: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroy();
    this.#events.ended(code);
  }
}

/** Blocking reads on Node's thread pool. */
class PooledSource implements RequestSource {
  readonly #descriptor: number;
  readonly #buffers: RequestBuffers;
  readonly #events: RequestSourceEvents;
  #ended = false;

  constructor(descriptor: number, buffers: RequestBuffers, events: RequestSourceEvents) {
    this.#descriptor = descriptor;
    this.#buffers = buffers;
    this.#events = events;
    for (let reader = 0; reader < poolReaders; reader += 1) this.#readNext();
  }

  close(): void {
    this.#ended = true;
    close(this.#descriptor);
  }

  #readNext(): void {
    const buffer = this.#buffers.take();
    read(this.#descriptor, buffer, 0, buffer.length, null, (error, length) => {
      if (this.#ended) return;
      if (error === null) {
        this.#readNext();
        this.#events.request(buffer, length);
      } else if (error.code === "EINTR" || error.code === "EAGAIN" || error.code === "ENOENT") {
        this.#readNext();
      } else {
        this.#ended = true;
        this.#events.ended(error.code);
      }
    });
  }
}
