import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { fails } from "../support/api-failure.ts";
import { Clients } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { Instance } from "../support/instance.ts";

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

async function groupIds(count: number): Promise<string[]> {
  const names = Array.from({ length: count }, () => `efs-${token()}`);
  const groups = names.map((GroupName) =>
    root.ec2.createSecurityGroup({ GroupName, Description: "for mount targets" }),
  );
  return (await Promise.all(groups)).map(({ GroupId }) => GroupId!);
}

test("CreateMountTarget: an address of the subnet, in its zone, becomes available", async () => {
  const FileSystemId = await newFileSystem();
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  const [subnet] = Subnets;
  const target = await root.efs.createMountTarget({ FileSystemId, SubnetId: subnet?.SubnetId });
  assert.match(target.MountTargetId ?? "", /^fsmt-[0-9a-f]{17}$/);
  assert.match(target.NetworkInterfaceId ?? "", /^eni-[0-9a-f]{17}$/);
  assert.equal(target.LifeCycleState, "creating");
  assert.equal(target.AvailabilityZoneName, subnet?.AvailabilityZone);
  assert.equal(target.AvailabilityZoneId, subnet?.AvailabilityZoneId);
  assert.equal(target.VpcId, subnet?.VpcId);
  assert.equal(target.OwnerId, "123456789012");
  const { MountTargetId } = target;
  await eventually("the mount target is available", async () => {
    const { MountTargets } = await root.efs.describeMountTargets({ MountTargetId });
    return MountTargets?.[0]?.LifeCycleState === "available";
  });
  const { FileSystems } = await root.efs.describeFileSystems({ FileSystemId });
  assert.equal(FileSystems?.[0]?.NumberOfMountTargets, 1);
  const { NetworkInterfaces } = await root.ec2.describeNetworkInterfaces({
    NetworkInterfaceIds: [target.NetworkInterfaceId!],
  });
  assert.equal(NetworkInterfaces?.[0]?.PrivateIpAddress, target.IpAddress);
});

test("CreateMountTarget: an address that was asked for is given once", async () => {
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  const { SubnetId, CidrBlock } = Subnets[0]!;
  const IpAddress = CidrBlock!.replace(/\d+\/\d+$/, "200");
  const first = await newFileSystem();
  const target = await root.efs.createMountTarget({ FileSystemId: first, SubnetId, IpAddress });
  assert.equal(target.IpAddress, IpAddress);
  const FileSystemId = await newFileSystem();
  await fails(root.efs.createMountTarget({ FileSystemId, SubnetId, IpAddress }), {
    code: "IpAddressInUse",
    status: 409,
  });
  await fails(root.efs.createMountTarget({ FileSystemId, SubnetId, IpAddress: "192.0.2.1" }), {
    code: "BadRequest",
    status: 400,
    message: /does not fall within the subnet's address range/,
  });
});

test("CreateMountTarget: what doesn't exist or is there already is refused", async () => {
  const FileSystemId = await newFileSystem();
  await newTarget(FileSystemId);
  const [SubnetId, second] = subnets;
  await fails(root.efs.createMountTarget({ FileSystemId, SubnetId }), {
    code: "MountTargetConflict",
    status: 409,
    message: "mount target already exists in this AZ",
  });
  await fails(root.efs.createMountTarget({ FileSystemId, SubnetId: "subnet-0123456789abcdef0" }), {
    code: "SubnetNotFound",
    status: 400,
    message: "The subnet ID 'subnet-0123456789abcdef0' does not exist",
  });
  await fails(root.efs.createMountTarget({ FileSystemId: "fs-01234567", SubnetId }), {
    code: "FileSystemNotFound",
    status: 404,
  });
  const input = { FileSystemId, SubnetId: second };
  const SecurityGroups = ["sg-0123456789abcdef0"];
  await fails(root.efs.createMountTarget({ ...input, SecurityGroups }), {
    code: "SecurityGroupNotFound",
    status: 400,
  });
  await fails(root.efs.createMountTarget({ ...input, SecurityGroups: await groupIds(6) }), {
    code: "SecurityGroupLimitExceeded",
    status: 400,
    message: "The maximum number of security groups per interface has been reached.",
  });
});

test("DescribeMountTargets: by file system, mount target and access point, in pages", async () => {
  const FileSystemId = await newFileSystem();
  const ids = [];
  for (const subnet of subnets) ids.push(await newTarget(FileSystemId, subnet));
  const AccessPointId = await newPoint(FileSystemId);
  for (const input of [{ FileSystemId }, { AccessPointId }]) {
    const { MountTargets } = await root.efs.describeMountTargets(input);
    assert.deepEqual(MountTargets?.map((each) => each.MountTargetId).sort(), ids.toSorted());
  }
  const first = await root.efs.describeMountTargets({ FileSystemId, MaxItems: 2 });
  assert.equal(first.MountTargets?.length, 2);
  const Marker = first.NextMarker;
  const rest = await root.efs.describeMountTargets({ FileSystemId, MaxItems: 2, Marker });
  assert.equal(rest.MountTargets?.length, 1);
  assert.equal(rest.NextMarker, undefined);
});

const refusedTargetQueries = {
  "without any id": [{}, "BadRequest"],
  "with two ids": [{ FileSystemId: "fs-01234567", MountTargetId: "fsmt-01234567" }, "BadRequest"],
  "of an unknown file system": [{ FileSystemId: "fs-01234567" }, "FileSystemNotFound"],
  "of an unknown mount target": [{ MountTargetId: "fsmt-01234567" }, "MountTargetNotFound"],
  "of an unknown access point": [{ AccessPointId: "fsap-01234567" }, "AccessPointNotFound"],
} as const;
for (const [what, [input, code]] of Object.entries(refusedTargetQueries)) {
  test(`DescribeMountTargets: ${what} is ${code}`, async () => {
    const status = code === "BadRequest" ? 400 : 404;
    await fails(root.efs.describeMountTargets(input), { code, status });
  });
}

test("mount target security groups: the default one, then those that were set", async () => {
  const MountTargetId = await newTarget(await newFileSystem());
  const before = await root.efs.describeMountTargetSecurityGroups({ MountTargetId });
  const { SecurityGroups: groups = [] } = await root.ec2.describeSecurityGroups({
    GroupNames: ["default"],
  });
  assert.deepEqual(before.SecurityGroups, [groups[0]?.GroupId]);
  const SecurityGroups = await groupIds(2);
  await root.efs.modifyMountTargetSecurityGroups({ MountTargetId, SecurityGroups });
  const changed = await root.efs.describeMountTargetSecurityGroups({ MountTargetId });
  assert.deepEqual(changed.SecurityGroups, SecurityGroups);
  const tooMany = await groupIds(6);
  const modify = (list: string[], target = MountTargetId): Promise<unknown> =>
    root.efs.modifyMountTargetSecurityGroups({ MountTargetId: target, SecurityGroups: list });
  await fails(modify(tooMany), { code: "SecurityGroupLimitExceeded", status: 400 });
  await fails(modify(["sg-0123456789abcdef0"]), { code: "SecurityGroupNotFound", status: 400 });
  await fails(modify(SecurityGroups, "fsmt-01234567"), {
    code: "MountTargetNotFound",
    status: 404,
  });
});

test("DeleteMountTarget: gives the address and the zone back", async () => {
  const FileSystemId = await newFileSystem();
  const MountTargetId = await newTarget(FileSystemId);
  const { MountTargets } = await root.efs.describeMountTargets({ MountTargetId });
  await root.efs.deleteMountTarget({ MountTargetId });
  await fails(root.efs.deleteMountTarget({ MountTargetId }), {
    code: "MountTargetNotFound",
    status: 404,
  });
  const { NetworkInterfaceId } = MountTargets![0]!;
  await fails(root.ec2.describeNetworkInterfaces({ NetworkInterfaceIds: [NetworkInterfaceId!] }), {
    code: "InvalidNetworkInterfaceID.NotFound",
  });
  await newTarget(FileSystemId);
});
