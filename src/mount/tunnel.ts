import net, { type AddressInfo, type Socket } from "node:net";

import type { Log } from "../base/log.ts";
import { connectTo } from "./connect.ts";
import type { MountRequest } from "./driver.ts";

export interface Tunnel {
  readonly port: number;
  /** Whether there are connections. */
  readonly isUsed: boolean;
  /** Whether there are none because the client has ended them itself. */
  readonly isLeft: boolean;
  close(): void;
}

/**
 * Takes connections of the kernel's NFS client at an address; each gets a TLS connection of its own
 * to the mount target, with the newest certificate.
 */
export async function openTunnel(
  target: MountRequest,
  address: string,
  port: number,
  log: Log,
): Promise<Tunnel> {
  const open = new Set<Socket>();
  let hungUp = false;
  const server = net.createServer({ noDelay: true, pauseOnConnect: true }, (local) => {
    open.add(local);
    hungUp = false;
    const givenUp = new AbortController();
    local.on("error", () => local.destroy());
    local.on("close", () => {
      open.delete(local);
      givenUp.abort();
    });
    connectTo(target, givenUp.signal).then(
      (remote) => {
        join(local, remote);
        local.on("end", () => (hungUp = !remote.readableEnded && !remote.destroyed));
      },
      (error: unknown) => {
        log.warn({ error: String(error) }, "the mount target can't be reached");
        local.destroy();
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  const close = (): void => {
    server.close();
    for (const local of open) local.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get isUsed() {
      return open.size > 0;
    },
    get isLeft() {
      return open.size === 0 && hungUp;
    },
    close,
  };
}

/** Either end takes the other one along. */
function join(local: Socket, remote: Socket): void {
  if (local.destroyed) return void remote.destroy();
  remote.on("error", () => local.destroy());
  remote.on("close", () => local.destroy());
  local.on("close", () => remote.destroy());
  local.pipe(remote);
  remote.pipe(local);
}
