import { readFile, writeFile } from "node:fs";
import { realpath } from "node:fs/promises";

import type { BusyPoll } from "../base/busy-poll.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { RemoteFile } from "../nfs/client/results.ts";
import { FuseBridge } from "./bridge.ts";
import { FuseDevice } from "./device.ts";
import { readAheadKib } from "./limits.ts";

export interface FuseMountOptions {
  readonly client: NfsClient;
  readonly root: RemoteFile;
  /** An existing directory. */
  readonly directory: string;
  readonly source: string;
  readonly readOnly: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Shared with the client: a request of the kernel waits for the server. */
  readonly busyPoll: BusyPoll;
}

export interface FuseMount {
  /** Resolves when the directory was unmounted, by whomever. */
  readonly ended: Promise<void>;
  unmount(): Promise<void>;
}

/** Shows what the client is connected to at a directory of this machine. */
export async function mountFuse(options: FuseMountOptions): Promise<FuseMount> {
  const { directory, log } = options;
  // As the kernel will have it; asked afterwards, this very process would have to answer.
  const place = await realpath(directory);
  const device = await FuseDevice.mount(directory, options);
  const bridge = new FuseBridge({ ...options, device });
  bridge.serve();
  raiseReadAhead(place, log);
  return {
    ended: device.ended.then(() => bridge.finish()),
    unmount: () => FuseDevice.unmount(directory, true),
  };
}

/** The kernel's default of 128 KiB would keep sequential reading slow. */
function raiseReadAhead(directory: string, log: Log): void {
  // Never by stat(2), for the same reason.
  readFile("/proc/self/mountinfo", "utf8", (error, mounts) => {
    const device = error ? undefined : deviceOf(mounts, directory);
    if (device === undefined) return;
    const setting = `/sys/class/bdi/${device}/read_ahead_kb`;
    writeFile(setting, String(readAheadKib), (failure) => {
      if (failure) log.debug({ error: failure.message }, "read-ahead stays as it was");
    });
  });
}

/** "major:minor" of what was mounted on the directory last (proc_pid_mountinfo(5)). */
function deviceOf(mounts: string, directory: string): string | undefined {
  const lines = mounts.split("\n").map((line) => line.split(" "));
  const wanted = lines.findLast(([, , , , at = ""]) => unescaped(at) === directory);
  return wanted?.[2];
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
