import net from "node:net";
import type { Duplex } from "node:stream";

import type { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import { testClient } from "../../src/nfs/client/testing.ts";
import type { AuthSys } from "../../src/wire/rpc/message.ts";

export const rootUser: AuthSys = { machineName: "test", uid: 0, gid: 0, gids: [] };

/** OPEN4_SHARE_ACCESS_BOTH */
export const readWrite = 3;

let lastOwner = 0;

/** A client of its own; `disconnect` or `close` has to be called. */
export function nfsClient(dial: () => Promise<Duplex>): NfsClient {
  lastOwner += 1;
  return testClient(dial, { owner: `test ${process.pid} ${lastOwner}` });
}

export function connectTcp(host: string, port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
