import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, trusting, userWith } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";
import { operationsOf } from "../support/services.ts";

let instance: Instance;
let nobody: Clients;
const RoleName = "somebodys";
const UserName = "somebody";

before(async () => {
  instance = await Instance.start();
  nobody = await userWith(instance, "nobody");
  const { iam } = new Clients(instance);
  await iam.createRole({ RoleName, AssumeRolePolicyDocument: trust });
  await iam.createUser({ UserName });
});
after(() => instance?.end());

type Iam = Clients["iam"];
const trust = trusting({ Service: "ecs-tasks.amazonaws.com" });
const onRole = { RoleName, PolicyName: "a", PolicyDocument: allowing(["*"]) };
const onUser = { UserName, PolicyName: "a", PolicyDocument: allowing(["*"]) };
const PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess";
const calls: Record<string, (iam: Iam) => Promise<unknown>> = {
  AttachRolePolicy: (iam) => iam.attachRolePolicy({ RoleName, PolicyArn }),
  AttachUserPolicy: (iam) => iam.attachUserPolicy({ UserName: "nobody", PolicyArn }),
  CreateAccessKey: (iam) => iam.createAccessKey({ UserName }),
  CreatePolicy: (iam) => iam.createPolicy(onRole),
  CreateRole: (iam) => iam.createRole({ RoleName: "mine", AssumeRolePolicyDocument: trust }),
  CreateUser: (iam) => iam.createUser({ UserName: "mine" }),
  DeleteAccessKey: (iam) => iam.deleteAccessKey({ UserName, AccessKeyId: "AKIA" }),
  DeletePolicy: (iam) => iam.deletePolicy({ PolicyArn }),
  DeleteRole: (iam) => iam.deleteRole({ RoleName }),
  DeleteRolePolicy: (iam) => iam.deleteRolePolicy(onRole),
  DeleteUser: (iam) => iam.deleteUser({ UserName }),
  DeleteUserPolicy: (iam) => iam.deleteUserPolicy(onUser),
  DetachRolePolicy: (iam) => iam.detachRolePolicy({ RoleName, PolicyArn }),
  DetachUserPolicy: (iam) => iam.detachUserPolicy({ UserName, PolicyArn }),
  GetPolicy: (iam) => iam.getPolicy({ PolicyArn }),
  GetPolicyVersion: (iam) => iam.getPolicyVersion({ PolicyArn, VersionId: "v1" }),
  GetRole: (iam) => iam.getRole({ RoleName }),
  GetRolePolicy: (iam) => iam.getRolePolicy(onRole),
  GetUser: (iam) => iam.getUser({ UserName }),
  GetUserPolicy: (iam) => iam.getUserPolicy(onUser),
  ListAccessKeys: (iam) => iam.listAccessKeys({ UserName }),
  ListAttachedRolePolicies: (iam) => iam.listAttachedRolePolicies({ RoleName }),
  ListAttachedUserPolicies: (iam) => iam.listAttachedUserPolicies({ UserName }),
  ListInstanceProfilesForRole: (iam) => iam.listInstanceProfilesForRole({ RoleName }),
  ListPolicies: (iam) => iam.listPolicies({}),
  ListRolePolicies: (iam) => iam.listRolePolicies({ RoleName }),
  ListRoleTags: (iam) => iam.listRoleTags({ RoleName }),
  ListRoles: (iam) => iam.listRoles({}),
  ListUserPolicies: (iam) => iam.listUserPolicies({ UserName }),
  ListUsers: (iam) => iam.listUsers({}),
  PutRolePolicy: (iam) => iam.putRolePolicy(onRole),
  PutUserPolicy: (iam) => iam.putUserPolicy({ ...onUser, UserName: "nobody" }),
  TagRole: (iam) => iam.tagRole({ RoleName, Tags: [{ Key: "a", Value: "b" }] }),
  UpdateAssumeRolePolicy: (iam) => iam.updateAssumeRolePolicy({ RoleName, PolicyDocument: trust }),
};

test("the calls below are IAM's whole table", () => {
  assert.deepEqual(Object.keys(calls).sort(), operationsOf("iam"));
});

for (const [name, call] of Object.entries(calls)) {
  test(`${name}: a user without permissions is denied`, async () => {
    await fails(call(nobody.iam), { ...denied(`iam:${name}`, "AccessDenied"), status: 403 });
  });
}

test("nothing of what was denied was done", async () => {
  const { iam } = new Clients(instance);
  const { Roles } = await iam.listRoles({});
  assert.deepEqual(
    Roles?.map((role) => role.RoleName),
    [RoleName],
  );
  for (const user of [UserName, "nobody"]) {
    const { PolicyNames } = await iam.listUserPolicies({ UserName: user });
    const { AttachedPolicies } = await iam.listAttachedUserPolicies({ UserName: user });
    assert.deepEqual([PolicyNames, AttachedPolicies], [[], []]);
  }
});

test("a permission on one role doesn't reach another, nor a role with a path", async () => {
  const root = new Clients(instance);
  const Path = "/deep/";
  await root.iam.createRole({ RoleName: "deep", Path, AssumeRolePolicyDocument: trust });
  const arn = `arn:aws:iam::123456789012:role/${RoleName}`;
  const { iam } = await userWith(instance, "one-role", allowing(["iam:*"], arn));
  await iam.getRole({ RoleName });
  const refused = denied("iam:GetRole", "AccessDenied");
  await fails(iam.getRole({ RoleName: "deep" }), {
    ...refused,
    message: /on resource: arn:aws:iam::123456789012:role\/deep\/deep because/,
  });
  await fails(iam.getRole({ RoleName: "nobodys" }), refused);
});
