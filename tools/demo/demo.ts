// The tutorial's task definition, run for real, step by step. Exits 0 only if all of it held.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { ensureContainerEngine } from "../setup/container-engine.ts";
import { ensureDebianPackages } from "../setup/debian-packages.ts";
import {
  buildUploadImage,
  runTutorial,
  surviveKill,
  surviveMove,
  readLogs,
  uploadAndCheck,
} from "./chapters.ts";
import { failWithoutClientMount, failWithoutDirectory, failWithoutRule } from "./failures.ts";
import { Moor } from "../moor.ts";
import { Story } from "./story.ts";
import { stopAllTasks } from "./stage.ts";

const listen = "127.0.0.1:4566";
const story = new Story();

ensureDebianPackages(["iproute2", "iptables"]);
const docker = await ensureContainerEngine();
const directory = await mkdtemp(path.join(tmpdir(), "mooring-demo-"));
const moor = new Moor(directory, listen);
const stage = { story, moor, docker, directory };

try {
  await story.step(`1. moor up, on ${listen}`, async () => {
    await moor.up();
    story.holds(true, `the API answers; state is in ${directory}`);
  });
  await buildUploadImage(stage);
  const first = await runTutorial(stage);
  const files = await uploadAndCheck(stage, first);
  const second = await surviveMove(stage, first, files);
  await surviveKill(stage, second, files);
  await readLogs(stage, second);
  await failWithoutClientMount(stage);
  await failWithoutDirectory(stage);
  await failWithoutRule(stage);
  await story.step("Tidying up", () => stopAllTasks(stage));
  await moor.end("SIGTERM");
  await rm(directory, { recursive: true, force: true });
  story.end();
} catch (error) {
  story.fail(error);
  await stopAllTasks(stage).catch((reason: unknown) =>
    story.say(`not tidied up: ${String(reason)}`),
  );
  await moor.end("SIGTERM");
  story.say(`state and logs are left in ${directory}`);
  process.exitCode = 1;
}
