// Three things that must fail, with AWS's words, and `moor explain` naming cause and fix.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { RegisterTaskDefinitionRequest } from "@aws-sdk/client-ecs";

import { mountTargetGroupName } from "../../src/cli/run/file-system-prerequisites.ts";
import { allTasks, taskId } from "../../src/cli/task-lookup.ts";
import { api, definitionFile, roleName, type Stage } from "./stage.ts";

const prefix =
  "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: ";

export function failWithoutClientMount(stage: Stage): Promise<void> {
  return stage.story.step("7. A task role without ClientMount", async () => {
    const { iam } = api(stage);
    const name = { RoleName: roleName, PolicyName: "efs-client" };
    const { PolicyDocument } = await iam.getRolePolicy(name);
    const full = decodeURIComponent(PolicyDocument!);
    const without = full.replace('"elasticfilesystem:ClientMount",', "");
    await iam.putRolePolicy({ ...name, PolicyDocument: without });
    try {
      await mustFail(
        stage,
        definitionFile,
        "access denied by server while mounting",
        /ClientMount/,
      );
    } finally {
      await iam.putRolePolicy({ ...name, PolicyDocument: full });
    }
  });
}

export function failWithoutDirectory(stage: Stage): Promise<void> {
  return stage.story.step("   A rootDirectory that does not exist", async () => {
    const definition = JSON.parse(
      await readFile(definitionFile, "utf8"),
    ) as RegisterTaskDefinitionRequest;
    const volume = definition.volumes![0]!.efsVolumeConfiguration!;
    volume.rootDirectory = "/not/there";
    volume.authorizationConfig = { iam: "ENABLED" };
    const file = path.join(stage.directory, "missing-directory.json");
    await writeFile(file, JSON.stringify(definition));
    await mustFail(stage, file, "No such file or directory", /\/not\/there/);
  });
}

export function failWithoutRule(stage: Stage): Promise<void> {
  return stage.story.step("   Mount targets without the inbound rule for TCP 2049", async () => {
    const { ec2 } = api(stage);
    const { SecurityGroups } = await ec2.describeSecurityGroups({
      Filters: [{ Name: "group-name", Values: [mountTargetGroupName] }],
    });
    const { GroupId, IpPermissions } = SecurityGroups![0]!;
    await ec2.revokeSecurityGroupIngress({ GroupId, IpPermissions });
    try {
      stage.story.say("(three attempts of the mount helper, 15 s each, as on AWS)");
      await mustFail(stage, definitionFile, "mount.nfs4: Connection timed out", /2049/);
    } finally {
      await ec2.authorizeSecurityGroupIngress({ GroupId, IpPermissions });
    }
  });
}

async function mustFail(
  stage: Stage,
  file: string,
  expected: string,
  cause: RegExp,
): Promise<void> {
  const { story, moor } = stage;
  const result = await moor.command(["run", file]);
  story.holds(result.exitCode !== 0, "the task does not start");
  const task = (await allTasks(api(stage), "default"))[0]!;
  const reason = task.stoppedReason ?? "";
  story.holds(task.stopCode === "TaskFailedToStart", `stopCode ${task.stopCode}`);
  story.holds(
    reason.startsWith(prefix) && reason.includes(expected),
    `stoppedReason: ${reason}`,
    `Expected ${prefix}… ${expected} …`,
  );
  const explained = await moor.command(["explain", taskId(task)]);
  const line = explained.stdout.split("\n").find((text) => text.startsWith("cause:")) ?? "";
  story.holds(cause.test(line), `moor explain: ${line}`, explained.stdout + explained.stderr);
}
