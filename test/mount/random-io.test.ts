// One file of a mount, used in every way at random: what is read is what was written, whichever
// part of it is still on its way to the server.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python } from "../support/python.ts";

const program = readFileSync(new URL("program/random_io.py", import.meta.url), "utf8");
const isLong = process.env["MOORING_LONG"] !== undefined;
const seeds = isLong ? 30 : 8;
const steps = isLong ? 1500 : 400;

let instance: Instance;
let fileSystem: MountedFileSystem;
let mount: Mount;

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  mount = await fileSystem.mount();
});
after(() => endAll(fileSystem, instance));

const exercise = (first: number, count: number): Promise<string> =>
  python(program, mount.at("."), String(first), String(count), String(steps));

test(`random input and output, ${seeds} seeds of ${steps} steps`, async () => {
  await exercise(1, seeds);
});

test("the same while the server is killed again and again", async () => {
  const exercising = exercise(1000, seeds).then(() => "over");
  let kills = 0;
  while ((await Promise.race([exercising, delay(500, "going on")])) !== "over") {
    await instance.crashAndStart();
    kills += 1;
  }
  assert.ok(kills > 0);
});
