import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, trusting, userWith } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";
import { operationsOf } from "../support/services.ts";

let instance: Instance;
let root: Clients;

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
});
after(() => instance?.end());

let made = 0;
const newName = (kind: string): string => `${kind}-${(made += 1)}`;
const account = "arn:aws:iam::123456789012";
const byAccount = trusting({ AWS: `${account}:root` });

async function newRole(trust: string, more: object = {}): Promise<[name: string, arn: string]> {
  const RoleName = newName("role");
  const { Role } = await root.iam.createRole({
    RoleName,
    AssumeRolePolicyDocument: trust,
    ...more,
  });
  return [RoleName, Role!.Arn!];
}

async function assume(caller: Clients, RoleArn: string, more: object = {}): Promise<Clients> {
  const { Credentials } = await caller.sts.assumeRole({
    RoleArn,
    RoleSessionName: "test",
    ...more,
  });
  const { AccessKeyId, SecretAccessKey, SessionToken } = Credentials!;
  return new Clients(instance, {
    accessKeyId: AccessKeyId!,
    secretAccessKey: SecretAccessKey!,
    sessionToken: SessionToken!,
  });
}

test("the tests below are for STS's whole table", () => {
  assert.deepEqual(operationsOf("sts"), ["AssumeRole", "GetCallerIdentity"]);
});

test("GetCallerIdentity: root, a user without any permission, a session", async () => {
  const { $metadata: _root, ...asRoot } = await root.sts.getCallerIdentity({});
  assert.deepEqual(asRoot, {
    Account: "123456789012",
    Arn: `${account}:root`,
    UserId: "123456789012",
  });
  const UserName = newName("user");
  const user = await userWith(instance, UserName);
  const asUser = await user.sts.getCallerIdentity({});
  assert.equal(asUser.Arn, `${account}:user/${UserName}`);
  assert.match(asUser.UserId ?? "", /^AIDA/);
  const [RoleName, RoleArn] = await newRole(byAccount);
  const session = await assume(root, RoleArn);
  const asSession = await session.sts.getCallerIdentity({});
  assert.equal(asSession.Arn, `arn:aws:sts::123456789012:assumed-role/${RoleName}/test`);
  assert.match(asSession.UserId ?? "", /^AROA[A-Z0-9]{16}:test$/);
});

test("AssumeRole: the session has the role's permissions, not the caller's", async () => {
  const [RoleName, RoleArn] = await newRole(byAccount);
  await root.iam.putRolePolicy({
    RoleName,
    PolicyName: "own",
    PolicyDocument: allowing(["logs:DescribeLogGroups"]),
  });
  const user = await userWith(
    instance,
    newName("user"),
    allowing(["sts:AssumeRole", "ecs:ListClusters"]),
  );
  const { Credentials, AssumedRoleUser } = await user.sts.assumeRole({
    RoleArn,
    RoleSessionName: "a.session@work",
    DurationSeconds: 900,
  });
  assert.match(Credentials?.AccessKeyId ?? "", /^ASIA[A-Z0-9]{16}$/);
  const left = Credentials!.Expiration!.getTime() - Date.now();
  assert.ok(left > 800_000 && left <= 900_000, `${left} ms`);
  assert.equal(
    AssumedRoleUser?.Arn,
    `arn:aws:sts::123456789012:assumed-role/${RoleName}/a.session@work`,
  );
  const session = await assume(user, RoleArn);
  await session.logs.describeLogGroups({});
  await fails(session.ecs.listClusters({}), denied("ecs:ListClusters"));
});

test("AssumeRole: needs the caller's permission and the role's trust", async () => {
  const UserName = newName("user");
  const user = await userWith(instance, UserName);
  const [, open] = await newRole(byAccount);
  await fails(assume(user, open), {
    ...denied("sts:AssumeRole", "AccessDenied"),
    status: 403,
  });
  await root.iam.putUserPolicy({
    UserName,
    PolicyName: "own",
    PolicyDocument: allowing(["sts:AssumeRole"]),
  });
  await assume(user, open);
  const [, services] = await newRole(trusting({ Service: "ecs-tasks.amazonaws.com" }));
  const [, other] = await newRole(trusting({ AWS: `${account}:user/other` }));
  for (const arn of [services, other]) {
    await fails(assume(user, arn), {
      code: "AccessDenied",
      status: 403,
      message:
        `User: ${account}:user/${UserName} is not authorized to perform: sts:AssumeRole ` +
        `on resource: ${arn}`,
    });
  }
  const [, own] = await newRole(trusting({ AWS: `${account}:user/${UserName}` }));
  await assume(user, own);
});

test("AssumeRole: a role that doesn't exist is refused as one that isn't trusted", async () => {
  for (const RoleArn of [`${account}:role/nobodys`, "nonsense"]) {
    await fails(assume(root, RoleArn), { code: "AccessDenied", status: 403 });
  }
});

const refused: Record<string, object> = {
  "a session of 899 seconds": { DurationSeconds: 899 },
  "a session of more than twelve hours": { DurationSeconds: 43_201 },
  "a session longer than the role's longest": { DurationSeconds: 3601 },
  "a session name with a slash": { RoleSessionName: "a/b" },
  "a session name of one character": { RoleSessionName: "a" },
  "a session name of 65 characters": { RoleSessionName: "a".repeat(65) },
};
for (const [what, input] of Object.entries(refused)) {
  test(`AssumeRole: ${what} is a ValidationError`, async () => {
    const [, RoleArn] = await newRole(byAccount);
    await fails(assume(root, RoleArn, input), { code: "ValidationError", status: 400 });
  });
}

test("AssumeRole: a role's longest session may be asked for", async () => {
  const [, RoleArn] = await newRole(byAccount, { MaxSessionDuration: 7200 });
  const session = await assume(root, RoleArn, { DurationSeconds: 7200 });
  await session.sts.getCallerIdentity({});
});

test("AssumeRole: session policies are refused rather than ignored", async () => {
  const [, RoleArn] = await newRole(byAccount);
  const Policy = allowing(["logs:DescribeLogGroups"]);
  for (const input of [{ Policy }, { PolicyArns: [{ arn: `${account}:policy/a` }] }]) {
    await fails(assume(root, RoleArn, input), { code: "NotImplemented", status: 501 });
  }
});

test("a session loses its permissions with its role, also when the name comes back", async () => {
  const [RoleName, RoleArn] = await newRole(byAccount);
  const policy = {
    RoleName,
    PolicyName: "own",
    PolicyDocument: allowing(["logs:DescribeLogGroups"]),
  };
  await root.iam.putRolePolicy(policy);
  const session = await assume(root, RoleArn);
  await session.logs.describeLogGroups({});
  await root.iam.deleteRolePolicy({ RoleName, PolicyName: "own" });
  await root.iam.deleteRole({ RoleName });
  await fails(session.logs.describeLogGroups({}), denied("logs:DescribeLogGroups"));
  await root.iam.createRole({ RoleName, AssumeRolePolicyDocument: byAccount });
  await root.iam.putRolePolicy(policy);
  await fails(session.logs.describeLogGroups({}), denied("logs:DescribeLogGroups"));
});
