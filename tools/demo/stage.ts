import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { Task } from "@aws-sdk/client-ecs";
import type Docker from "dockerode";

import { Api } from "../../src/cli/api.ts";
import { readSession } from "../../src/cli/session.ts";
import { allTasks, taskAddress, taskId } from "../../src/cli/task-lookup.ts";
import type { Moor } from "../moor.ts";
import type { Story } from "./story.ts";

/** What every chapter of the demo works with. */
export interface Stage {
  readonly story: Story;
  readonly moor: Moor;
  readonly docker: Docker;
  readonly directory: string;
}

export interface RunningTask {
  readonly id: string;
  readonly address: string;
  readonly zone: string;
}

export const uploads = path.resolve(import.meta.dirname, "../../examples/uploads");
export const definitionFile = path.join(uploads, "task-definition.json");
export const fileSystemId = "fs-0123456789abcdef0";
export const roleName = "ecsTaskExecutionRole";

export const run = promisify(execFile);

export function api(stage: Stage): Api {
  return new Api(readSession(stage.moor.dataDirectory));
}

/** `moor run`, with its progress shown. */
export async function moorRun(stage: Stage, args: readonly string[]): Promise<RunningTask> {
  const command = ["run", ...args];
  stage.story.say(`$ moor ${command.join(" ")}`);
  const result = await stage.moor.command(command, (line) => stage.story.say(line));
  if (result.exitCode !== 0) throw new Error(`moor run failed: ${result.stderr}`);
  const id = /^task (\S+)/m.exec(result.stdout)?.[1];
  const task = (await allTasks(api(stage), "default")).find((other) => taskId(other) === id);
  if (task === undefined) throw new Error(`moor run printed no task: ${result.stdout}`);
  return running(task);
}

export async function stopAllTasks(stage: Stage): Promise<void> {
  for (const task of await allTasks(api(stage), "default")) {
    if (task.lastStatus !== "STOPPED") await moorStop(stage, taskId(task));
  }
}

export async function moorStop(stage: Stage, id: string): Promise<void> {
  const stopped = await stage.moor.command(["stop", id]);
  if (stopped.exitCode !== 0) throw new Error(`moor stop failed: ${stopped.stderr}`);
}

function running(task: Task): RunningTask {
  return {
    id: taskId(task),
    address: taskAddress(task) ?? "",
    zone: task.availabilityZone ?? "",
  };
}
