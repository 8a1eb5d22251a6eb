// One file of a mount, used in every way at random: what is read is what was written, whichever
// part of it is still on its way to the server.
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python } from "../support/python.ts";

const program = readFileSync(new URL("program/random_io.py", import.meta.url), "utf8");
const isLong = process.env["MOORING_LONG"] !== undefined;
const seeds = isLong ? 60 : 8;
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

test(`random input and output, ${seeds} seeds of ${steps} steps`, async () => {
  await python(program, mount.at("."), "1", String(seeds), String(steps));
});
