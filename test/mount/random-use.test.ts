// A mount used at random. One file in every way: what is read is what was written, whichever part of
// it is still on its way to the server. Names, links, modes and owners, by several users: what comes
// of it is what comes of it on a local file system.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python } from "../support/python.ts";

const isLong = process.env["MOORING_LONG"] !== undefined;
const io = isLong ? { seeds: 30, steps: 1500 } : { seeds: 8, steps: 400 };
const names = isLong ? { seeds: 120, steps: 600 } : { seeds: 25, steps: 400 };

let instance: Instance;
let fileSystem: MountedFileSystem;
let mount: Mount;

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  mount = await fileSystem.mount();
});
after(() => endAll(fileSystem, instance));

/** Runs a program with its directories, and from its first seed on. */
function exercise(
  name: string,
  directories: readonly string[],
  first: number,
  { seeds, steps }: typeof io,
): Promise<string> {
  const program = readFileSync(new URL(`program/${name}`, import.meta.url), "utf8");
  return python(program, ...directories, String(first), String(seeds), String(steps));
}

test(`random input and output, ${io.seeds} seeds of ${io.steps} steps`, async () => {
  await exercise("random_io.py", [mount.at(".")], 1, io);
});

test(`random changes of names and modes, ${names.seeds} seeds of ${names.steps} steps`, async () => {
  const local = await mkdtemp(path.join(tmpdir(), "mooring-names-"));
  try {
    await chmod(local, 0o755);
    const home = mount.at("names");
    await mkdir(home);
    await exercise("random_names.py", [local, home], 1, names);
  } finally {
    await rm(local, { recursive: true, force: true });
  }
});

test("random input and output while the server is killed again and again", async () => {
  const exercising = exercise("random_io.py", [mount.at(".")], 1000, io).then(() => "over");
  let kills = 0;
  while ((await Promise.race([exercising, delay(500, "going on")])) !== "over") {
    await instance.crashAndStart();
    kills += 1;
  }
  assert.ok(kills > 0);
});
