import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Task } from "@aws-sdk/client-ecs";

import { program, TaskStage } from "../support/tasks.ts";

let stage: TaskStage;
before(async () => {
  stage = await TaskStage.start();
});
after(() => stage.end());

const everyStatus = [
  "PROVISIONING",
  "PENDING",
  "ACTIVATING",
  "RUNNING",
  "DEACTIVATING",
  "STOPPING",
  "DEPROVISIONING",
  "STOPPED",
];
const everyTime = [
  "createdAt",
  "connectivityAt",
  "pullStartedAt",
  "pullStoppedAt",
  "startedAt",
  "stoppingAt",
  "executionStoppedAt",
  "stoppedAt",
] as const;

test("a task whose app exits passes the statuses and times in order", async () => {
  const seen: Task[] = [];
  const task = await stage.place([{}]);
  const running = await task.until("RUNNING", (each) => seen.push(each));
  assert.equal(running.desiredStatus, "RUNNING");
  assert.equal(running.connectivity, "CONNECTED");
  assert.equal(running.containers?.[0]?.lastStatus, "RUNNING");
  assert.match(running.containers[0].runtimeId ?? "", new RegExp(`^${task.id}-\\d{10}$`));
  assert.equal(running.containers[0].exitCode, undefined);
  await task.inside(() => void setTimeout(() => process.exit(7), 50));
  const stopped = await task.until("STOPPED", (each) => seen.push(each));

  const statuses = seen.map((each) => everyStatus.indexOf(each.lastStatus ?? ""));
  assert.deepEqual(
    statuses,
    statuses.toSorted((a, b) => a - b),
  );
  const versions = seen.map((each) => each.version ?? 0);
  assert.deepEqual(
    versions,
    versions.toSorted((a, b) => a - b),
  );
  const times = everyTime.map((name) => Number(stopped[name]));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.equal(times.some(Number.isNaN), false);
  assert.deepEqual(outcome(stopped), {
    desiredStatus: "STOPPED",
    stopCode: "EssentialContainerExited",
    stoppedReason: "Essential container in task exited",
    containers: { app: ["STOPPED", 7, undefined] },
  });
});

test("a running task's interface has its address in the subnet and is gone after it", async () => {
  const subnet = stage.subnets[1]!;
  const task = await stage.run([{}], { subnet });
  const address = await task.address();
  const macAddress = await task.attachment("macAddress");
  const networkInterfaceId = await task.attachment("networkInterfaceId");
  const { availabilityZone, attachments, containers } = await task.describe();
  assert.equal(availabilityZone, subnet.zone);
  assert.equal(attachments?.[0]?.status, "ATTACHED");
  assert.equal(await task.attachment("subnetId"), subnet.id);
  assert.equal(containers?.[0]?.networkInterfaces?.[0]?.privateIpv4Address, address);
  assert.equal(prefixOf(address, subnet.cidrBlock), prefixOf(subnet.cidrBlock, subnet.cidrBlock));
  const inside = await task.inside(async () => {
    const { networkInterfaces } = await import("node:os");
    return Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  });
  const own = inside.find((each) => each.family === "IPv4" && !each.internal);
  assert.deepEqual([own?.address, own?.mac], [address, macAddress]);

  const { ec2 } = stage.api;
  const filters = { Filters: [{ Name: "addresses.private-ip-address", Values: [address] }] };
  const { NetworkInterfaces } = await ec2.describeNetworkInterfaces(filters);
  assert.deepEqual(
    NetworkInterfaces?.map((each) => each.NetworkInterfaceId),
    [networkInterfaceId],
  );
  const stopped = await task.stop();
  assert.equal(stopped.attachments?.[0]?.status, "DELETED");
  assert.deepEqual((await ec2.describeNetworkInterfaces(filters)).NetworkInterfaces, []);
});

const stops = [
  { given: "a reason", reason: "enough for today", expected: "enough for today" },
  { given: "no reason", reason: undefined, expected: "Task stopped by user" },
];
for (const { given, reason, expected } of stops) {
  test(`StopTask with ${given} lets the app end on SIGTERM`, async () => {
    const task = await stage.run([{}]);
    await task.inside(() => {
      process.removeAllListeners("SIGTERM");
      process.once("SIGTERM", () => process.exit(3));
    });
    assert.deepEqual(outcome(await task.stop(reason)), {
      desiredStatus: "STOPPED",
      stopCode: "UserInitiated",
      stoppedReason: expected,
      containers: { app: ["STOPPED", 3, undefined] },
    });
  });
}

test("an app that ignores SIGTERM is killed after its stopTimeout", async () => {
  const task = await stage.run([{ stopTimeout: 2 }]);
  await task.inside(() => {
    process.removeAllListeners("SIGTERM");
    process.on("SIGTERM", () => {});
  });
  const stopped = await task.stop();
  assert.equal(stopped.containers?.[0]?.exitCode, 137);
  const graceMs = Number(stopped.executionStoppedAt) - Number(stopped.stoppingAt);
  assert.ok(graceMs >= 2000, `it had ${graceMs} ms`);
  assert.ok(graceMs < 30_000, `it had ${graceMs} ms, as if no stopTimeout were given`);
});

test("an essential container's exit stops the others, an inessential one's doesn't", async () => {
  const task = await stage.run([
    {},
    { name: "once", essential: false, ...program("process.exit(4)") },
    { name: "beside", essential: false, environment: [{ name: "APP_PORT", value: "8081" }] },
  ]);
  await task.insideAt(8081, () => "it listens");
  // All containers of a task share localhost: one's app is asked by the other.
  const answer = await task.inside(async () => {
    const body = JSON.stringify({ source: "() => process.env.APP_PORT", values: [] });
    const response = await fetch("http://127.0.0.1:8081", { method: "POST", body });
    return response.json();
  });
  assert.deepEqual(answer, { value: "8081" });
  const { lastStatus, exitCode } = await task.container("once");
  assert.deepEqual([lastStatus, exitCode], ["STOPPED", 4]);
  assert.equal((await task.describe()).lastStatus, "RUNNING");
  await task.inside(() => void setTimeout(() => process.exit(0), 50));
  assert.deepEqual(outcome(await task.until("STOPPED")), {
    desiredStatus: "STOPPED",
    stopCode: "EssentialContainerExited",
    stoppedReason: "Essential container in task exited",
    containers: {
      app: ["STOPPED", 0, undefined],
      once: ["STOPPED", 4, undefined],
      beside: ["STOPPED", 0, undefined],
    },
  });
});

test("an image that isn't there fails the task before anything ran", async () => {
  // Nothing listens on port 1, so that the engine's request is refused at once.
  const task = await stage.place([{ image: "127.0.0.1:1/nothing:latest" }]);
  const { stoppedReason, ...rest } = outcome(await task.until("STOPPED"));
  assert.match(stoppedReason ?? "", /^CannotPullContainerError: .*127\.0\.0\.1:1\/nothing:latest/);
  assert.deepEqual(rest, {
    desiredStatus: "STOPPED",
    stopCode: "TaskFailedToStart",
    containers: { app: ["STOPPED", undefined, undefined] },
  });
});

test("a program that isn't in the image fails the task and stops what had started", async () => {
  const task = await stage.place([
    // As process 1 without a handler it doesn't hear SIGTERM.
    { name: "first", stopTimeout: 1, ...program("setInterval(() => {}, 1000)") },
    { name: "second", entryPoint: ["/no/such/program"] },
  ]);
  const { stoppedReason, stopCode, containers } = outcome(await task.until("STOPPED"));
  assert.equal(stopCode, "TaskFailedToStart");
  assert.match(stoppedReason ?? "", /^CannotStartContainerError: .*\/no\/such\/program/);
  assert.deepEqual(containers["first"], ["STOPPED", 137, undefined]);
  assert.deepEqual(containers["second"], ["STOPPED", undefined, stoppedReason]);
});

/** What a stopped task says of its end; containers as status, exit code and reason. */
function outcome(task: Task) {
  const { desiredStatus, stopCode, stoppedReason, containers = [] } = task;
  const ends = containers.map((each) => [each.name, [each.lastStatus, each.exitCode, each.reason]]);
  return {
    desiredStatus,
    stopCode,
    stoppedReason,
    containers: Object.fromEntries(ends) as Record<string, unknown[]>,
  };
}

/** As many bits of the address as the range's prefix has. */
function prefixOf(address: string, cidrBlock: string): string {
  const bits = address
    .split("/")[0]!
    .split(".")
    .map((each) => Number(each).toString(2).padStart(8, "0"));
  return bits.join("").slice(0, Number(cidrBlock.split("/")[1]));
}
