import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Clients } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import type { StartedTask } from "../support/started-task.ts";
import { mountsBelow } from "../support/task-remains.ts";
import {
  containerPath,
  makeTaskVolume,
  type TaskVolume,
  withVolume,
} from "../support/task-volumes.ts";
import { TaskStage } from "../support/tasks.ts";

let stage: TaskStage;
let volume: TaskVolume;
before(async () => {
  stage = await TaskStage.start();
  volume = await makeTaskVolume(stage);
});
after(() => stage.end());

/** The engine's ids of the task's containers, with their states. */
async function containersOf(task: StartedTask): Promise<Record<string, string>> {
  const filters = { label: [`mooring.task=${task.id}`] };
  const found = await stage.docker.listContainers({ all: true, filters });
  return Object.fromEntries(found.map(({ Id, State }) => [Id, State]));
}

function mountsOf(task: StartedTask): string[] {
  return mountsBelow(stage.instance.dataDirectory).filter((mount) => mount.includes(task.id));
}

test("a task goes on when moor up is killed, volume and credentials included", async () => {
  const { container, definition } = withVolume(volume);
  const task = await stage.run([container], { definition });
  // It writes one file after the other, and counts those that it could read back.
  await task.inside(async (directory) => {
    const { readFile, writeFile } = await import("node:fs/promises");
    const progress = { done: 0, errors: [] as string[] };
    Object.assign(globalThis, { progress });
    const write = async () => {
      try {
        await writeFile(`${directory}/file-${progress.done}`, `content ${progress.done}`);
        const read = await readFile(`${directory}/file-${progress.done}`, "utf8");
        if (read !== `content ${progress.done}`) throw new Error(`${progress.done}: ${read}`);
        progress.done += 1;
      } catch (error) {
        progress.errors.push(String(error));
      }
      setTimeout(() => void write(), 5);
    };
    void write();
  }, containerPath);
  const progressOf = () =>
    task.inside(
      () => (globalThis as unknown as { progress: { done: number; errors: string[] } }).progress,
    );
  const before = await task.describe();
  const containers = await containersOf(task);
  await eventually("some files", async () => (await progressOf()).done > 20);

  await stage.instance.moor.end("SIGKILL");
  const { done } = await progressOf();
  await stage.instance.moor.up();
  assert.deepEqual(await task.describe(), before);
  assert.deepEqual(await containersOf(task), containers);
  await eventually("more files", async () => (await progressOf()).done > done + 20);
  assert.deepEqual((await progressOf()).errors, []);

  const credentials = await task.inside(async () => {
    const path = process.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
    return (await fetch(`http://169.254.170.2${path}`)).json() as Promise<Record<string, string>>;
  });
  const { sts } = new Clients(stage.instance, {
    accessKeyId: credentials["AccessKeyId"]!,
    secretAccessKey: credentials["SecretAccessKey"]!,
    sessionToken: credentials["Token"]!,
  });
  const { Arn } = await sts.getCallerIdentity({});
  assert.match(Arn ?? "", new RegExp(`assumed-role/${volume.taskRoleName}/${task.id}$`));
  const { key, name } = await task.inside(async () => {
    const uri = process.env["ECS_CONTAINER_METADATA_URI_V4"]!;
    const { DockerId, Name } = (await (await fetch(uri)).json()) as Record<string, string>;
    return { key: DockerId, name: Name };
  });
  assert.deepEqual([key, name], [before.containers?.[0]?.runtimeId, "app"]);

  const stopped = await task.stop("done");
  assert.equal(stopped.containers?.[0]?.exitCode, 0);
  assert.equal(stopped.stoppedReason, "done");
  assert.deepEqual(await containersOf(task), {});
  assert.deepEqual(mountsOf(task), []);
});

test("a container that ended while moor up was away is noticed", async () => {
  const task = await stage.run([{}]);
  await task.inside(() => void setTimeout(() => process.exit(9), 500));
  await stage.instance.moor.end("SIGKILL");
  await eventually("the container has ended", async () =>
    Object.values(await containersOf(task)).includes("exited"),
  );
  await stage.instance.moor.up();
  const { stopCode, stoppedReason, containers } = await task.until("STOPPED");
  assert.equal(stopCode, "EssentialContainerExited");
  assert.equal(stoppedReason, "Essential container in task exited");
  assert.deepEqual([containers?.[0]?.lastStatus, containers?.[0]?.exitCode], ["STOPPED", 9]);
  assert.deepEqual(await containersOf(task), {});
});

test("containers that are gone altogether, as after a reboot, stop their task", async () => {
  // Of its own: it waits for clients that can't come back, for as long as a lease lasts.
  const { container, definition } = withVolume(await makeTaskVolume(stage));
  const task = await stage.run([container], { definition });
  await stage.instance.moor.end("SIGKILL");
  for (const id of Object.keys(await containersOf(task))) {
    await stage.docker.getContainer(id).remove({ force: true });
  }
  await stage.instance.moor.up();
  const { stopCode, containers } = await task.until("STOPPED");
  assert.equal(stopCode, "EssentialContainerExited");
  assert.equal(containers?.[0]?.lastStatus, "STOPPED");
  assert.deepEqual(mountsOf(task), []);
});

test("a stop that a kill interrupted is brought to its end", async () => {
  const task = await stage.run([{ stopTimeout: 2 }]);
  await task.inside(() => {
    process.removeAllListeners("SIGTERM");
    process.on("SIGTERM", () => {});
  });
  await stage.api.ecs.stopTask({ task: task.arn, reason: "before the crash" });
  await stage.instance.crashAndStart();
  const { stopCode, stoppedReason, containers } = await task.until("STOPPED");
  assert.equal(stopCode, "UserInitiated");
  assert.equal(stoppedReason, "before the crash");
  assert.equal(containers?.[0]?.exitCode, 137);
  assert.deepEqual(await containersOf(task), {});
});

test("a task whose start a kill interrupted starts after all, wherever it had come to", async () => {
  const { container, definition } = withVolume(volume);
  const early = new Set(["PROVISIONING", "PENDING", "ACTIVATING"]);
  const moments: [string, (task: StartedTask) => Promise<boolean>][] = [
    ["it is placed", async () => true],
    ["it has a container", async (task) => Object.keys(await containersOf(task)).length > 0],
    ["its volume is mounted", async (task) => mountsOf(task).length > 0],
  ];
  for (const [awaited, moment] of moments) {
    const task = await stage.place([container], { definition });
    await eventually(awaited, () => moment(task));
    const { lastStatus } = await task.describe();
    assert.ok(early.has(lastStatus ?? ""), `${lastStatus} when ${awaited}`);
    await stage.instance.crashAndStart();
    await task.until("RUNNING");
    // Opening a file could wait for the client of the first start, which can't come back (RFC 8881
    // §8.4.2); a directory needs no state.
    const names = await task.inside(
      async (directory, name) => {
        const { mkdirSync, readdirSync } = await import("node:fs");
        mkdirSync(`${directory}/${name}`);
        return readdirSync(directory);
      },
      containerPath,
      task.id,
    );
    assert.ok(names.includes(task.id), `the volume has ${names.join(", ")}`);
    await task.stop();
    assert.deepEqual(await containersOf(task), {});
    assert.deepEqual(mountsOf(task), []);
  }
});
