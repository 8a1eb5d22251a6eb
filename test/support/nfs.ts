import net from "node:net";
import type { Duplex } from "node:stream";

import { BusyPoll } from "../../src/base/busy-poll.ts";
import { SystemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { SystemRandom } from "../../src/base/random.ts";
import { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import type { AuthSys } from "../../src/wire/rpc/message.ts";

export const rootUser: AuthSys = { machineName: "test", uid: 0, gid: 0, gids: [] };

/** OPEN4_SHARE_ACCESS_BOTH */
export const readWrite = 3;

let lastOwner = 0;

/** A client of its own; `disconnect` or `close` has to be called. */
export function nfsClient(dial: () => Promise<Duplex>): NfsClient {
  lastOwner += 1;
  return new NfsClient({
    dial,
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: silentLog,
    busyPoll: new BusyPoll(),
    owner: `test ${process.pid} ${lastOwner}`,
  });
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
