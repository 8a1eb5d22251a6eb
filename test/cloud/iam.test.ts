import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, trusting, userWith } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";

let instance: Instance;
let root: Clients;

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
});
after(() => instance?.end());

let made = 0;
const newName = (kind: string): string => `${kind}-${(made += 1)}`;
const account = "arn:aws:iam::123456789012:";
const trust = trusting({ Service: "ecs-tasks.amazonaws.com" });
const policy = allowing(["logs:PutLogEvents"]);
const clientPolicy = "arn:aws:iam::aws:policy/AmazonElasticFileSystemClientReadOnlyAccess";

async function newRole(): Promise<string> {
  const RoleName = newName("role");
  await root.iam.createRole({ RoleName, AssumeRolePolicyDocument: trust });
  return RoleName;
}

async function newUser(): Promise<string> {
  const UserName = newName("user");
  await root.iam.createUser({ UserName });
  return UserName;
}

/** Roles and users have the same operations on policies; only the names differ. */
const kinds = {
  role: {
    make: newRole,
    attach: (name: string, PolicyArn: string) =>
      root.iam.attachRolePolicy({ RoleName: name, PolicyArn }),
    detach: (name: string, PolicyArn: string) =>
      root.iam.detachRolePolicy({ RoleName: name, PolicyArn }),
    attached: (name: string) => root.iam.listAttachedRolePolicies({ RoleName: name }),
    put: (name: string, PolicyName: string, PolicyDocument: string) =>
      root.iam.putRolePolicy({ RoleName: name, PolicyName, PolicyDocument }),
    get: (name: string, PolicyName: string) =>
      root.iam.getRolePolicy({ RoleName: name, PolicyName }),
    list: (name: string, page = {}) => root.iam.listRolePolicies({ RoleName: name, ...page }),
    remove: (name: string, PolicyName: string) =>
      root.iam.deleteRolePolicy({ RoleName: name, PolicyName }),
    destroy: (name: string) => root.iam.deleteRole({ RoleName: name }),
  },
  user: {
    make: newUser,
    attach: (name: string, PolicyArn: string) =>
      root.iam.attachUserPolicy({ UserName: name, PolicyArn }),
    detach: (name: string, PolicyArn: string) =>
      root.iam.detachUserPolicy({ UserName: name, PolicyArn }),
    attached: (name: string) => root.iam.listAttachedUserPolicies({ UserName: name }),
    put: (name: string, PolicyName: string, PolicyDocument: string) =>
      root.iam.putUserPolicy({ UserName: name, PolicyName, PolicyDocument }),
    get: (name: string, PolicyName: string) =>
      root.iam.getUserPolicy({ UserName: name, PolicyName }),
    list: (name: string, page = {}) => root.iam.listUserPolicies({ UserName: name, ...page }),
    remove: (name: string, PolicyName: string) =>
      root.iam.deleteUserPolicy({ UserName: name, PolicyName }),
    destroy: (name: string) => root.iam.deleteUser({ UserName: name }),
  },
};

test("roles: made with a trust policy, found, given another one, deleted", async () => {
  const RoleName = newName("role");
  const { Role } = await root.iam.createRole({
    RoleName,
    AssumeRolePolicyDocument: trust,
    Path: "/apps/",
    Description: "for tasks",
    MaxSessionDuration: 7200,
    Tags: [{ Key: "team", Value: "a" }],
  });
  assert.equal(Role?.Arn, `${account}role/apps/${RoleName}`);
  assert.match(Role.RoleId ?? "", /^AROA[A-Z0-9]{16}$/);
  assert.ok(Role.CreateDate instanceof Date);
  const found = (await root.iam.getRole({ RoleName })).Role;
  assert.deepEqual(found, Role);
  assert.equal(decodeURIComponent(found?.AssumeRolePolicyDocument ?? ""), trust);
  assert.equal(found?.Description, "for tasks");
  assert.equal(found.MaxSessionDuration, 7200);
  assert.deepEqual(found.Tags, [{ Key: "team", Value: "a" }]);
  const PolicyDocument = trusting({ Service: "lambda.amazonaws.com" });
  await root.iam.updateAssumeRolePolicy({ RoleName, PolicyDocument });
  const changed = await root.iam.getRole({ RoleName });
  assert.equal(decodeURIComponent(changed.Role!.AssumeRolePolicyDocument!), PolicyDocument);
  await root.iam.deleteRole({ RoleName });
  await fails(root.iam.getRole({ RoleName }), {
    code: "NoSuchEntityException",
    status: 404,
    message: `The role with name ${RoleName} cannot be found.`,
  });
});

test("TagRole: adds and replaces, ListRoleTags shows them", async () => {
  const RoleName = await newRole();
  await root.iam.tagRole({ RoleName, Tags: [{ Key: "a", Value: "1" }] });
  await root.iam.tagRole({
    RoleName,
    Tags: [
      { Key: "a", Value: "2" },
      { Key: "b", Value: "3" },
    ],
  });
  const { Tags, IsTruncated } = await root.iam.listRoleTags({ RoleName });
  assert.deepEqual(Tags, [
    { Key: "a", Value: "2" },
    { Key: "b", Value: "3" },
  ]);
  assert.equal(IsTruncated, false);
});

test("ListInstanceProfilesForRole: none, but only for roles that exist", async () => {
  const { InstanceProfiles } = await root.iam.listInstanceProfilesForRole({
    RoleName: await newRole(),
  });
  assert.deepEqual(InstanceProfiles, []);
  await fails(root.iam.listInstanceProfilesForRole({ RoleName: "nobodys" }), {
    code: "NoSuchEntityException",
  });
});

test("users: made, found, deleted", async () => {
  const UserName = newName("user");
  const { User } = await root.iam.createUser({ UserName, Path: "/people/" });
  assert.equal(User?.Arn, `${account}user/people/${UserName}`);
  assert.match(User.UserId ?? "", /^AIDA[A-Z0-9]{16}$/);
  assert.deepEqual((await root.iam.getUser({ UserName })).User, User);
  await root.iam.deleteUser({ UserName });
  await fails(root.iam.getUser({ UserName }), {
    code: "NoSuchEntityException",
    status: 404,
    message: `The user with name ${UserName} cannot be found.`,
  });
});

test("users: without a name the caller is meant", async () => {
  const actions = ["iam:GetUser", "iam:CreateAccessKey", "iam:ListAccessKeys"];
  const UserName = newName("user");
  const { iam } = await userWith(instance, UserName, allowing(actions));
  assert.equal((await iam.getUser({})).User?.UserName, UserName);
  const { AccessKey } = await iam.createAccessKey({});
  assert.equal(AccessKey?.UserName, UserName);
  assert.equal((await iam.listAccessKeys({})).AccessKeyMetadata?.length, 2);
});

test("access keys: a key works until it is deleted", async () => {
  const UserName = await newUser();
  const { AccessKey } = await root.iam.createAccessKey({ UserName });
  const { AccessKeyId = "", SecretAccessKey = "" } = AccessKey!;
  assert.match(AccessKeyId, /^AKIA[A-Z0-9]{16}$/);
  assert.equal(AccessKey?.Status, "Active");
  const { AccessKeyMetadata } = await root.iam.listAccessKeys({ UserName });
  assert.deepEqual(
    AccessKeyMetadata?.map((each) => each.AccessKeyId),
    [AccessKeyId],
  );
  const keys = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey };
  const caller = new Clients(instance, keys);
  const identity = await caller.sts.getCallerIdentity({});
  assert.equal(identity.Arn, `${account}user/${UserName}`);
  await fails(root.iam.deleteUser({ UserName }), {
    code: "DeleteConflictException",
    status: 409,
    message: "Cannot delete entity, must delete access keys first.",
  });
  await root.iam.deleteAccessKey({ UserName, AccessKeyId });
  await fails(caller.sts.getCallerIdentity({}), { code: "InvalidClientTokenId", status: 403 });
  await fails(root.iam.deleteAccessKey({ UserName, AccessKeyId }), {
    code: "NoSuchEntityException",
    message: `The Access Key with id ${AccessKeyId} cannot be found.`,
  });
  await root.iam.deleteUser({ UserName });
});

test("access keys: one user's key is not another's to delete", async () => {
  const [UserName, other] = [await newUser(), await newUser()];
  const { AccessKey } = await root.iam.createAccessKey({ UserName });
  const { AccessKeyId } = AccessKey!;
  await fails(root.iam.deleteAccessKey({ UserName: other, AccessKeyId }), {
    code: "NoSuchEntityException",
  });
  const { AccessKeyMetadata } = await root.iam.listAccessKeys({ UserName });
  assert.equal(AccessKeyMetadata?.length, 1);
});

test("policies: made, read, attached, and deleted once nobody has them", async () => {
  const PolicyName = newName("policy");
  const { Policy } = await root.iam.createPolicy({
    PolicyName,
    PolicyDocument: policy,
    Description: "to log",
  });
  const PolicyArn = Policy!.Arn!;
  assert.equal(PolicyArn, `${account}policy/${PolicyName}`);
  assert.equal((await root.iam.getPolicy({ PolicyArn })).Policy?.Description, "to log");
  const { PolicyVersion } = await root.iam.getPolicyVersion({ PolicyArn, VersionId: "v1" });
  assert.equal(decodeURIComponent(PolicyVersion?.Document ?? ""), policy);
  assert.equal(PolicyVersion?.IsDefaultVersion, true);
  const { Policies = [] } = await root.iam.listPolicies({ Scope: "Local" });
  assert.ok(Policies.some(({ Arn }) => Arn === PolicyArn));
  await fails(root.iam.createPolicy({ PolicyName, PolicyDocument: policy }), {
    code: "EntityAlreadyExistsException",
    status: 409,
    message: `A policy called ${PolicyName} already exists.`,
  });
  const UserName = await newUser();
  await root.iam.attachUserPolicy({ UserName, PolicyArn });
  await fails(root.iam.deletePolicy({ PolicyArn }), {
    code: "DeleteConflictException",
    status: 409,
    message: "Cannot delete a policy attached to entities.",
  });
  await root.iam.detachUserPolicy({ UserName, PolicyArn });
  await root.iam.deletePolicy({ PolicyArn });
  for (const call of [root.iam.getPolicy({ PolicyArn }), root.iam.deletePolicy({ PolicyArn })]) {
    await fails(call, { code: "NoSuchEntityException", status: 404 });
  }
});

test("GetPolicy: AWS's own policies are there, and AWS's to keep", async () => {
  const { Policy } = await root.iam.getPolicy({ PolicyArn: clientPolicy });
  assert.equal(Policy?.PolicyName, "AmazonElasticFileSystemClientReadOnlyAccess");
  const { PolicyVersion } = await root.iam.getPolicyVersion({
    PolicyArn: clientPolicy,
    VersionId: "v1",
  });
  assert.match(decodeURIComponent(PolicyVersion?.Document ?? ""), /ClientMount/);
});

for (const [kind, on] of Object.entries(kinds)) {
  test(`inline policies of a ${kind}: put, replaced, read, listed in pages, deleted`, async () => {
    const name = await on.make();
    await on.put(name, "a", policy);
    await on.put(name, "b", policy);
    await on.put(name, "a", allowing(["s3:GetObject"]));
    const { PolicyDocument, PolicyName } = await on.get(name, "a");
    assert.equal(decodeURIComponent(PolicyDocument ?? ""), allowing(["s3:GetObject"]));
    assert.equal(PolicyName, "a");
    assert.deepEqual((await on.list(name)).PolicyNames, ["a", "b"]);
    const first = await on.list(name, { MaxItems: 1 });
    assert.deepEqual([first.PolicyNames, first.IsTruncated], [["a"], true]);
    const second = await on.list(name, { MaxItems: 1, Marker: first.Marker });
    assert.deepEqual([second.PolicyNames, second.IsTruncated], [["b"], false]);
    await fails(on.destroy(name), {
      code: "DeleteConflictException",
      status: 409,
      message: "Cannot delete entity, must delete policies first.",
    });
    await on.remove(name, "a");
    await on.remove(name, "b");
    const missing = {
      code: "NoSuchEntityException",
      status: 404,
      message: `The ${kind} policy with name a cannot be found.`,
    };
    await fails(on.get(name, "a"), missing);
    await fails(on.remove(name, "a"), missing);
    await on.destroy(name);
  });

  test(`managed policies of a ${kind}: attached once, listed, detached`, async () => {
    const name = await on.make();
    await on.attach(name, clientPolicy);
    await on.attach(name, clientPolicy);
    const { AttachedPolicies } = await on.attached(name);
    assert.deepEqual(AttachedPolicies, [
      {
        PolicyArn: clientPolicy,
        PolicyName: "AmazonElasticFileSystemClientReadOnlyAccess",
      },
    ]);
    await fails(on.destroy(name), {
      code: "DeleteConflictException",
      status: 409,
      message: "Cannot delete entity, must detach all policies first.",
    });
    await on.detach(name, clientPolicy);
    const missing = { code: "NoSuchEntityException", status: 404 };
    await fails(on.detach(name, clientPolicy), missing);
    await fails(on.attach(name, `${account}policy/nobodys`), missing);
  });

  test(`policies of an unknown ${kind}: NoSuchEntity`, async () => {
    const missing = {
      code: "NoSuchEntityException",
      status: 404,
      message: `The ${kind} with name nobodys cannot be found.`,
    };
    await fails(on.put("nobodys", "a", policy), missing);
    await fails(on.get("nobodys", "a"), missing);
    await fails(on.list("nobodys"), missing);
    await fails(on.attach("nobodys", clientPolicy), missing);
    await fails(on.detach("nobodys", clientPolicy), missing);
    await fails(on.attached("nobodys"), missing);
    await fails(on.destroy("nobodys"), missing);
  });

  test(`PutPolicy of a ${kind}: a malformed document is refused and not kept`, async () => {
    const name = await on.make();
    for (const text of ["{", "[]", '{"Version":"2030-01-01","Statement":[]}']) {
      await fails(on.put(name, "a", text), {
        code: "MalformedPolicyDocumentException",
        status: 400,
      });
    }
    assert.deepEqual((await on.list(name)).PolicyNames, []);
  });
}

const again = { code: "EntityAlreadyExistsException", status: 409 };
const malformed = { code: "MalformedPolicyDocumentException", status: 400 };
const invalid = { code: "ValidationError", status: 400 };
const RoleName = "role-to-refuse";
const refused: Record<string, [() => Promise<unknown>, { code: string; status: number }]> = {
  "CreateRole with a malformed trust policy": [
    () => root.iam.createRole({ RoleName, AssumeRolePolicyDocument: "{" }),
    malformed,
  ],
  "CreateRole with a blank in the name": [
    () => root.iam.createRole({ RoleName: "my role", AssumeRolePolicyDocument: trust }),
    invalid,
  ],
  "CreateRole with a name of 65 characters": [
    () => root.iam.createRole({ RoleName: "r".repeat(65), AssumeRolePolicyDocument: trust }),
    invalid,
  ],
  "CreateRole with sessions of a minute": [
    () =>
      root.iam.createRole({
        RoleName,
        AssumeRolePolicyDocument: trust,
        MaxSessionDuration: 60,
      }),
    invalid,
  ],
  "CreateRole with a name that is taken": [
    async () => root.iam.createRole({ RoleName: await newRole(), AssumeRolePolicyDocument: trust }),
    again,
  ],
  "CreateUser with a slash in the name": [() => root.iam.createUser({ UserName: "a/b" }), invalid],
  "CreateUser with a name that is taken": [
    async () => root.iam.createUser({ UserName: await newUser() }),
    again,
  ],
  "CreatePolicy without a name": [
    () => root.iam.createPolicy({ PolicyName: undefined, PolicyDocument: policy }),
    invalid,
  ],
  "CreatePolicy with a malformed document": [
    () => root.iam.createPolicy({ PolicyName: "malformed", PolicyDocument: "{}" }),
    malformed,
  ],
  "PutRolePolicy without a policy's name": [
    async () =>
      root.iam.putRolePolicy({
        RoleName: await newRole(),
        PolicyName: "",
        PolicyDocument: policy,
      }),
    invalid,
  ],
  "UpdateAssumeRolePolicy with a malformed document": [
    async () =>
      root.iam.updateAssumeRolePolicy({ RoleName: await newRole(), PolicyDocument: "no" }),
    malformed,
  ],
  "ListRoles in pages of nothing": [() => root.iam.listRoles({ MaxItems: 0 }), invalid],
  "ListUsers with a marker of its own making": [
    () => root.iam.listUsers({ Marker: "nonsense" }),
    invalid,
  ],
};
for (const [what, [call, expected]] of Object.entries(refused)) {
  test(`${what}: ${expected.code}`, () => fails(call(), expected));
}

test("ListRoles, ListUsers, ListPolicies and ListAccessKeys: pages hold everything once", async () => {
  const UserName = await newUser();
  for (let count = 0; count < 3; count += 1) {
    await newRole();
    await newUser();
    await root.iam.createPolicy({ PolicyName: newName("policy"), PolicyDocument: policy });
    await root.iam.createAccessKey({ UserName });
  }
  type Page = { IsTruncated?: boolean | undefined; Marker?: string | undefined };
  const lists: Record<string, (page: object) => Promise<[Page, unknown[] | undefined]>> = {
    roles: async (page) => {
      const answer = await root.iam.listRoles(page);
      return [answer, answer.Roles?.map(({ Arn }) => Arn)];
    },
    users: async (page) => {
      const answer = await root.iam.listUsers(page);
      return [answer, answer.Users?.map(({ Arn }) => Arn)];
    },
    policies: async (page) => {
      const answer = await root.iam.listPolicies({ Scope: "Local", ...page });
      return [answer, answer.Policies?.map(({ Arn }) => Arn)];
    },
    keys: async (page) => {
      const answer = await root.iam.listAccessKeys({ UserName, ...page });
      return [answer, answer.AccessKeyMetadata?.map(({ AccessKeyId }) => AccessKeyId)];
    },
  };
  for (const [what, list] of Object.entries(lists)) {
    const [, whole = []] = await list({});
    assert.ok(whole.length >= 3, what);
    const found: unknown[] = [];
    let Marker: string | undefined;
    do {
      const [page, items = []] = await list({ MaxItems: 2, Marker });
      assert.ok(items.length <= 2, what);
      assert.equal(page.IsTruncated, page.Marker !== undefined, what);
      found.push(...items);
      Marker = page.Marker;
    } while (Marker !== undefined);
    assert.deepEqual(found, whole, what);
  }
});

test("ListRoles and ListUsers: a path prefix leaves the others out", async () => {
  const [RoleName, UserName] = [newName("role"), newName("user")];
  await root.iam.createRole({ RoleName, Path: "/only/", AssumeRolePolicyDocument: trust });
  await root.iam.createUser({ UserName, Path: "/only/" });
  const { Roles } = await root.iam.listRoles({ PathPrefix: "/only/" });
  assert.deepEqual(
    Roles?.map((each) => each.RoleName),
    [RoleName],
  );
  const { Users } = await root.iam.listUsers({ PathPrefix: "/only/" });
  assert.deepEqual(
    Users?.map((each) => each.UserName),
    [UserName],
  );
});

test("policies act at once: allowed, denied explicitly, detached", async () => {
  const UserName = newName("user");
  const { logs } = await userWith(instance, UserName, allowing(["logs:*"]));
  await logs.describeLogGroups({});
  const deny = { Effect: "Deny", Action: "logs:Describe*", Resource: "*" };
  await root.iam.putUserPolicy({
    UserName,
    PolicyName: "deny",
    PolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement: deny }),
  });
  await fails(logs.describeLogGroups({}), {
    code: "AccessDeniedException",
    message: /with an explicit deny in an identity-based policy$/,
  });
  await root.iam.deleteUserPolicy({ UserName, PolicyName: "deny" });
  await logs.describeLogGroups({});
  await root.iam.deleteUserPolicy({ UserName, PolicyName: "own" });
  await fails(logs.describeLogGroups({}), denied("logs:DescribeLogGroups"));
});
