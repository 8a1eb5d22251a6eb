import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";

import { program, TaskStage } from "../support/tasks.ts";
import { taskImage } from "../support/task-image.ts";

let stage: TaskStage;
before(async () => {
  stage = await TaskStage.start();
});
after(() => stage.end());

test("a container has what its definition says, and what RunTask overrides", async () => {
  const task = await stage.run(
    [
      {
        entryPoint: ["/usr/local/bin/node", "--no-warnings"],
        command: ["/app/app.mts", "from the definition"],
        workingDirectory: "/var",
        user: "1234:5678",
        environment: [
          { name: "KEPT", value: "a=b c" },
          { name: "REPLACED", value: "by the definition" },
        ],
        ulimits: [{ name: "nofile", softLimit: 1024, hardLimit: 1024 }],
      },
    ],
    {
      run: {
        overrides: {
          containerOverrides: [
            {
              name: "app",
              command: ["/app/app.mts", "from", "RunTask"],
              environment: [
                { name: "REPLACED", value: "by RunTask" },
                { name: "ADDED", value: "" },
              ],
            },
          ],
        },
      },
    },
  );
  const seen = await task.inside(async () => {
    const { readFileSync } = await import("node:fs");
    const { KEPT, REPLACED, ADDED, AWS_REGION, AWS_EXECUTION_ENV } = process.env;
    return {
      environment: { KEPT, REPLACED, ADDED, AWS_REGION, AWS_EXECUTION_ENV },
      options: process.execArgv,
      command: process.argv.slice(1),
      directory: process.cwd(),
      user: [process.getuid!(), process.getgid!()],
      files: /^Max open files +(\d+) +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")),
    };
  });
  assert.deepEqual(
    { ...seen, files: seen.files?.slice(1) },
    {
      environment: {
        KEPT: "a=b c",
        REPLACED: "by RunTask",
        ADDED: "",
        AWS_REGION: "us-east-1",
        AWS_EXECUTION_ENV: "AWS_ECS_FARGATE",
      },
      options: ["--no-warnings"],
      command: ["/app/app.mts", "from", "RunTask"],
      directory: "/var",
      user: [1234, 5678],
      files: ["1024", "1024"],
    },
  );
});

const sizes = [
  { given: "the task's size", container: {}, run: {}, memoryMib: 1024, cpus: 0.5 },
  { given: "its own memory", container: { memory: 300 }, run: {}, memoryMib: 300, cpus: 0.5 },
  {
    given: "the size that RunTask overrides",
    container: {},
    run: { overrides: { cpu: "256", memory: "512" } },
    memoryMib: 512,
    cpus: 0.25,
  },
];
for (const { given, container, run, memoryMib, cpus } of sizes) {
  test(`a container is limited to ${given}`, async () => {
    const definition = { cpu: "512", memory: "1024" };
    const task = await stage.run([container], { definition, run });
    assert.deepEqual(await task.inside(limits), { memory: memoryMib << 20, cpus });
  });
}

/** What the kernel enforces, by control groups of version 2 or 1. */
async function limits(): Promise<{ memory: number; cpus: number }> {
  const { existsSync, readFileSync } = await import("node:fs");
  const read = (name: string) => readFileSync(`/sys/fs/cgroup/${name}`, "utf8").trim();
  if (existsSync("/sys/fs/cgroup/cpu.max")) {
    const [quota = "", period = ""] = read("cpu.max").split(" ");
    return { memory: Number(read("memory.max")), cpus: Number(quota) / Number(period) };
  }
  const quota = Number(read("cpu/cpu.cfs_quota_us"));
  return {
    memory: Number(read("memory/memory.limit_in_bytes")),
    cpus: quota / Number(read("cpu/cpu.cfs_period_us")),
  };
}

test("an app that takes more memory than it may is killed, and the container says so", async () => {
  const task = await stage.run([{ memory: 128 }]);
  await task.inside(() => void setTimeout(() => Buffer.alloc(512 << 20, 1), 50));
  const { containers, stopCode } = await task.until("STOPPED");
  assert.equal(stopCode, "EssentialContainerExited");
  assert.equal(containers?.[0]?.exitCode, 137);
  assert.match(containers[0].reason ?? "", /^OutOfMemoryError: /);
});

test("a read-only root file system refuses a write", async () => {
  const task = await stage.run([{ readonlyRootFilesystem: true }]);
  const code = await task.inside(async () => {
    const { writeFile } = await import("node:fs/promises");
    return writeFile("/app/new", "").catch(({ code }: NodeJS.ErrnoException) => code);
  });
  assert.equal(code, "EROFS");
});

test("containers share the task's own volume, and one may only read", async () => {
  const mountPoint = { sourceVolume: "scratch", containerPath: "/scratch" };
  const task = await stage.run(
    [
      { mountPoints: [mountPoint] },
      {
        name: "reader",
        environment: [{ name: "APP_PORT", value: "8081" }],
        mountPoints: [{ ...mountPoint, readOnly: true }],
      },
    ],
    { definition: { volumes: [{ name: "scratch" }] } },
  );
  await task.inside(async () => {
    const { writeFileSync } = await import("node:fs");
    writeFileSync("/scratch/note", "from the writer");
  });
  const read = await task.insideAt(8081, async () => {
    const { readFile, writeFile } = await import("node:fs/promises");
    const refused = writeFile("/scratch/note", "").catch(({ code }: { code: string }) => code);
    return [await refused, await readFile("/scratch/note", "utf8")];
  });
  assert.deepEqual(read, ["EROFS", "from the writer"]);
  const { Mounts } = await containerOf(task.id, "app");
  const directory = Mounts.find(({ Destination }) => Destination === "/scratch")?.Source ?? "";
  assert.equal(existsSync(`${directory}/note`), true);
  await task.stop();
  assert.equal(existsSync(directory), false, "the volume goes with its task");
});

test("a container has the labels and the image of its definition", async () => {
  const task = await stage.run([{ dockerLabels: { team: "blue" } }]);
  const { Config } = await containerOf(task.id, "app");
  assert.equal(Config.Labels["team"], "blue");
  const { image, imageDigest } = await task.container("app");
  assert.equal(image, taskImage);
  assert.match(imageDigest ?? "", /^sha256:[0-9a-f]{64}$/);
});

test("with an init process an app without handlers hears SIGTERM", async () => {
  const task = await stage.run([
    { linuxParameters: { initProcessEnabled: true }, ...program("setInterval(() => {}, 1000)") },
  ]);
  const stopped = await task.stop();
  assert.equal(stopped.containers?.[0]?.exitCode, 143);
});

async function containerOf(taskId: string, name: string) {
  const filters = { label: [`mooring.task=${taskId}`, `mooring.container=${name}`] };
  const [found] = await stage.docker.listContainers({ filters });
  assert.ok(found, `the engine has the container ${name}`);
  return stage.docker.getContainer(found.Id).inspect();
}
