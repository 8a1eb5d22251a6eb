// For tests: one server of connections for each way that bytes reach a `Connection`, over a file
// system in memory whose durability the test decides.
import net, { type Server, type Socket } from "node:net";
import tls from "node:tls";

import { FakeClock } from "../../../base/fake-clock.ts";
import { silentLog } from "../../../base/log.ts";
import type { FileSystem } from "../../../files/file-system.ts";
import { memoryFileSystem } from "../../../files/testing.ts";
import { makeAuthority, makeServerCertificate } from "../../../wire/x509/authority.ts";
import type { ConnectionGrant } from "../admission.ts";
import { Connection, type ConnectionContext } from "../connection.ts";
import { SharedParts } from "../shared-parts.ts";
import { MemoryClientRecords } from "../state/client-records.ts";
import { FileSystemState } from "../state/file-system-state.ts";
import { RawConnection } from "./raw-connection.ts";

/** With Node's own interfaces alone ("stream"), or with what lies beneath them. */
export const transports = ["plain", "plain stream", "TLS", "TLS stream"] as const;
export type Transport = (typeof transports)[number];

export class TransportServer implements AsyncDisposable {
  readonly memory = memoryFileSystem();
  /** How many times contents were read. */
  reads = 0;
  /** Whether what was changed waits to be durable until `release`. */
  holds = false;
  /** Connections that have ended. */
  ended = 0;
  readonly #transport: Transport;
  readonly #held: (() => void)[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #clients: RawConnection[] = [];
  readonly #state: FileSystemState;
  readonly #server: Server;

  static async start(transport: Transport): Promise<TransportServer> {
    const server = new TransportServer(transport);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  private constructor(transport: Transport) {
    this.#transport = transport;
    const clock = new FakeClock();
    const records = new MemoryClientRecords();
    this.#state = new FileSystemState(this.#watched(), 7, clock, records);
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server = this.#isSecure()
      ? tls.createServer(serverCertificate(), accept)
      : net.createServer(accept);
  }

  async connect(): Promise<RawConnection> {
    const { port } = this.#server.address() as net.AddressInfo;
    const options = { host: "127.0.0.1", port, noDelay: true };
    const socket = this.#isSecure()
      ? tls.connect({ ...options, rejectUnauthorized: false })
      : net.connect(options);
    const event = this.#isSecure() ? "secureConnect" : "connect";
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once(event, resolve);
    });
    const client = RawConnection.over(socket);
    this.#clients.push(client);
    return client;
  }

  /** What waits to be durable is. */
  release(): void {
    for (const call of this.#held.splice(0)) call();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.memory.files.close();
  }

  #isSecure(): boolean {
    return this.#transport.startsWith("TLS");
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    if (this.#transport.endsWith("stream")) {
      const { _handle: handle } = socket as unknown as { _handle: object };
      Object.assign(handle, { useUserBuffer: undefined });
    }
    Connection.serve(socket, undefined, this.#context());
  }

  #context(): ConnectionContext {
    const { files } = this.#state;
    const grant: ConnectionGrant = {
      fileSystem: files,
      root: () => files.root,
      permissions: { mount: true, write: true, root: true },
      identity: undefined,
      expiresAtMs: undefined,
      closed: () => {
        this.ended += 1;
      },
    };
    const clock = new FakeClock();
    const bootVerifier = Buffer.alloc(8);
    const shared = new SharedParts();
    const [state, peer, log] = [this.#state, "127.0.0.1", silentLog];
    return { grant, state, peer, bootVerifier, clock, log, shared };
  }

  /** The file system, with its reads counted and its durability held back. */
  #watched(): FileSystem {
    const { files } = this.memory;
    const read: FileSystem["read"] = (inode, offset, target) => {
      this.reads += 1;
      return files.read(inode, offset, target);
    };
    const whenDurable: FileSystem["whenDurable"] = (sequence, call) => {
      if (this.holds) this.#held.push(call);
      else files.whenDurable(sequence, call);
    };
    const replaced: Readonly<Record<string | symbol, unknown>> = { read, whenDurable };
    return new Proxy<FileSystem>(files, {
      get: (_, name) => {
        if (name in replaced) return replaced[name];
        const value: unknown = Reflect.get(files, name, files);
        return typeof value === "function" ? (value.bind(files) as unknown) : value;
      },
    });
  }
}

function serverCertificate(): { key: string; cert: string } {
  const nowMs = Date.now();
  const authority = makeAuthority("test", nowMs);
  const { key, certificate } = makeServerCertificate(authority, "test", ["localhost"], nowMs);
  return { key, cert: certificate };
}
