// A server that is stopped again and again while clients work: what it has acknowledged is there
// after each restart. MOORING_LONG=1 stops it hundreds of times.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { SeededRandom } from "../../src/base/random.ts";
import { ensureDebianPackages } from "../../tools/setup/debian-packages.ts";
import { freePort } from "../support/instance.ts";
import { FaultDisk } from "./fault-disk.ts";
import { KilledServer } from "./killed-server.ts";
import { runKills } from "./kills.ts";

const isLong = process.env["MOORING_LONG"] !== undefined;
const kills = isLong ? 250 : 12;
const losses = isLong ? 150 : 8;

const directory = mkdtempSync(path.join(tmpdir(), "mooring-test-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test(`a server killed ${kills} times has all that it acknowledged, and a sound file system`, async () => {
  const server = new KilledServer(path.join(directory, "killed"), await freePort());
  await runKills(server, kills, new SeededRandom(Date.now()));
});

test(`a server that loses power ${losses} times has all that it acknowledged`, async () => {
  ensureDebianPackages(["gcc", "libc6-dev"]);
  const seed = Date.now();
  const random = new SeededRandom(seed);
  const own = path.join(directory, "lost");
  const disk = new FaultDisk(own, path.join(directory, "disk"));
  const server = new KilledServer(own, await freePort(), { disk, random });
  await runKills(server, losses, random);
});
