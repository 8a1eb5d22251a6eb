import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Passes TCP connections on, until they are cut. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that it has passed on so far. */
  accepted = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(address: string, port: number): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return TcpProxy.between(server, address, port);
  }

  /** Takes what a server that listens accepts, and the server. */
  static between(server: Server, address: string, port: number): TcpProxy {
    const proxy = new TcpProxy(server);
    server.on("connection", (near: Socket) => {
      const far = connect(port, address);
      proxy.accepted += 1;
      proxy.#join(near, far);
      proxy.#join(far, near);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resets every connection in the middle of whatever it carries. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Passes nothing on until `letGo`, on the connections that there are. */
  hold(): void {
    for (const socket of this.#sockets) socket.cork();
  }

  letGo(): void {
    for (const socket of this.#sockets) socket.uncork();
  }

  async end(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.pipe(to);
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
