import { stat, writeFile } from "node:fs";

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { FileHandle } from "../nfs/client/compound.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import { FuseBridge } from "./bridge.ts";
import { FuseDevice } from "./device.ts";
import { readAheadKib } from "./limits.ts";

export interface FuseMountOptions {
  readonly client: NfsClient;
  readonly root: FileHandle;
  /** An existing directory. */
  readonly directory: string;
  readonly source: string;
  readonly readOnly: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface FuseMount {
  /** Resolves when the directory was unmounted, by whomever. */
  readonly ended: Promise<void>;
  unmount(): Promise<void>;
}

/** Shows what the client is connected to at a directory of this machine. */
export async function mountFuse(options: FuseMountOptions): Promise<FuseMount> {
  const { directory, log } = options;
  const device = await FuseDevice.mount(directory, options, log);
  const bridge = new FuseBridge(options);
  bridge.serve(device);
  raiseReadAhead(directory, log);
  return {
    ended: device.ended,
    unmount: () => FuseDevice.unmount(directory, true),
  };
}

/** The kernel's default of 128 KiB would keep sequential reading slow. */
function raiseReadAhead(directory: string, log: Log): void {
  // Asynchronously: it is this very process that has to answer.
  stat(directory, (error, found) => {
    if (error) return;
    const minor = (found.dev & 0xff) | ((found.dev >> 12) & 0xfff00);
    const major = (found.dev >> 8) & 0xfff;
    const setting = `/sys/class/bdi/${major}:${minor}/read_ahead_kb`;
    writeFile(setting, String(readAheadKib), (failure) => {
      if (failure) log.debug({ error: failure.message }, "read-ahead stays as it was");
    });
  });
}
