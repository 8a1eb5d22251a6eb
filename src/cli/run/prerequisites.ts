// Makes what a task definition names and isn't there yet, with exactly the ids that it names.
// What exists is never changed.
import type { RegisterTaskDefinitionRequest } from "@aws-sdk/client-ecs";

import type { Api } from "../api.ts";
import { UserError } from "../user-error.ts";
import type { DefinitionFile, EfsVolume } from "./definition-file.ts";
import { ensureFileSystem } from "./file-system-prerequisites.ts";
import { isMissing } from "./is-missing.ts";

/** Throws `UserError` for a role that can't be made here; nothing is made yet. */
export function checkRoles(api: Api, { definition }: DefinitionFile): void {
  for (const arn of [definition.taskRoleArn, definition.executionRoleArn]) {
    if (arn !== undefined) roleName(arn, api.session.accountId);
  }
}

/** Calls `made` with a sentence for each thing that it made. */
export async function ensurePrerequisites(
  api: Api,
  file: DefinitionFile,
  made: (what: string) => void,
): Promise<void> {
  for (const volume of file.efsVolumes) await ensureFileSystem(api, volume, file.definition, made);
  await ensureRoles(api, file, made);
  await ensureLogGroups(api, file.definition, made);
}

const ecsTrustPolicy = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { Service: "ecs-tasks.amazonaws.com" },
      Action: "sts:AssumeRole",
    },
  ],
});

const executionPolicyArn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";

async function ensureRoles(
  api: Api,
  { definition, efsVolumes }: DefinitionFile,
  made: (what: string) => void,
): Promise<void> {
  const { taskRoleArn, executionRoleArn } = definition;
  for (const arn of new Set([taskRoleArn, executionRoleArn])) {
    if (arn === undefined) continue;
    const RoleName = roleName(arn, api.session.accountId);
    if (!(await isMissing(api.iam.getRole({ RoleName })))) continue;
    await api.iam.createRole({ RoleName, AssumeRolePolicyDocument: ecsTrustPolicy });
    made(`role ${RoleName}, trusted by ecs-tasks.amazonaws.com`);
    if (arn === executionRoleArn) {
      await api.iam.attachRolePolicy({ RoleName, PolicyArn: executionPolicyArn });
      made(`  with the managed policy AmazonECSTaskExecutionRolePolicy`);
    }
    if (arn === taskRoleArn && efsVolumes.length > 0) {
      await api.iam.putRolePolicy({
        RoleName,
        PolicyName: "efs-client",
        PolicyDocument: clientPolicy(api, efsVolumes),
      });
      made(`  with elasticfilesystem:ClientMount and ClientWrite on the volumes' file systems`);
    }
  }
}

function clientPolicy(api: Api, volumes: readonly EfsVolume[]): string {
  const { region, accountId } = api.session;
  const ids = [...new Set(volumes.map((volume) => volume.fileSystemId))];
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Action: ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
        Resource: ids.map(
          (id) => `arn:aws:elasticfilesystem:${region}:${accountId}:file-system/${id}`,
        ),
      },
    ],
  });
}

function roleName(arn: string, accountId: string): string {
  const match = /^arn:aws:iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/.exec(arn);
  if (match === null) throw new UserError(`${arn} is not the ARN of a role.`);
  if (match[1] === accountId) return match[2]!;
  throw new UserError(
    `${arn} is of another account than this Mooring, which is ${accountId}. ` +
      `Start it with \`moor up --account ${match[1]}\`.`,
  );
}

async function ensureLogGroups(
  api: Api,
  definition: RegisterTaskDefinitionRequest,
  made: (what: string) => void,
): Promise<void> {
  const groups = new Set<string>();
  for (const container of definition.containerDefinitions ?? []) {
    const { logDriver, options } = container.logConfiguration ?? {};
    const group = options?.["awslogs-group"];
    if (logDriver === "awslogs" && group !== undefined) groups.add(group);
  }
  for (const logGroupName of groups) {
    const { logGroups } = await api.logs.describeLogGroups({ logGroupNamePrefix: logGroupName });
    if (logGroups?.some((group) => group.logGroupName === logGroupName)) continue;
    await api.logs.createLogGroup({ logGroupName });
    made(`log group ${logGroupName}`);
  }
}
