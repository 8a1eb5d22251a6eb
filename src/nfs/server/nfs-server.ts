import { constants } from "node:crypto";
import net, { type Socket } from "node:net";
import tls from "node:tls";

import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Random } from "../../base/random.ts";
import type { Admission, ConnectionEnds, ConnectionFacts } from "./admission.ts";
import { Connection, type ConnectionContext } from "./connection.ts";
import { HeldConnection } from "./held-connection.ts";
import { heldConnectionsLimit, leaseSeconds } from "./limits.ts";
import { SharedParts } from "./shared-parts.ts";
import type { ClientRecords } from "./state/client-records.ts";
import { FileSystemState } from "./state/file-system-state.ts";

export interface NfsServerOptions {
  readonly admission: Admission;
  readonly records: ClientRecords;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** PEM; the certificate's names cover what the helper checks. Without it TLS is refused. */
  readonly tls?: { readonly key: string; readonly certificate: string };
}

/** The first byte of a TLS handshake record; an RPC record mark never starts with it here. */
const tlsHandshake = 0x16;
/** A client that connects and says nothing is cut off; some connect long before they need it. */
const silenceMs = 300_000;

/** NFSv4.1 for many file systems, plain and TLS on each port (facts §1.4, §1.5). */
export class NfsServer {
  readonly #options: NfsServerOptions;
  readonly #servers = new Map<string, net.Server>();
  readonly #sockets = new Set<Socket>();
  readonly #states = new Map<string, FileSystemState>();
  readonly #instance: number;
  readonly #bootVerifier: Uint8Array;
  readonly #shared = new SharedParts();
  readonly #secureContext: tls.SecureContext | undefined;
  #held = 0;
  #sweep: Timer | undefined;

  constructor(options: NfsServerOptions) {
    this.#options = options;
    this.#bootVerifier = options.random.bytes(8);
    const instance = options.random.uint32();
    // Never what a special stateid has there.
    this.#instance = instance === 0 || instance === 0xffff_ffff ? 1 : instance;
    this.#secureContext =
      options.tls &&
      tls.createSecureContext({
        key: options.tls.key,
        cert: options.tls.certificate,
        minVersion: "TLSv1.2",
        // A resumed session would show the certificate of an earlier connection (facts §1.4).
        secureOptions: constants.SSL_OP_NO_TICKET,
        sessionTimeout: 1,
      });
    this.#sweepLater();
  }

  /** Starts serving on an address; resolves with the port once connections are accepted. */
  async listen(address: string, port: number): Promise<number> {
    const server = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address, port, backlog: 511 }, resolve);
    });
    const bound = (server.address() as net.AddressInfo).port;
    this.#servers.set(`${address}:${bound}`, server);
    return bound;
  }

  /** Stops serving on an address and cuts its connections. */
  async unlisten(address: string, port: number): Promise<void> {
    const server = this.#servers.get(`${address}:${port}`);
    if (server === undefined) return;
    this.#servers.delete(`${address}:${port}`);
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) {
      if (socket.localAddress === address && socket.localPort === port) socket.destroy();
    }
    await closed;
  }

  /** The file system is being deleted: nothing of it is served from here on. */
  forget(fileSystem: string): void {
    this.#states.delete(fileSystem);
  }

  async close(): Promise<void> {
    this.#sweep?.cancel();
    for (const socket of this.#sockets) socket.destroy();
    const closing = [...this.#servers.values()].map(
      (server) => new Promise((resolve) => server.close(resolve)),
    );
    this.#servers.clear();
    await Promise.all(closing);
  }

  #sweepLater(): void {
    this.#sweep = this.#options.clock.schedule((leaseSeconds * 1000) / 3, () => {
      for (const state of this.#states.values()) state.dropExpired();
      this.#sweepLater();
    });
  }

  #accept(socket: Socket): void {
    this.#watch(socket);
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    if (!remoteAddress || !remotePort || !localAddress || !localPort) return;
    const ends = { remoteAddress, remotePort, localAddress, localPort };
    const held = new HeldConnection(socket, ends, () => {
      this.#held -= 1;
      this.#serve(socket, ends);
    });
    if (this.#options.admission.arrives(held) === "hold") this.#hold(held, socket);
    else this.#serve(socket, ends);
  }

  #serve(socket: Socket, ends: ConnectionEnds): void {
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.once("data", (first: Buffer) => {
      socket.pause();
      socket.setTimeout(0);
      if (first[0] !== tlsHandshake) {
        this.#admitPlain(socket, ends, first);
        return;
      }
      socket.unshift(first);
      this.#secure(socket, ends);
    });
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", (error) => {
      this.#options.log.debug({ error: error.message }, "a client's connection broke");
    });
  }

  /** Mute, as a closed port behind a security group is; the peer gives up by itself. */
  #hold(held: HeldConnection, socket: Socket): void {
    if (this.#held >= heldConnectionsLimit) {
      socket.destroy();
      return;
    }
    this.#held += 1;
    socket.on("close", () => {
      if (held.isHeld) this.#held -= 1;
    });
    held.hold();
  }

  #secure(socket: Socket, ends: ConnectionEnds): void {
    if (this.#secureContext === undefined) {
      socket.destroy();
      return;
    }
    const secured = new tls.TLSSocket(socket, {
      isServer: true,
      secureContext: this.#secureContext,
      requestCert: true,
      rejectUnauthorized: false,
    });
    secured.on("error", (error) => {
      this.#options.log.warn({ ...ends, error: error.message }, "a TLS connection broke");
      socket.destroy();
    });
    secured.on("close", () => socket.destroy());
    secured.once("secure", () => {
      const certificate = secured.getPeerX509Certificate()?.raw;
      const context = this.#admit(secured, { ...ends, secure: true, certificate });
      if (context !== undefined) Connection.serve(secured, undefined, context);
    });
  }

  #admitPlain(socket: Socket, ends: ConnectionEnds, first: Uint8Array): void {
    const context = this.#admit(socket, { ...ends, secure: false, certificate: undefined });
    if (context !== undefined) Connection.serve(socket, first, context);
  }

  /** Undefined where the connection was refused and closed. */
  #admit(socket: Socket, facts: ConnectionFacts): ConnectionContext | undefined {
    const { admission, clock, log } = this.#options;
    const grant = admission.admit(facts, () => socket.destroy());
    if (grant.fileSystem === undefined) {
      grant.closed();
      socket.destroy();
      return undefined;
    }
    const state = this.#stateOf(grant.fileSystem);
    const bootVerifier = this.#bootVerifier;
    const shared = this.#shared;
    const peer = facts.remoteAddress;
    return { grant, state, peer, bootVerifier, clock, log, shared };
  }

  #stateOf(files: FileSystemState["files"]): FileSystemState {
    const known = this.#states.get(files.id);
    if (known?.files === files) return known;
    const { clock, records } = this.#options;
    const state = new FileSystemState(files, this.#instance, clock, records);
    this.#states.set(files.id, state);
    return state;
  }
}
