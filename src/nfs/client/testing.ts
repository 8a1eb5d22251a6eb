import type { Duplex } from "node:stream";

import { BusyPoll } from "../../base/busy-poll.ts";
import { type Clock, SystemClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { SystemRandom } from "../../base/random.ts";
import { NfsClient } from "./nfs-client.ts";

/** For tests: a client, to its server always the same one. */
export function testClient(
  dial: () => Promise<Duplex>,
  clock: Clock = new SystemClock(),
): NfsClient {
  return new NfsClient({
    dial,
    clock,
    random: new SystemRandom(),
    log: silentLog,
    busyPoll: new BusyPoll(),
    owner: "test",
  });
}
