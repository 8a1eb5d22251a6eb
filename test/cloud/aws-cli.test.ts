// The official command line client, as a user of Mooring has it after `eval "$(moor env)"`.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { AwsCli, type CliOptions } from "../support/aws-cli.ts";
import { allowing, trusting } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";

let instance: Instance;
let aws: AwsCli;
let directory: string;

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "mooring-test-"));
  instance = await Instance.start();
  aws = await AwsCli.for(instance);
});
after(async () => {
  await instance?.end();
  await rm(directory, { recursive: true, force: true });
});

type Json = Record<string, unknown>;

test("sts: get-caller-identity is the account's root", async () => {
  const identity = await aws.json<Json>("sts get-caller-identity");
  assert.deepEqual(identity, {
    UserId: "123456789012",
    Account: "123456789012",
    Arn: "arn:aws:iam::123456789012:root",
  });
});

test("efs and ec2: from a file system to a mount target that a security group opens", async () => {
  const system = await aws.json<{ FileSystemId: string; LifeCycleState: string }>(
    "efs create-file-system",
    {
      "creation-token": "tour",
      encrypted: true,
      tags: "Key=Name,Value=uploads",
    },
  );
  assert.equal(system.LifeCycleState, "creating");
  const onSystem = { "file-system-id": system.FileSystemId };
  const { FileSystems } = await aws.json<{ FileSystems: Json[] }>(
    "efs describe-file-systems",
    onSystem,
  );
  assert.equal(FileSystems[0]?.["Name"], "uploads");
  assert.equal(FileSystems[0]?.["LifeCycleState"], "available");
  assert.match(String(FileSystems[0]?.["CreationTime"]), /^\d{4}-\d\d-\d\dT/);

  const point = await aws.json<{ AccessPointId: string }>("efs create-access-point", {
    ...onSystem,
    "posix-user": "Uid=1000,Gid=1000",
    "root-directory": "Path=/uploads,CreationInfo={OwnerUid=1000,OwnerGid=1000,Permissions=755}",
  });
  assert.match(point.AccessPointId, /^fsap-[0-9a-f]{17}$/);

  const { Vpcs } = await aws.json<{ Vpcs: { VpcId: string; CidrBlock: string }[] }>(
    "ec2 describe-vpcs",
    { filters: "Name=is-default,Values=true" },
  );
  const { VpcId, CidrBlock } = Vpcs[0]!;
  const subnet = await aws.run("ec2 describe-subnets", {
    filters: `Name=vpc-id,Values=${VpcId}`,
    query: "Subnets[?AvailabilityZone=='us-east-1a'].SubnetId",
    output: "text",
  });
  const subnetId = subnet.stdout.trim();
  assert.match(subnetId, /^subnet-[0-9a-f]{17}$/);
  const { GroupId } = await aws.json<{ GroupId: string }>("ec2 create-security-group", {
    "group-name": "nfs",
    "vpc-id": VpcId,
    description: "NFS from the VPC",
  });
  const { SecurityGroupRules } = await aws.json<{ SecurityGroupRules: Json[] }>(
    "ec2 authorize-security-group-ingress",
    { "group-id": GroupId, protocol: "tcp", port: "2049", cidr: CidrBlock },
  );
  assert.equal(SecurityGroupRules[0]?.["FromPort"], 2049);
  const { SecurityGroups } = await aws.json<{ SecurityGroups: { IpPermissions: Json[] }[] }>(
    "ec2 describe-security-groups",
    { "group-ids": GroupId },
  );
  assert.deepEqual(SecurityGroups[0]?.IpPermissions[0]?.["IpRanges"], [{ CidrIp: CidrBlock }]);

  const target = await aws.json<{ MountTargetId: string; IpAddress: string }>(
    "efs create-mount-target",
    { ...onSystem, "subnet-id": subnetId, "security-groups": GroupId },
  );
  const { MountTargets } = await aws.json<{ MountTargets: Json[] }>(
    "efs describe-mount-targets",
    onSystem,
  );
  assert.equal(MountTargets[0]?.["MountTargetId"], target.MountTargetId);
  assert.equal(MountTargets[0]?.["IpAddress"], target.IpAddress);
});

test("efs: a policy and tags, put and read", async () => {
  const { FileSystemId } = await aws.json<{ FileSystemId: string }>("efs create-file-system", {
    "creation-token": "policy",
  });
  const policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { AWS: "*" }, Action: "elasticfilesystem:ClientMount" },
    ],
  });
  const onSystem = { "file-system-id": FileSystemId };
  await aws.json("efs put-file-system-policy", { ...onSystem, policy });
  const described = await aws.json<{ Policy: string }>("efs describe-file-system-policy", onSystem);
  assert.equal(described.Policy, policy);
  const onResource = { "resource-id": FileSystemId };
  await aws.json("efs tag-resource", { ...onResource, tags: "Key=team,Value=a b" });
  const listed = await aws.json<Json>("efs list-tags-for-resource", onResource);
  assert.deepEqual(listed, { Tags: [{ Key: "team", Value: "a b" }] });
});

test("iam and ecs: the tutorial's role and its task definition", async () => {
  const role = { "role-name": "ecsTaskExecutionRole" };
  const trust = trusting({ Service: "ecs-tasks.amazonaws.com" });
  const { Role } = await aws.json<{ Role: Json }>("iam create-role", {
    ...role,
    "assume-role-policy-document": trust,
  });
  assert.equal(Role["Arn"], "arn:aws:iam::123456789012:role/ecsTaskExecutionRole");
  assert.deepEqual(Role["AssumeRolePolicyDocument"], JSON.parse(trust));
  const policy = allowing(["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]);
  const named = { ...role, "policy-name": "efs" };
  await aws.json("iam put-role-policy", { ...named, "policy-document": policy });
  const put = await aws.json<Json>("iam get-role-policy", named);
  assert.deepEqual(put["PolicyDocument"], JSON.parse(policy));

  const example = new URL("../../examples/uploads/task-definition.json", import.meta.url);
  const given = await readFile(example, "utf8");
  const register = async (text: string) => {
    const file = path.join(directory, "task-definition.json");
    await writeFile(file, text);
    return aws.run("ecs register-task-definition", {
      output: "json",
      "cli-input-json": `file://${file}`,
    });
  };
  const refused = await register(given);
  assert.equal(refused.exitCode, 254);
  assert.match(refused.stderr, /\(ClientException\).* access point ID 'ap-0123456789abcdef0'/);
  const mended = given.replace('"ap-0123456789abcdef0"', '"fsap-0123456789abcdef0"');
  const { stdout, stderr, exitCode } = await register(mended);
  assert.equal(exitCode, 0, stderr);
  const { taskDefinition } = JSON.parse(stdout) as { taskDefinition: Json };
  const arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/my-efs-app:1";
  assert.equal(taskDefinition["taskDefinitionArn"], arn);
  const listed = await aws.json<Json>("ecs list-task-definitions", {
    "family-prefix": "my-efs-app",
  });
  assert.deepEqual(listed, { taskDefinitionArns: [arn] });
  const described = await aws.json<{ taskDefinition: Json }>("ecs describe-task-definition", {
    "task-definition": "my-efs-app",
  });
  assert.deepEqual(described.taskDefinition, taskDefinition);
  assert.deepEqual(
    described.taskDefinition["volumes"],
    (JSON.parse(mended) as { volumes: unknown }).volumes,
  );
});

test("logs: a group, a stream, and events there and back", async () => {
  const group = { "log-group-name": "/ecs/my-efs-app" };
  const stream = { ...group, "log-stream-name": "ecs/app-container/1" };
  await aws.json("logs create-log-group", group);
  await aws.json("logs create-log-stream", stream);
  const timestamp = Date.now();
  const message = "upload of “ä.txt”, done";
  const logEvents = JSON.stringify([{ timestamp, message }]);
  await aws.json("logs put-log-events", { ...stream, "log-events": logEvents });
  const { events } = await aws.json<{ events: Json[] }>("logs get-log-events", stream);
  assert.equal(events.length, 1);
  assert.equal(events[0]?.["message"], message);
  assert.equal(events[0]?.["timestamp"], timestamp);
});

test("what is refused is told as AWS's errors are, in every protocol", async () => {
  const unknown = "fs-0fedcba9876543210";
  const refusals: [string, CliOptions, string][] = [
    [
      "efs describe-file-systems",
      { "file-system-id": unknown },
      "An error occurred (FileSystemNotFound) when calling the DescribeFileSystems operation: " +
        `File system '${unknown}' does not exist.`,
    ],
    [
      "ecs describe-task-definition",
      { "task-definition": "nobodys" },
      "An error occurred (ClientException) when calling the DescribeTaskDefinition operation: " +
        "Unable to describe task definition.",
    ],
    [
      "iam get-role",
      { "role-name": "nobodys" },
      "An error occurred (NoSuchEntity) when calling the GetRole operation: " +
        "The role with name nobodys cannot be found.",
    ],
    [
      "ec2 describe-subnets",
      { "subnet-ids": "subnet-01234567" },
      "An error occurred (InvalidSubnetID.NotFound) when calling the DescribeSubnets operation: " +
        "The subnet ID 'subnet-01234567' does not exist",
    ],
  ];
  for (const [command, options, message] of refusals) {
    const { exitCode, stderr } = await aws.run(command, options);
    assert.equal(stderr.trim(), message);
    assert.equal(exitCode, 254);
  }
});

test("who has no permission, or the wrong secret, is told so", async () => {
  await aws.json("iam create-user", { "user-name": "nobody" });
  const { AccessKey } = await aws.json<{ AccessKey: Record<string, string> }>(
    "iam create-access-key",
    { "user-name": "nobody" },
  );
  const { AccessKeyId = "", SecretAccessKey = "" } = AccessKey;
  const denied = await aws.as(AccessKeyId, SecretAccessKey).run("ecs list-clusters");
  assert.match(
    denied.stderr,
    /\(AccessDeniedException\).*User: arn:aws:iam::123456789012:user\/nobody is not authorized/,
  );
  const wrong = await aws.as(AccessKeyId, "wrong").run("sts get-caller-identity");
  assert.match(wrong.stderr, /\(SignatureDoesNotMatch\)/);
  for (const { exitCode } of [denied, wrong]) assert.equal(exitCode, 254);
});

test("an operation that Mooring lacks is told by its name", async () => {
  const { exitCode, stderr } = await aws.run("ec2 describe-images");
  assert.match(stderr, /Mooring does not have ec2:DescribeImages yet\./);
  assert.equal(exitCode, 254);
});
