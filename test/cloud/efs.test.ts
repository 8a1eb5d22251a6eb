import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, userWith } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";
import { operationsOf } from "../support/services.ts";

let instance: Instance;
let root: Clients;
let subnets: string[];

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  subnets = Subnets.map(({ SubnetId }) => SubnetId!);
});
after(() => instance?.end());

let made = 0;
/** A token that no other test uses. */
const token = (): string => `token-${(made += 1)}`;

async function newFileSystem(): Promise<string> {
  const { FileSystemId } = await root.efs.createFileSystem({ CreationToken: token() });
  return FileSystemId!;
}

async function newTarget(FileSystemId: string, SubnetId = subnets[0]): Promise<string> {
  const { MountTargetId } = await root.efs.createMountTarget({ FileSystemId, SubnetId });
  return MountTargetId!;
}

async function newPoint(FileSystemId: string): Promise<string> {
  const point = await root.efs.createAccessPoint({ ClientToken: token(), FileSystemId });
  return point.AccessPointId!;
}

test("CreateFileSystem: answers creating with everything that was asked for", async () => {
  const CreationToken = token();
  const system = await root.efs.createFileSystem({
    CreationToken,
    Encrypted: true,
    PerformanceMode: "generalPurpose",
    ThroughputMode: "provisioned",
    ProvisionedThroughputInMibps: 5,
    Tags: [
      { Key: "Name", Value: "uploads" },
      { Key: "team", Value: "a" },
    ],
  });
  assert.match(system.FileSystemId ?? "", /^fs-[0-9a-f]{17}$/);
  assert.equal(
    system.FileSystemArn,
    `arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/${system.FileSystemId}`,
  );
  assert.equal(system.LifeCycleState, "creating");
  assert.equal(system.OwnerId, "123456789012");
  assert.equal(system.CreationToken, CreationToken);
  assert.equal(system.Name, "uploads");
  assert.equal(system.Encrypted, true);
  assert.match(system.KmsKeyId ?? "", /^arn:aws:kms:us-east-1:123456789012:key\//);
  assert.equal(system.ThroughputMode, "provisioned");
  assert.equal(system.ProvisionedThroughputInMibps, 5);
  assert.equal(system.NumberOfMountTargets, 0);
  assert.ok(system.CreationTime instanceof Date);
  assert.deepEqual(system.Tags, [
    { Key: "Name", Value: "uploads" },
    { Key: "team", Value: "a" },
  ]);
});

test("DescribeFileSystems: a new one is available, bursting, with its root directory's size", async () => {
  const FileSystemId = await newFileSystem();
  const { FileSystems } = await root.efs.describeFileSystems({ FileSystemId });
  assert.equal(FileSystems?.length, 1);
  const [system] = FileSystems;
  assert.equal(system?.LifeCycleState, "available");
  assert.equal(system.ThroughputMode, "bursting");
  assert.equal(system.PerformanceMode, "generalPurpose");
  assert.equal(system.Encrypted, false);
  assert.equal(system.SizeInBytes?.Value, 6144);
  assert.ok(system.SizeInBytes.Timestamp instanceof Date);
});

test("DescribeFileSystems: an ARN and a creation token find the same file system", async () => {
  const CreationToken = token();
  const { FileSystemId, FileSystemArn } = await root.efs.createFileSystem({ CreationToken });
  for (const input of [{ FileSystemId: FileSystemArn }, { CreationToken }]) {
    const { FileSystems } = await root.efs.describeFileSystems(input);
    assert.deepEqual(
      FileSystems?.map((each) => each.FileSystemId),
      [FileSystemId],
    );
  }
  const { FileSystems } = await root.efs.describeFileSystems({ CreationToken: "nobody's" });
  assert.deepEqual(FileSystems, []);
});

test("DescribeFileSystems: pages hold every file system once", async () => {
  const ids = [await newFileSystem(), await newFileSystem(), await newFileSystem()];
  const found: string[] = [];
  let Marker: string | undefined;
  do {
    const page = await root.efs.describeFileSystems({ MaxItems: 2, Marker });
    assert.ok((page.FileSystems?.length ?? 0) <= 2);
    found.push(...(page.FileSystems ?? []).map(({ FileSystemId }) => FileSystemId!));
    Marker = page.NextMarker;
  } while (Marker !== undefined);
  assert.equal(new Set(found).size, found.length);
  for (const id of ids) assert.ok(found.includes(id), id);
});

test("CreateFileSystem: a creation token that was used answers with the first one's id", async () => {
  const CreationToken = token();
  const { FileSystemId } = await root.efs.createFileSystem({ CreationToken });
  await fails(root.efs.createFileSystem({ CreationToken, Encrypted: true }), {
    code: "FileSystemAlreadyExists",
    status: 409,
    members: { FileSystemId, ErrorCode: "FileSystemAlreadyExists" },
    message: `File system '${FileSystemId}' already exists with creation token '${CreationToken}'`,
  });
});

test("CreateFileSystem: without a creation token the SDK's own one is used", async () => {
  const { CreationToken } = await root.efs.createFileSystem({
    CreationToken: undefined,
  });
  assert.match(CreationToken ?? "", /^[0-9a-f-]{36}$/);
});

const refusedFileSystems = {
  "provisioned without a throughput": {
    input: { ThroughputMode: "provisioned" },
    message:
      "Provisioned throughput must be set for file systems that use provisioned throughput mode.",
  },
  "a throughput with bursting": {
    input: { ThroughputMode: "bursting", ProvisionedThroughputInMibps: 5 },
    message:
      "Provisioned throughput can't be set for file systems that use bursting throughput mode.",
  },
  "a throughput with elastic": {
    input: { ThroughputMode: "elastic", ProvisionedThroughputInMibps: 5 },
    message:
      "Provisioned throughput can't be set for file systems that use elastic throughput mode.",
  },
  "elastic with maxIO": {
    input: { ThroughputMode: "elastic", PerformanceMode: "maxIO" },
    message: "Elastic throughput is not available for file systems using MaxIO performance mode.",
  },
  "maxIO in one zone": {
    input: { PerformanceMode: "maxIO", AvailabilityZoneName: "us-east-1a" },
    message: "Unsupported performance mode provided.",
  },
  "a KMS key without encryption": {
    input: { KmsKeyId: "alias/mine" },
    message: "The encrypted parameter must be set to true to create an encrypted file system.",
  },
} as const;
for (const [what, { input, message }] of Object.entries(refusedFileSystems)) {
  test(`CreateFileSystem: ${what} is BadRequest`, async () => {
    const call = root.efs.createFileSystem({ CreationToken: token(), ...input });
    await fails(call, { code: "BadRequest", status: 400, message });
  });
}

test("DeleteFileSystem: takes its access points along, but not while it has mount targets", async () => {
  const FileSystemId = await newFileSystem();
  const AccessPointId = await newPoint(FileSystemId);
  const MountTargetId = await newTarget(FileSystemId);
  await fails(root.efs.deleteFileSystem({ FileSystemId }), {
    code: "FileSystemInUse",
    status: 409,
  });
  await root.efs.deleteMountTarget({ MountTargetId });
  await root.efs.deleteFileSystem({ FileSystemId });
  await fails(root.efs.describeFileSystems({ FileSystemId }), {
    code: "FileSystemNotFound",
    status: 404,
    message: `File system '${FileSystemId}' does not exist.`,
  });
  await fails(root.efs.describeAccessPoints({ AccessPointId }), {
    code: "AccessPointNotFound",
    status: 404,
  });
});

test("DescribeLifecycleConfiguration: a new file system moves nothing", async () => {
  const FileSystemId = await newFileSystem();
  const { LifecyclePolicies } = await root.efs.describeLifecycleConfiguration({ FileSystemId });
  assert.deepEqual(LifecyclePolicies, []);
});

test("CreateAccessPoint: keeps its user, its directory and its tags", async () => {
  const FileSystemId = await newFileSystem();
  const ClientToken = token();
  const PosixUser = { Uid: 1000, Gid: 4_294_967_295, SecondaryGids: [0, 7] };
  const RootDirectory = {
    Path: "/a/b/c/d",
    CreationInfo: { OwnerUid: 1000, OwnerGid: 1001, Permissions: "0750" },
  };
  const point = await root.efs.createAccessPoint({
    ClientToken,
    FileSystemId,
    PosixUser,
    RootDirectory,
    Tags: [{ Key: "Name", Value: "app" }],
  });
  const { AccessPointId } = point;
  assert.match(AccessPointId ?? "", /^fsap-[0-9a-f]{17}$/);
  assert.equal(
    point.AccessPointArn,
    `arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/${AccessPointId}`,
  );
  const { AccessPoints } = await root.efs.describeAccessPoints({
    AccessPointId: point.AccessPointArn,
  });
  const { $metadata: _metadata, ...described } = point;
  assert.deepEqual(AccessPoints, [{ ...described, LifeCycleState: "available" }]);
  assert.deepEqual(described.PosixUser, PosixUser);
  assert.deepEqual(described.RootDirectory, RootDirectory);
  assert.equal(described.Name, "app");
  assert.equal(described.ClientToken, ClientToken);
  assert.equal(described.OwnerId, "123456789012");
});

test("CreateAccessPoint: a client token that was used answers with the first one's id", async () => {
  const FileSystemId = await newFileSystem();
  const ClientToken = token();
  const { AccessPointId } = await root.efs.createAccessPoint({ ClientToken, FileSystemId });
  await fails(root.efs.createAccessPoint({ ClientToken, FileSystemId }), {
    code: "AccessPointAlreadyExists",
    status: 409,
    members: { AccessPointId },
  });
});

const creation = { OwnerUid: 0, OwnerGid: 0, Permissions: "755" };
const refusedPoints = {
  "a path that doesn't start with a slash": { RootDirectory: { Path: "a" } },
  "a path of five parts": { RootDirectory: { Path: "/a/b/c/d/e" } },
  "a path that climbs": { RootDirectory: { Path: "/../etc" } },
  "a path with a character of the shell": { RootDirectory: { Path: "/a;b" } },
  "a path of 101 characters": { RootDirectory: { Path: `/${"a".repeat(100)}` } },
  "a negative user": { PosixUser: { Uid: -1, Gid: 0 } },
  "a group beyond 32 bits": { PosixUser: { Uid: 0, Gid: 4_294_967_296 } },
  "half a user": { PosixUser: { Uid: 1.5, Gid: 0 } },
  "17 secondary groups": {
    PosixUser: { Uid: 0, Gid: 0, SecondaryGids: Array.from({ length: 17 }, (_, gid) => gid) },
  },
  "permissions that aren't octal": {
    RootDirectory: { Path: "/a", CreationInfo: { ...creation, Permissions: "0888" } },
  },
  "permissions of two digits": {
    RootDirectory: { Path: "/a", CreationInfo: { ...creation, Permissions: "75" } },
  },
};
for (const [what, input] of Object.entries(refusedPoints)) {
  test(`CreateAccessPoint: ${what} is BadRequest`, async () => {
    const FileSystemId = await newFileSystem();
    const call = root.efs.createAccessPoint({ ClientToken: token(), FileSystemId, ...input });
    await fails(call, { code: "BadRequest", status: 400 });
    const { AccessPoints } = await root.efs.describeAccessPoints({ FileSystemId });
    assert.deepEqual(AccessPoints, []);
  });
}

test("DescribeAccessPoints: of one file system only, in pages", async () => {
  const FileSystemId = await newFileSystem();
  const ids = [];
  for (let count = 0; count < 3; count += 1) ids.push(await newPoint(FileSystemId));
  await newPoint(await newFileSystem());
  const found: string[] = [];
  let NextToken: string | undefined;
  do {
    const page = await root.efs.describeAccessPoints({ FileSystemId, MaxResults: 2, NextToken });
    found.push(...(page.AccessPoints ?? []).map(({ AccessPointId }) => AccessPointId!));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  assert.deepEqual(found.toSorted(), ids.toSorted());
});

test("access points: unknown ones and contradictory questions are refused", async () => {
  const FileSystemId = await newFileSystem();
  const AccessPointId = await newPoint(FileSystemId);
  await fails(root.efs.describeAccessPoints({ FileSystemId, AccessPointId }), {
    code: "BadRequest",
    status: 400,
  });
  const ClientToken = token();
  await fails(root.efs.createAccessPoint({ ClientToken, FileSystemId: "fs-01234567" }), {
    code: "FileSystemNotFound",
    status: 404,
  });
  await root.efs.deleteAccessPoint({ AccessPointId });
  await fails(root.efs.deleteAccessPoint({ AccessPointId }), {
    code: "AccessPointNotFound",
    status: 404,
    message: `Access point '${AccessPointId}' does not exist.`,
  });
});

const refusedPages = {
  "DescribeFileSystems, a marker of its own making": () =>
    root.efs.describeFileSystems({ Marker: "nonsense" }),
  "DescribeFileSystems, pages of nothing": () => root.efs.describeFileSystems({ MaxItems: 0 }),
  "DescribeAccessPoints, a token of its own making": () =>
    root.efs.describeAccessPoints({ NextToken: "nonsense" }),
  "DescribeAccessPoints, pages of less than nothing": () =>
    root.efs.describeAccessPoints({ MaxResults: -1 }),
};
for (const [what, call] of Object.entries(refusedPages)) {
  test(`${what}: BadRequest`, () => fails(call(), { code: "BadRequest", status: 400 }));
}

test("a file system policy: put, described as it was given, deleted", async () => {
  const FileSystemId = await newFileSystem();
  const none = {
    code: "PolicyNotFound",
    status: 404,
  };
  await fails(root.efs.describeFileSystemPolicy({ FileSystemId }), none);
  const statement = {
    Effect: "Allow",
    Principal: { AWS: "*" },
    Action: "elasticfilesystem:ClientMount",
  };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 1);
  const put = await root.efs.putFileSystemPolicy({ FileSystemId, Policy });
  const described = await root.efs.describeFileSystemPolicy({ FileSystemId });
  for (const answer of [put, described]) {
    assert.equal(answer.FileSystemId, FileSystemId);
    assert.equal(answer.Policy, Policy);
  }
  await root.efs.deleteFileSystemPolicy({ FileSystemId });
  await fails(root.efs.describeFileSystemPolicy({ FileSystemId }), none);
});

const refusedPolicies = {
  "what isn't JSON": "{",
  "no statement": '{"Version":"2012-10-17","Statement":[]}',
  "an unknown effect": '{"Statement":{"Effect":"Perhaps","Principal":"*","Action":"*"}}',
  "an unknown condition operator":
    '{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"Sounds":{"a":"b"}}}}',
  "20,001 characters": `{"Statement":${" ".repeat(20_000)}`,
};
for (const [what, Policy] of Object.entries(refusedPolicies)) {
  test(`PutFileSystemPolicy: ${what} is InvalidPolicyException`, async () => {
    const FileSystemId = await newFileSystem();
    await fails(root.efs.putFileSystemPolicy({ FileSystemId, Policy }), {
      code: "InvalidPolicyException",
      status: 400,
    });
    await fails(root.efs.describeFileSystemPolicy({ FileSystemId }), { code: "PolicyNotFound" });
  });
}

for (const kind of ["file system", "access point"] as const) {
  test(`tags of a ${kind}: added, replaced, listed, removed, at most 50`, async () => {
    const FileSystemId = await newFileSystem();
    const ResourceId = kind === "file system" ? FileSystemId : await newPoint(FileSystemId);
    const tagsNow = async (): Promise<unknown> =>
      (await root.efs.listTagsForResource({ ResourceId })).Tags;
    assert.deepEqual(await tagsNow(), []);
    await root.efs.tagResource({
      ResourceId,
      Tags: [
        { Key: "a", Value: "1" },
        { Key: "b", Value: "" },
      ],
    });
    await root.efs.tagResource({ ResourceId, Tags: [{ Key: "a", Value: "2" }] });
    assert.deepEqual(await tagsNow(), [
      { Key: "a", Value: "2" },
      { Key: "b", Value: "" },
    ]);
    await root.efs.untagResource({ ResourceId, TagKeys: ["a", "never there"] });
    assert.deepEqual(await tagsNow(), [{ Key: "b", Value: "" }]);
    const fifty = Array.from({ length: 50 }, (_, index) => ({ Key: `k${index}`, Value: "v" }));
    await fails(root.efs.tagResource({ ResourceId, Tags: fifty }), {
      code: "BadRequest",
      status: 400,
    });
    assert.deepEqual(await tagsNow(), [{ Key: "b", Value: "" }]);
  });
}

test("tags of what doesn't exist are refused by its kind", async () => {
  await fails(root.efs.listTagsForResource({ ResourceId: "fs-01234567" }), {
    code: "FileSystemNotFound",
    status: 404,
  });
  await fails(root.efs.listTagsForResource({ ResourceId: "fsap-01234567" }), {
    code: "AccessPointNotFound",
    status: 404,
  });
});

test("a user without permissions is denied every operation", async () => {
  const nobody = await userWith(instance, "efs-nobody");
  const FileSystemId = await newFileSystem();
  const AccessPointId = await newPoint(FileSystemId);
  const MountTargetId = await newTarget(FileSystemId);
  const onTarget = { MountTargetId };
  const calls: Record<string, (efs: Clients["efs"]) => Promise<unknown>> = {
    CreateAccessPoint: (efs) => efs.createAccessPoint({ ClientToken: token(), FileSystemId }),
    CreateFileSystem: (efs) => efs.createFileSystem({ CreationToken: token() }),
    CreateMountTarget: (efs) => efs.createMountTarget({ FileSystemId, SubnetId: subnets[1] }),
    DeleteAccessPoint: (efs) => efs.deleteAccessPoint({ AccessPointId }),
    DeleteFileSystem: (efs) => efs.deleteFileSystem({ FileSystemId }),
    DeleteFileSystemPolicy: (efs) => efs.deleteFileSystemPolicy({ FileSystemId }),
    DeleteMountTarget: (efs) => efs.deleteMountTarget(onTarget),
    DescribeAccessPoints: (efs) => efs.describeAccessPoints({}),
    DescribeFileSystemPolicy: (efs) => efs.describeFileSystemPolicy({ FileSystemId }),
    DescribeFileSystems: (efs) => efs.describeFileSystems({}),
    DescribeLifecycleConfiguration: (efs) => efs.describeLifecycleConfiguration({ FileSystemId }),
    DescribeMountTargetSecurityGroups: (efs) => efs.describeMountTargetSecurityGroups(onTarget),
    DescribeMountTargets: (efs) => efs.describeMountTargets({ FileSystemId }),
    ListTagsForResource: (efs) => efs.listTagsForResource({ ResourceId: FileSystemId }),
    ModifyMountTargetSecurityGroups: (efs) => efs.modifyMountTargetSecurityGroups(onTarget),
    PutFileSystemPolicy: (efs) => efs.putFileSystemPolicy({ FileSystemId, Policy: "{}" }),
    TagResource: (efs) => efs.tagResource({ ResourceId: AccessPointId, Tags: [] }),
    UntagResource: (efs) => efs.untagResource({ ResourceId: AccessPointId, TagKeys: ["a"] }),
  };
  assert.deepEqual(Object.keys(calls).sort(), operationsOf("elasticfilesystem"));
  for (const [name, call] of Object.entries(calls)) {
    const refused = denied(`elasticfilesystem:${name}`);
    await fails(call(nobody.efs), { ...refused, status: 403 });
  }
});

test("a permission on one file system doesn't reach another", async () => {
  const [own, other] = [await newFileSystem(), await newFileSystem()];
  const arn = `arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/${own}`;
  const policy = allowing(["elasticfilesystem:Describe*"], arn);
  const { efs } = await userWith(instance, "efs-one", policy);
  const { FileSystems } = await efs.describeFileSystems({ FileSystemId: own });
  assert.equal(FileSystems?.length, 1);
  const refused = denied("elasticfilesystem:DescribeFileSystems");
  await fails(efs.describeFileSystems({ FileSystemId: other }), refused);
  await fails(efs.describeFileSystems({}), refused);
});
