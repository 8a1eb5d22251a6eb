// Clients that work on a server which is stopped again and again, and what is left in the end.
import assert from "node:assert/strict";

import { SystemClock } from "../../src/base/clock.ts";
import { SeededRandom } from "../../src/base/random.ts";
import { checkFileSystem } from "../../src/files/check.ts";
import type { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import { openStorage } from "../kernel-client/storage.ts";
import { connectTcp, nfsClient, rootUser } from "../support/nfs.ts";
import type { KilledServer } from "./killed-server.ts";
import { Load } from "./load.ts";

const clientCount = 3;
const loadsPerClient = 2;
/** Operations between two kills, at most. */
const operationsLimit = 150;

/** Kills the server so many times; asserts that all that it acknowledged is there each time. */
export async function runKills(
  server: KilledServer,
  kills: number,
  random: SeededRandom,
): Promise<void> {
  const clients = Array.from({ length: clientCount }, () =>
    nfsClient(() => connectTcp(server.address, server.port)),
  );
  try {
    await server.start();
    const made = clients.map((client) => loadsOf(client, server, random));
    const loads = (await Promise.all(made)).flat();
    let isOver = false;
    let left = 0;
    let reached = (): void => {};
    const acknowledged = (): void => {
      left -= 1;
      if (left === 0) reached();
    };
    const running = Promise.all(loads.map((load) => load.run(() => isOver, acknowledged)));
    while (server.kills < kills) {
      left = 1 + random.below(operationsLimit);
      const enough = new Promise<void>((resolve) => (reached = resolve));
      // A load that fails must not leave the rest waiting, nor a server that gave up by itself.
      await Promise.race([enough, running, server.ended]);
      await server.kill();
      await server.start();
    }
    isOver = true;
    await running;
    await server.kill();
    assert.deepEqual(await problems(server), [], "right after a kill");
    await server.start();
    for (const load of loads) await load.verify();
    await Promise.all(clients.map((client) => client.disconnect(5000)));
    await server.end("SIGTERM");
    assert.deepEqual(await problems(server), [], "after a clean end");
  } finally {
    for (const client of clients) client.close();
    await server.end("SIGKILL");
  }
}

async function loadsOf(
  client: NfsClient,
  server: KilledServer,
  random: SeededRandom,
): Promise<Load[]> {
  const { handle: root } = await client.connect(rootUser, "/");
  const loads: Load[] = [];
  for (let index = 0; index < loadsPerClient; index += 1) {
    const name = Buffer.from(random.bytes(8)).toString("hex");
    const made = await client.names.create(rootUser, root, name, "directory", 0o755);
    const own = new SeededRandom(random.below(2 ** 31));
    loads.push(new Load(client, server, made.handle, own));
  }
  return loads;
}

async function problems({ directory }: KilledServer): Promise<string[]> {
  const { store, data } = openStorage(directory, new SystemClock());
  try {
    return checkFileSystem(store, data);
  } finally {
    await data.close();
    await store.close();
  }
}
