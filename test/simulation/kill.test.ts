// A server that is stopped again and again while clients work: what it has acknowledged is there
// after each restart. MOORING_LONG=1 stops it hundreds of times.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { SeededRandom } from "../../src/base/random.ts";
import { ensureDebianPackages } from "../../tools/setup/debian-packages.ts";
import { freePort } from "../support/instance.ts";
import { connectTcp, nfsClient, readWrite, rootUser } from "../support/nfs.ts";
import { FaultDisk } from "./fault-disk.ts";
import { KilledServer } from "./killed-server.ts";
import { runKills } from "./kills.ts";

const isLong = process.env["MOORING_LONG"] !== undefined;
const kills = isLong ? 250 : 12;
/** In a third of the lives before a loss of power one of so many flushes of contents fails. */
const failingFlushLimit = 8;
const losses = isLong ? 150 : 8;

const directory = mkdtempSync(path.join(tmpdir(), "mooring-test-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test(`a server killed ${kills} times has all that it acknowledged, and a sound file system`, async () => {
  const server = new KilledServer(path.join(directory, "killed"), await freePort());
  await runKills(server, kills, new SeededRandom(Date.now()));
});

test(`a server that loses power ${losses} times has all that it acknowledged`, async () => {
  const random = new SeededRandom(Date.now());
  const server = await serverWithPower("lost", random, () => {
    // Not in the last life, after which nobody starts the server again.
    const mayFail = server.kills < losses && random.below(3) === 0;
    return mayFail ? 1 + random.below(failingFlushLimit) : 0;
  });
  await runKills(server, losses, random);
});

test("a server whose disk fails ends, and acknowledges nothing that is lost", async () => {
  const server = await serverWithPower("failing", new SeededRandom(1), () => {
    return server.kills === 0 ? 1 : 0;
  });
  const client = nfsClient(() => connectTcp(server.address, server.port));
  try {
    await server.start();
    const { handle } = await client.connect(rootUser, "/");
    const how = { mode: 0o644, access: readWrite, exclusive: true };
    const { open } = await client.createFile(rootUser, handle, "file", how);
    const expected = Buffer.alloc(300_000, 7);
    await client.write(open, 0, expected, false);
    const committed = client.commit(open);
    await server.ended;
    await server.kill();
    await server.start();
    await committed;
    await server.kill();
    await server.start();
    const actual = Buffer.from(await client.read(open, 0, expected.length + 1));
    assert.ok(actual.equals(expected));
  } finally {
    client.close();
    await server.end("SIGKILL");
  }
});

async function serverWithPower(
  name: string,
  random: SeededRandom,
  failingFlush: () => number,
): Promise<KilledServer> {
  ensureDebianPackages(["gcc", "libc6-dev"]);
  const own = path.join(directory, name);
  const disk = new FaultDisk(own, path.join(directory, `${name}-disk`));
  return new KilledServer(own, await freePort(), { disk, random, failingFlush });
}
