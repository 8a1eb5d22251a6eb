import type { Duplex } from "node:stream";

import { BusyPoll } from "../../base/busy-poll.ts";
import { type Clock, SystemClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { SystemRandom } from "../../base/random.ts";
import { NfsClient } from "./nfs-client.ts";

/** For tests: a client, to its server always the same one unless it is given a name. */
export function testClient(
  dial: () => Promise<Duplex>,
  options: { readonly clock?: Clock; readonly owner?: string } = {},
): NfsClient {
  const { clock = new SystemClock(), owner = "test" } = options;
  const [random, busyPoll] = [new SystemRandom(), new BusyPoll()];
  return new NfsClient({ dial, clock, random, log: silentLog, busyPoll, owner });
}
