// Names, links, modes and owners of a mount, changed at random by several users: what comes of it is
// what comes of it on a local file system.
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python } from "../support/python.ts";

const program = readFileSync(new URL("program/random_names.py", import.meta.url), "utf8");
const isLong = process.env["MOORING_LONG"] !== undefined;
const seeds = isLong ? 120 : 25;
const steps = isLong ? 600 : 400;

let instance: Instance;
let fileSystem: MountedFileSystem;
let mount: Mount;
let local: string;

before(async () => {
  local = await mkdtemp(path.join(tmpdir(), "mooring-names-"));
  await chmod(local, 0o755);
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  mount = await fileSystem.mount();
});
after(async () => {
  await endAll(fileSystem, instance);
  await rm(local, { recursive: true, force: true });
});

test(`random changes of names and modes, ${seeds} seeds of ${steps} steps`, async () => {
  const home = mount.at("names");
  await mkdir(home);
  await python(program, local, home, "1", String(seeds), String(steps));
});
