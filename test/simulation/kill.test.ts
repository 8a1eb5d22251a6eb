// A server that is killed again and again while clients work: what it has acknowledged is there
// after each restart. MOORING_LONG=1 kills it hundreds of times.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { SystemClock } from "../../src/base/clock.ts";
import { SeededRandom } from "../../src/base/random.ts";
import { checkFileSystem } from "../../src/files/check.ts";
import type { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import { openStorage } from "../kernel-client/storage.ts";
import { freePort } from "../support/instance.ts";
import { connectTcp, nfsClient, rootUser } from "../support/nfs.ts";
import { KilledServer } from "./killed-server.ts";
import { Load } from "./load.ts";

const kills = process.env["MOORING_LONG"] ? 400 : 20;
const clientCount = 3;
const loadsPerClient = 2;
/** Operations between two kills, at most. */
const operationsLimit = 150;

const directory = mkdtempSync(path.join(tmpdir(), "mooring-test-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test(`a server killed ${kills} times has all that it acknowledged, and a sound file system`, async () => {
  const server = new KilledServer(directory, await freePort());
  const clients = Array.from({ length: clientCount }, () =>
    nfsClient(() => connectTcp(server.address, server.port)),
  );
  try {
    await server.start();
    const random = new SeededRandom(Date.now());
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
      // A load that fails must not leave the rest waiting.
      await Promise.race([new Promise<void>((resolve) => (reached = resolve)), running]);
      await server.kill();
      await server.start();
    }
    isOver = true;
    await running;
    await server.kill();
    assert.deepEqual(await problems(), [], "right after a kill");
    await server.start();
    for (const load of loads) await load.verify();
    await Promise.all(clients.map((client) => client.disconnect(5000)));
    await server.end("SIGTERM");
    assert.deepEqual(await problems(), [], "after a clean end");
  } finally {
    for (const client of clients) client.close();
    await server.end("SIGKILL");
  }
});

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

async function problems(): Promise<string[]> {
  const { store, data } = openStorage(directory, new SystemClock());
  try {
    return checkFileSystem(store, data);
  } finally {
    await data.close();
    await store.close();
  }
}
