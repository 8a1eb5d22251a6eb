import { once } from "node:events";
import { connect } from "node:net";

import { BusyPoll } from "../../src/base/busy-poll.ts";
import { SystemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { SystemRandom } from "../../src/base/random.ts";
import { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import type { MountedFileSystem } from "./mounted.ts";

const inFlight = 64;
const root = { machineName: "test", uid: 0, gid: 0, gids: [] };

/**
 * Makes symbolic links "entry-0", "entry-1", … to "x" in a directory of the file system, many at
 * once, as a kernel makes only one name at a time in one directory.
 */
export async function makeEntries(
  { address, instance }: MountedFileSystem,
  directory: string,
  count: number,
): Promise<void> {
  const client = new NfsClient({
    dial: async () => {
      const socket = connect(instance.nfsPort, address);
      await once(socket, "connect");
      return socket;
    },
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: silentLog,
    busyPoll: new BusyPoll(),
    owner: "many entries",
  });
  try {
    const { handle } = await client.connect(root, directory);
    let next = 0;
    const makeSome = async (): Promise<void> => {
      while (next < count) {
        next += 1;
        await client.names.create(root, handle, `entry-${next - 1}`, "symlink", 0o777, "x");
      }
    };
    await Promise.all(Array.from({ length: inFlight }, makeSome));
  } finally {
    await client.disconnect(1000);
  }
}
