import tls from "node:tls";

import type { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import type { Instance } from "./instance.ts";
import type { MountTarget } from "./mount-target.ts";
import { nfsClient } from "./nfs.ts";

/** An NFS client that connects through TLS, and how often it had to. */
export class TlsClient {
  readonly nfs: NfsClient;
  readonly #sockets: tls.TLSSocket[] = [];

  /** The certificate is made anew for each connection. */
  constructor(instance: Instance, target: MountTarget, key: string, certificate: () => string) {
    this.nfs = nfsClient(
      () =>
        new Promise((resolve, reject) => {
          const socket = tls.connect({
            host: target.address,
            port: instance.nfsPort,
            key,
            cert: certificate(),
            rejectUnauthorized: false,
          });
          socket.once("error", reject);
          socket.once("secureConnect", () => {
            socket.off("error", reject);
            this.#sockets.push(socket);
            resolve(socket);
          });
        }),
    );
  }

  /** How many connections it has made. */
  get connections(): number {
    return this.#sockets.length;
  }

  end(): Promise<void> {
    this.nfs.close();
    return Promise.resolve();
  }
}
