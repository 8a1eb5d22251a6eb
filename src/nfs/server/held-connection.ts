import type { Socket } from "node:net";

import type { ArrivingConnection, ConnectionEnds } from "./admission.ts";
import { heldBytesLimit } from "./limits.ts";

/** A connection that nobody answers, with what its peer has said meanwhile. */
export class HeldConnection implements ArrivingConnection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  isHeld = false;
  readonly #socket: Socket;
  readonly #served: () => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  /** `served` takes over the socket, which is not being read then. */
  constructor(socket: Socket, ends: ConnectionEnds, served: () => void) {
    this.remoteAddress = ends.remoteAddress;
    this.remotePort = ends.remotePort;
    this.localAddress = ends.localAddress;
    this.localPort = ends.localPort;
    this.#socket = socket;
    this.#served = served;
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  /** Reads on, since who doesn't read isn't told either that the peer has gone. */
  hold(): void {
    this.isHeld = true;
    this.#socket.on("data", this.#keep);
  }

  serve(): void {
    if (!this.isHeld || this.isOver) return;
    this.isHeld = false;
    const socket = this.#socket;
    socket.off("data", this.#keep);
    socket.pause();
    if (this.#bytes > 0) socket.unshift(Buffer.concat(this.#chunks));
    this.#served();
    socket.resume();
  }

  readonly #keep = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > heldBytesLimit) this.#socket.destroy();
  };
}
