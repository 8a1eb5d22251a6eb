import { hostname } from "node:os";
import { posix } from "node:path";

import { BusyPoll } from "../base/busy-poll.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type Random, randomHex } from "../base/random.ts";
import { mountFuse } from "../fuse/mount-fuse.ts";
import { NfsClient } from "../nfs/client/nfs-client.ts";
import { NfsError } from "../nfs/client/nfs-error.ts";
import type { RemoteFile } from "../nfs/client/results.ts";
import { Status } from "../wire/nfs4/status.ts";
import { connectTo } from "./connect.ts";
import {
  type MountDriver,
  type MountedDirectory,
  MountFailed,
  type MountFailureReason,
  type MountRequest,
} from "./driver.ts";
import { goodbyeMs } from "./limits.ts";

const root = { machineName: "mooring", uid: 0, gid: 0, gids: [] };

/** Our own NFS client, shown to the kernel by FUSE: works where the kernel has no NFS. */
export class FuseDriver implements MountDriver {
  readonly name = "fuse";
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;

  constructor(clock: Clock, random: Random, log: Log) {
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
  }

  async mount(request: MountRequest): Promise<MountedDirectory> {
    const busyPoll = new BusyPoll();
    const client = new NfsClient({
      dial: (signal, target) => connectTo(request, signal, target),
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      busyPoll,
      owner: `mooring ${hostname()} ${randomHex(this.#random, 16)}`,
    });
    const found = await this.#connect(client, request);
    const mounted = await mountFuse({
      client,
      root: found,
      directory: request.directory,
      source: request.source,
      readOnly: request.readOnly,
      clock: this.#clock,
      log: this.#log,
      busyPoll,
    });
    const ended = mounted.ended.then(() => client.disconnect(goodbyeMs));
    return { ended, unmount: () => mounted.unmount() };
  }

  async #connect(client: NfsClient, request: MountRequest): Promise<RemoteFile> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const error = new MountFailed("timed-out", "the mount target doesn't answer");
      timer = setTimeout(() => reject(error), request.timeoutMs);
    });
    try {
      const found = await Promise.race([client.connect(root, walked(request.path)), late]);
      if (found.attributes.type === 2) return found;
      throw new MountFailed("not-a-directory", `${request.path} is not a directory`);
    } catch (error) {
      client.close();
      throw asMountFailed(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** As the kernel walks it: ".." at the root stays there, and names are bytes. */
function walked(text: string): string {
  return Buffer.from(posix.normalize(text)).toString("latin1");
}

const reasonByStatus: ReadonlyMap<number, MountFailureReason> = new Map([
  [Status.ACCESS, "access-denied"],
  [Status.PERM, "access-denied"],
  [Status.NOENT, "no-such-path"],
  [Status.NOTDIR, "not-a-directory"],
]);
const reasonByCode: ReadonlyMap<string, MountFailureReason> = new Map([
  ["ECONNREFUSED", "connection-refused"],
  ["ECONNRESET", "connection-reset"],
  ["EPIPE", "connection-reset"],
  ["ETIMEDOUT", "timed-out"],
  ["EHOSTUNREACH", "timed-out"],
]);

export function asMountFailed(error: unknown): MountFailed {
  if (error instanceof MountFailed) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NfsError) {
    return new MountFailed(reasonByStatus.get(error.status) ?? "system", message);
  }
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const closed = message === "the server closed the connection";
  return new MountFailed(
    reasonByCode.get(code) ?? (closed ? "connection-reset" : "system"),
    message,
  );
}
