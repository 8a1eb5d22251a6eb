import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { mountsBelow } from "../support/task-remains.ts";
import {
  accessPointUser,
  clientPolicy,
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

test("a file that root writes through an access point is the access point's user's", async () => {
  const { container, definition } = withVolume(volume);
  const task = await stage.run([container], { definition });
  const owner = await task.inside(async (directory) => {
    const { statSync, writeFileSync } = await import("node:fs");
    writeFileSync(`${directory}/by-root`, "content");
    const { uid, gid, mode } = statSync(`${directory}/by-root`);
    return { process: process.getuid!(), uid, gid, mode: (mode & 0o777).toString(8) };
  }, containerPath);
  const { Uid: uid, Gid: gid } = accessPointUser;
  assert.deepEqual(owner, { process: 0, uid, gid, mode: "644" });
});

test("tasks in two zones see each other's files at once", async () => {
  const { container, definition } = withVolume(volume);
  const [first, second] = await Promise.all(
    stage.subnets.slice(0, 2).map((subnet) => stage.run([container], { definition, subnet })),
  );
  assert.notEqual(
    (await first!.describe()).availabilityZone,
    (await second!.describe()).availabilityZone,
  );
  for (const [writer, reader, name] of [
    [first!, second!, "to-the-second"],
    [second!, first!, "to-the-first"],
  ] as const) {
    await writer.inside(async (file) => {
      const { writeFileSync } = await import("node:fs");
      writeFileSync(file, `${file} from afar`);
    }, `${containerPath}/${name}`);
    const read = await reader.inside(async (file) => {
      const { readFileSync } = await import("node:fs");
      return readFileSync(file, "utf8");
    }, `${containerPath}/${name}`);
    assert.equal(read, `${containerPath}/${name} from afar`);
  }
});

test("a volume is mounted while its task runs, and not after it", async () => {
  const { container, definition } = withVolume(volume);
  const task = await stage.run([container], { definition });
  const mountsOf = (id: string) =>
    mountsBelow(stage.instance.dataDirectory).filter((mount) => mount.includes(id));
  await task.inside(() => "it listens, and hears SIGTERM");
  assert.equal(mountsOf(task.id).length, 1);
  await task.stop();
  assert.deepEqual(mountsOf(task.id), []);
});

test("a read-only mount point refuses a write that another container may do", async () => {
  const { container, definition } = withVolume(volume);
  const readOnly = container.mountPoints.map((each) => ({ ...each, readOnly: true }));
  const task = await stage.run(
    [
      container,
      {
        name: "reader",
        mountPoints: readOnly,
        environment: [{ name: "APP_PORT", value: "8081" }],
      },
    ],
    { definition },
  );
  const write = async (file: string) => {
    const { writeFile } = await import("node:fs/promises");
    return writeFile(file, "text").then(
      () => "written",
      ({ code }: { code: string }) => code,
    );
  };
  assert.equal(await task.inside(write, `${containerPath}/shared`), "written");
  assert.equal(await task.insideAt(8081, write, `${containerPath}/shared`), "EROFS");
});

const failures = [
  {
    given: "a task role without ClientMount",
    actions: ["ClientWrite"],
    change: {},
    stderr: /b'mount\.nfs4: access denied by server while mounting 127\.0\.0\.1:\/'/,
    code: 32,
    cause: /ClientMount/,
  },
  {
    given: "a rootDirectory that doesn't exist",
    actions: ["ClientMount", "ClientWrite"],
    change: { rootDirectory: "/not/there", authorizationConfig: { iam: "ENABLED" } },
    stderr:
      /b'mount\.nfs4: mounting 127\.0\.0\.1:\/not\/there failed, reason given by server: No such file or directory'/,
    code: 32,
    cause: /\/not\/there/,
  },
  {
    given: "an access point of another file system",
    actions: ["ClientMount", "ClientWrite"],
    change: {
      authorizationConfig: { iam: "ENABLED", accessPointId: "fsap-0123456789abcdef0" },
    },
    stderr: /b'mount\.nfs4: access denied by server while mounting 127\.0\.0\.1:\/'/,
    code: 32,
    cause: /fsap-0123456789abcdef0/,
  },
  {
    given: "a file system without a mount target",
    actions: ["ClientMount", "ClientWrite"],
    change: { fileSystemId: "fs-0123456789abcdef0", authorizationConfig: { iam: "ENABLED" } },
    stderr: /Failed to resolve "fs-0123456789abcdef0\.efs\.us-east-1\.amazonaws\.com" - check/,
    code: 1,
    cause: /fs-0123456789abcdef0/,
  },
] as const;
for (const { given, actions, change, stderr, code, cause } of failures) {
  test(`${given} fails the task with AWS's words, and moor explain says why`, async () => {
    const role = `role-${given.replaceAll(/\W/g, "-")}`;
    const taskRoleArn = await stage.role(role, clientPolicy(actions));
    const { container, definition } = withVolume(volume, change);
    const task = await stage.place([container], { definition: { ...definition, taskRoleArn } });
    const { stopCode, stoppedReason = "", containers } = await task.until("STOPPED");
    assert.equal(stopCode, "TaskFailedToStart");
    const reason =
      /^ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: (.+) : unsuccessful EFS utils command execution; code: (\d+)$/.exec(
        stoppedReason,
      );
    assert.ok(reason, stoppedReason);
    assert.match(reason[1]!, stderr);
    assert.equal(Number(reason[2]), code);
    assert.equal(containers?.[0]?.exitCode, undefined);
    const explained = await stage.instance.moor.command(["explain", task.id]);
    assert.match(/^cause: .*/m.exec(explained.stdout)?.[0] ?? explained.stderr, cause);
  });
}
