import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { describeAccount, fillAccount } from "../support/account.ts";
import { fails } from "../support/api-failure.ts";
import { allowing, Clients, trusting } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";

let instance: Instance;
before(async () => {
  instance = await Instance.start();
});
after(() => instance?.end());

test("a file system made before a crash is described after it", async () => {
  const { efs } = instance.api();
  const { FileSystemId } = await efs.createFileSystem({ CreationToken: "before" });
  await instance.crashAndStart();
  const { FileSystems } = await instance.api().efs.describeFileSystems({ FileSystemId });
  assert.equal(FileSystems?.[0]?.CreationToken, "before");
  await instance.api().efs.deleteFileSystem({ FileSystemId });
});

test("every service's records are the same after a crash and after a clean restart", async () => {
  await fillAccount(new Clients(instance));
  const made = await describeAccount(new Clients(instance));
  const root = instance.api().session;
  await instance.crashAndStart();
  assert.deepEqual(await describeAccount(new Clients(instance)), made, "after SIGKILL");
  await instance.moor.end("SIGTERM");
  await instance.moor.up();
  assert.deepEqual(await describeAccount(new Clients(instance)), made, "after SIGTERM");
  assert.deepEqual(instance.api().session, root, "the root's keys stay");
});

test("tokens and revisions that were used before a crash count after it", async () => {
  const { ecs, efs } = new Clients(instance);
  await fails(efs.createFileSystem({ CreationToken: "token" }), {
    code: "FileSystemAlreadyExists",
  });
  const { FileSystems } = await efs.describeFileSystems({ CreationToken: "token" });
  const { FileSystemId } = FileSystems![0]!;
  await fails(efs.createAccessPoint({ ClientToken: "token", FileSystemId }), {
    code: "AccessPointAlreadyExists",
  });
  const { taskDefinition } = await ecs.registerTaskDefinition({
    family: "app",
    containerDefinitions: [{ name: "app", image: "busybox" }],
  });
  assert.equal(taskDefinition?.revision, 3);
});

test("a session that was begun before a crash goes on after it", async () => {
  const { iam, sts } = new Clients(instance);
  const RoleName = "session";
  const { Role } = await iam.createRole({
    RoleName,
    AssumeRolePolicyDocument: trusting({ AWS: "arn:aws:iam::123456789012:root" }),
  });
  const PolicyDocument = allowing(["logs:DescribeLogGroups"]);
  await iam.putRolePolicy({ RoleName, PolicyName: "own", PolicyDocument });
  const assumed = await sts.assumeRole({ RoleArn: Role?.Arn, RoleSessionName: "test" });
  const { AccessKeyId, SecretAccessKey, SessionToken } = assumed.Credentials!;
  await instance.crashAndStart();
  const session = new Clients(instance, {
    accessKeyId: AccessKeyId!,
    secretAccessKey: SecretAccessKey!,
    sessionToken: SessionToken!,
  });
  await session.logs.describeLogGroups({});
  await fails(session.ecs.listClusters({}), { code: "AccessDeniedException" });
});

test("what was answered in the instant before a crash is there after it", async () => {
  for (let round = 0; round < 5; round += 1) {
    const { logs } = instance.api();
    const answered: string[] = [];
    let crash: Promise<void> | undefined;
    const names = Array.from({ length: 60 }, (_, index) => `/crash/${round}/${index}`);
    await Promise.allSettled(
      names.map(async (logGroupName) => {
        await logs.createLogGroup({ logGroupName });
        answered.push(logGroupName);
        if (answered.length === 10) crash = instance.moor.end("SIGKILL");
      }),
    );
    assert.ok(crash !== undefined, "the crash came while groups were being made");
    await crash;
    await instance.moor.up();
    const page = { logGroupNamePrefix: `/crash/${round}/` };
    const { logGroups = [], nextToken } = await instance.api().logs.describeLogGroups(page);
    const rest = nextToken && (await instance.api().logs.describeLogGroups({ ...page, nextToken }));
    const found = [...logGroups, ...((rest && rest.logGroups) || [])];
    const kept = new Set(found.map(({ logGroupName }) => logGroupName));
    assert.deepEqual(
      answered.filter((name) => !kept.has(name)),
      [],
      `of ${answered.length} that were answered`,
    );
  }
});
