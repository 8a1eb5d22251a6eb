import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import type { RegisterTaskDefinitionRequest } from "@aws-sdk/client-ecs";

import { StartedTask } from "../support/started-task.ts";
import { taskImage } from "../support/task-image.ts";
import { TaskStage } from "../support/tasks.ts";

let stage: TaskStage;
before(async () => {
  stage = await TaskStage.start();
});
after(() => stage.end());

const tutorial = path.resolve(import.meta.dirname, "../../examples/uploads/task-definition.json");

/** The tutorial's definition for the tests' image. */
async function definitionFile(image: string): Promise<string> {
  const definition = JSON.parse(await readFile(tutorial, "utf8")) as RegisterTaskDefinitionRequest;
  definition.containerDefinitions![0]!.image = image;
  const file = path.join(stage.instance.dataDirectory, "definition.json");
  await writeFile(file, JSON.stringify(definition));
  return file;
}

/** `moor run` of a file that has to start, with what it said to have made. */
async function moorRun(file: string): Promise<{ task: StartedTask; made: string }> {
  const { exitCode, stdout, stderr } = await stage.instance.moor.command(["run", file]);
  assert.equal(exitCode, 0, stderr);
  const id = /^task ([0-9a-f]{32}) at [0-9.]+\n$/.exec(stdout)?.[1];
  assert.ok(id, stdout);
  const made = stderr.split("\n").filter((line) => line.startsWith("made "));
  return { task: new StartedTask(() => stage.api.ecs, id), made: made.join("\n") };
}

test("moor run makes what the tutorial's definition names, once, and runs it", async () => {
  const file = await definitionFile(taskImage);
  const { task, made } = await moorRun(file);
  for (const what of [
    /^made file system fs-0123456789abcdef0$/m,
    /^made access point fsap-0123456789abcdef0/m,
    /^made role ecsTaskExecutionRole/m,
    /^made log group \/ecs\/my-efs-app$/m,
  ]) {
    assert.match(made, what);
  }
  const owner = await task.inside(async () => {
    const { statSync, writeFileSync } = await import("node:fs");
    writeFileSync("/mnt/efs/file", "content");
    const { uid, gid } = statSync("/mnt/efs/file");
    return [uid, gid];
  });
  assert.deepEqual(owner, [1000, 1000]);

  assert.equal((await moorRun(file)).made, "");
});

test("moor run of a task that doesn't start prints its stoppedReason and fails", async () => {
  const file = await definitionFile("127.0.0.1:1/nothing:latest");
  const { exitCode, stderr } = await stage.instance.moor.command(["run", file]);
  assert.notEqual(exitCode, 0);
  assert.match(stderr, /^moor: The task did not start: CannotPullContainerError: /m);
  assert.match(stderr, /^`moor explain [0-9a-f]{32}` says why and what to do\.$/m);
});
