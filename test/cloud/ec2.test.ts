import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { IpPermission } from "@aws-sdk/client-ec2";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, userWith } from "../support/clients.ts";
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
const arnOf = (groupId: string): string =>
  `arn:aws:ec2:us-east-1:123456789012:security-group/${groupId}`;

async function newGroup(): Promise<string> {
  const { GroupId } = await root.ec2.createSecurityGroup({
    GroupName: newName("group"),
    Description: "for a test",
  });
  return GroupId!;
}

async function rulesOf(GroupId: string): Promise<{ in: IpPermission[]; out: IpPermission[] }> {
  const { SecurityGroups } = await root.ec2.describeSecurityGroups({ GroupIds: [GroupId] });
  const { IpPermissions = [], IpPermissionsEgress = [] } = SecurityGroups![0]!;
  return { in: IpPermissions, out: IpPermissionsEgress };
}

const nfsFrom = (CidrIp: string): IpPermission => ({
  IpProtocol: "tcp",
  FromPort: 2049,
  ToPort: 2049,
  IpRanges: [{ CidrIp }],
});

test("DescribeVpcs: the default one, with the range that it was given", async () => {
  const { Vpcs = [] } = await root.ec2.describeVpcs({});
  assert.equal(Vpcs.length, 1);
  const [vpc] = Vpcs;
  assert.match(vpc?.VpcId ?? "", /^vpc-[0-9a-f]{17}$/);
  assert.match(vpc?.CidrBlock ?? "", /^127\.\d+\.0\.0\/16$/);
  assert.equal(vpc?.IsDefault, true);
  assert.equal(vpc.State, "available");
  assert.equal(vpc.OwnerId, "123456789012");
  const filters = [{ Name: "is-default", Values: ["true"] }];
  assert.equal((await root.ec2.describeVpcs({ Filters: filters })).Vpcs?.length, 1);
  const none = [{ Name: "is-default", Values: ["false"] }];
  assert.deepEqual((await root.ec2.describeVpcs({ Filters: none })).Vpcs ?? [], []);
});

test("DescribeSubnets: one in each of three zones, disjoint, inside the VPC", async () => {
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  const zones = Subnets.map(({ AvailabilityZone }) => AvailabilityZone!).sort();
  assert.deepEqual(zones, ["us-east-1a", "us-east-1b", "us-east-1c"]);
  assert.equal(new Set(Subnets.map(({ CidrBlock }) => CidrBlock)).size, 3);
  const { Vpcs } = await root.ec2.describeVpcs({});
  for (const subnet of Subnets) {
    assert.equal(subnet.VpcId, Vpcs?.[0]?.VpcId);
    assert.match(subnet.CidrBlock ?? "", /\/20$/);
    assert.equal(subnet.DefaultForAz, true);
    assert.match(subnet.AvailabilityZoneId ?? "", /^use1-az[123]$/);
  }
});

test("DescribeSubnets: by id and by filters, wildcards included", async () => {
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  const [first] = Subnets;
  const find = async (input: object): Promise<unknown> =>
    (await root.ec2.describeSubnets(input)).Subnets;
  assert.deepEqual(await find({ SubnetIds: [first?.SubnetId] }), [first]);
  const filters: [string, string][] = [
    ["subnet-id", first!.SubnetId!],
    ["availability-zone", first!.AvailabilityZone!],
    ["availability-zone-id", first!.AvailabilityZoneId!],
    ["cidr-block", first!.CidrBlock!],
  ];
  for (const [Name, value] of filters) {
    assert.deepEqual(await find({ Filters: [{ Name, Values: [value] }] }), [first], Name);
  }
  const wild = [{ Name: "availability-zone", Values: ["us-east-1*"] }];
  assert.deepEqual(await find({ Filters: wild }), Subnets);
  const both = [...wild, { Name: "subnet-id", Values: [first!.SubnetId!] }];
  assert.deepEqual(await find({ Filters: both }), [first]);
});

test("DescribeAvailabilityZones: three, in order, with their ids", async () => {
  const { AvailabilityZones = [] } = await root.ec2.describeAvailabilityZones({});
  assert.deepEqual(
    AvailabilityZones.map(({ ZoneName, ZoneId, State }) => [ZoneName, ZoneId, State]),
    ["a", "b", "c"].map((letter, index) => [
      `us-east-1${letter}`,
      `use1-az${index + 1}`,
      "available",
    ]),
  );
  const named = await root.ec2.describeAvailabilityZones({ ZoneNames: ["us-east-1b"] });
  assert.equal(named.AvailabilityZones?.[0]?.ZoneId, "use1-az2");
});

test("DescribeNetworkInterfaces: those of a mount target, by id and by filters", async () => {
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  const { FileSystemId } = await root.efs.createFileSystem({ CreationToken: newName("token") });
  const SecurityGroups = [await newGroup()];
  const target = await root.efs.createMountTarget({
    FileSystemId,
    SubnetId: Subnets[0]?.SubnetId,
    SecurityGroups,
  });
  const filters: [string, string][] = [
    ["network-interface-id", target.NetworkInterfaceId!],
    ["private-ip-address", target.IpAddress!],
    ["addresses.private-ip-address", target.IpAddress!],
    ["group-id", SecurityGroups[0]!],
    ["description", `*${target.MountTargetId}*`],
  ];
  for (const [Name, value] of filters) {
    const { NetworkInterfaces = [] } = await root.ec2.describeNetworkInterfaces({
      Filters: [{ Name, Values: [value] }],
    });
    assert.equal(NetworkInterfaces.length, 1, Name);
    const [found] = NetworkInterfaces;
    assert.equal(found?.NetworkInterfaceId, target.NetworkInterfaceId);
    assert.equal(found?.SubnetId, target.SubnetId);
    assert.equal(found?.RequesterManaged, true);
    assert.equal(found.Status, "in-use");
    assert.equal(found.Groups?.[0]?.GroupId, SecurityGroups[0]);
    assert.match(found.MacAddress ?? "", /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  }
});

const missing: Record<string, [() => Promise<unknown>, string, string]> = {
  "DescribeVpcs by an unknown id": [
    () => root.ec2.describeVpcs({ VpcIds: ["vpc-01234567"] }),
    "InvalidVpcID.NotFound",
    "The vpc ID 'vpc-01234567' does not exist",
  ],
  "DescribeSubnets by an unknown id": [
    () => root.ec2.describeSubnets({ SubnetIds: ["subnet-01234567"] }),
    "InvalidSubnetID.NotFound",
    "The subnet ID 'subnet-01234567' does not exist",
  ],
  "DescribeNetworkInterfaces by an unknown id": [
    () => root.ec2.describeNetworkInterfaces({ NetworkInterfaceIds: ["eni-01234567"] }),
    "InvalidNetworkInterfaceID.NotFound",
    "The networkInterface ID 'eni-01234567' does not exist",
  ],
  "DescribeSecurityGroups by an unknown id": [
    () => root.ec2.describeSecurityGroups({ GroupIds: ["sg-01234567"] }),
    "InvalidGroup.NotFound",
    "The security group 'sg-01234567' does not exist",
  ],
  "DescribeSecurityGroups by an unknown name": [
    () => root.ec2.describeSecurityGroups({ GroupNames: ["nobodys"] }),
    "InvalidGroup.NotFound",
    "The security group 'nobodys' does not exist",
  ],
  "DescribeSubnets by an unknown filter": [
    () => root.ec2.describeSubnets({ Filters: [{ Name: "colour", Values: ["red"] }] }),
    "InvalidParameterValue",
    "The filter 'colour' is invalid",
  ],
  "DescribeNetworkInterfaces by an unknown filter": [
    () => root.ec2.describeNetworkInterfaces({ Filters: [{ Name: "constructor", Values: [""] }] }),
    "InvalidParameterValue",
    "The filter 'constructor' is invalid",
  ],
  "DeleteSecurityGroup of an unknown one": [
    () => root.ec2.deleteSecurityGroup({ GroupId: "sg-01234567" }),
    "InvalidGroup.NotFound",
    "The security group 'sg-01234567' does not exist",
  ],
  "CreateSecurityGroup in an unknown VPC": [
    () => root.ec2.createSecurityGroup({ GroupName: "a", Description: "b", VpcId: "vpc-01234567" }),
    "InvalidVpcID.NotFound",
    "The vpc ID 'vpc-01234567' does not exist",
  ],
  "CreateSecurityGroup without a description": [
    () => root.ec2.createSecurityGroup({ GroupName: "a", Description: undefined }),
    "MissingParameter",
    "The request must contain the parameter GroupDescription",
  ],
  "CreateSecurityGroup named like an id": [
    () => root.ec2.createSecurityGroup({ GroupName: "sg-mine", Description: "b" }),
    "InvalidParameterValue",
    "Invalid value 'sg-mine' for GroupName",
  ],
};
for (const [what, [call, code, message]] of Object.entries(missing)) {
  test(`${what}: ${code}`, () => fails(call(), { code, status: 400, message }));
}

test("security groups: made with a way out, found by id, name and filters, deleted", async () => {
  const GroupName = newName("group");
  const made = await root.ec2.createSecurityGroup({
    GroupName,
    Description: "for mount targets",
    TagSpecifications: [{ ResourceType: "security-group", Tags: [{ Key: "team", Value: "a" }] }],
  });
  const GroupId = made.GroupId!;
  assert.match(GroupId, /^sg-[0-9a-f]{17}$/);
  assert.equal(made.SecurityGroupArn, arnOf(GroupId));
  const questions = [
    { GroupIds: [GroupId] },
    { GroupNames: [GroupName] },
    { Filters: [{ Name: "group-name", Values: [GroupName] }] },
    { Filters: [{ Name: "group-id", Values: [GroupId] }] },
  ];
  for (const question of questions) {
    const { SecurityGroups } = await root.ec2.describeSecurityGroups(question);
    assert.equal(SecurityGroups?.length, 1);
    const [group] = SecurityGroups;
    assert.equal(group?.GroupId, GroupId);
    assert.equal(group.Description, "for mount targets");
    assert.equal(group.OwnerId, "123456789012");
    assert.deepEqual(group.IpPermissions ?? [], []);
    assert.deepEqual(group.IpPermissionsEgress?.[0]?.IpRanges, [{ CidrIp: "0.0.0.0/0" }]);
    assert.deepEqual(group.Tags, [{ Key: "team", Value: "a" }]);
  }
  await fails(root.ec2.createSecurityGroup({ GroupName, Description: "again" }), {
    code: "InvalidGroup.Duplicate",
    status: 400,
    message: new RegExp(`^The security group '${GroupName}' already exists for VPC 'vpc-`),
  });
  await root.ec2.deleteSecurityGroup({ GroupId });
  await fails(root.ec2.describeSecurityGroups({ GroupIds: [GroupId] }), {
    code: "InvalidGroup.NotFound",
  });
});

test("rules: authorized, described, not twice, revoked by what they say and by id", async () => {
  const GroupId = await newGroup();
  const peer = await newGroup();
  const fromPeer = {
    IpProtocol: "tcp",
    FromPort: 2049,
    ToPort: 2049,
    UserIdGroupPairs: [{ GroupId: peer, Description: "tasks" }],
  };
  const authorized = await root.ec2.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [nfsFrom("10.0.0.0/8"), fromPeer],
  });
  assert.equal(authorized.Return, true);
  const [byRange, byGroup] = authorized.SecurityGroupRules ?? [];
  assert.match(byRange?.SecurityGroupRuleId ?? "", /^sgr-[0-9a-f]{17}$/);
  assert.equal(byRange?.CidrIpv4, "10.0.0.0/8");
  assert.equal(byRange.IsEgress, false);
  assert.equal(byGroup?.ReferencedGroupInfo?.GroupId, peer);
  assert.deepEqual((await rulesOf(GroupId)).in, [
    {
      IpProtocol: "tcp",
      FromPort: 2049,
      ToPort: 2049,
      IpRanges: [{ CidrIp: "10.0.0.0/8" }],
      UserIdGroupPairs: [{ GroupId: peer, UserId: "123456789012", Description: "tasks" }],
    },
  ]);
  const IpPermissions = [nfsFrom("10.0.0.0/8")];
  await fails(root.ec2.authorizeSecurityGroupIngress({ GroupId, IpPermissions }), {
    code: "InvalidPermission.Duplicate",
    status: 400,
    message:
      'the specified rule "peer: 10.0.0.0/8, tcp, from port: 2049, to port: 2049, ALLOW" ' +
      "already exists",
  });
  await fails(root.ec2.deleteSecurityGroup({ GroupId: peer }), {
    code: "DependencyViolation",
    status: 400,
    message: `resource ${peer} has a dependent object`,
  });
  await root.ec2.revokeSecurityGroupIngress({ GroupId, IpPermissions });
  const SecurityGroupRuleIds = [byGroup?.SecurityGroupRuleId ?? ""];
  await root.ec2.revokeSecurityGroupIngress({ GroupId, SecurityGroupRuleIds });
  assert.deepEqual((await rulesOf(GroupId)).in, []);
  await fails(root.ec2.revokeSecurityGroupIngress({ GroupId, IpPermissions }), {
    code: "InvalidPermission.NotFound",
    status: 400,
    message: "The specified rule does not exist in this security group.",
  });
  await root.ec2.deleteSecurityGroup({ GroupId: peer });
});

test("rules out of a group: the usual one revoked, another authorized", async () => {
  const GroupId = await newGroup();
  const everything = { IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] };
  await root.ec2.revokeSecurityGroupEgress({ GroupId, IpPermissions: [everything] });
  assert.deepEqual((await rulesOf(GroupId)).out, []);
  const { SecurityGroupRules } = await root.ec2.authorizeSecurityGroupEgress({
    GroupId,
    IpPermissions: [nfsFrom("10.0.0.0/8")],
  });
  assert.equal(SecurityGroupRules?.[0]?.IsEgress, true);
  const rules = await rulesOf(GroupId);
  assert.deepEqual(rules.out[0]?.IpRanges, [{ CidrIp: "10.0.0.0/8" }]);
  assert.deepEqual(rules.in, []);
});

test("AuthorizeSecurityGroupIngress: TCP by its number and by one range is TCP", async () => {
  const GroupId = await newGroup();
  const port = { FromPort: 2049, ToPort: 2049, CidrIp: "10.0.0.0/8" };
  await root.ec2.authorizeSecurityGroupIngress({ GroupId, IpProtocol: "6", ...port });
  const [rule] = (await rulesOf(GroupId)).in;
  assert.equal(rule?.IpProtocol, "tcp");
  await fails(root.ec2.authorizeSecurityGroupIngress({ GroupId, IpProtocol: "tcp", ...port }), {
    code: "InvalidPermission.Duplicate",
  });
});

const badRules: Record<string, [IpPermission[], string]> = {
  nothing: [[], "MissingParameter"],
  "a range that is none": [[nfsFrom("10.0.0.0/33")], "InvalidParameterValue"],
  "a range with host bits": [[nfsFrom("10.0.0.1/8")], "InvalidParameterValue"],
  "an unknown protocol": [
    [{ ...nfsFrom("10.0.0.0/8"), IpProtocol: "nfs" }],
    "InvalidParameterValue",
  ],
  "TCP without ports": [
    [{ IpProtocol: "tcp", IpRanges: [{ CidrIp: "10.0.0.0/8" }] }],
    "InvalidParameterValue",
  ],
  "ports from high to low": [[{ ...nfsFrom("10.0.0.0/8"), ToPort: 2048 }], "InvalidParameterValue"],
  "a port beyond the last": [
    [{ ...nfsFrom("10.0.0.0/8"), ToPort: 65_536 }],
    "InvalidParameterValue",
  ],
  "an unknown group": [
    [{ IpProtocol: "-1", UserIdGroupPairs: [{ GroupId: "sg-01234567" }] }],
    "InvalidGroup.NotFound",
  ],
};
for (const [what, [IpPermissions, code]] of Object.entries(badRules)) {
  test(`AuthorizeSecurityGroupIngress: ${what} is ${code} and changes nothing`, async () => {
    const GroupId = await newGroup();
    const call = root.ec2.authorizeSecurityGroupIngress({ GroupId, IpPermissions });
    await fails(call, { code, status: 400 });
    assert.deepEqual((await rulesOf(GroupId)).in, []);
  });
}

test("DeleteSecurityGroup: neither the default one nor one in use", async () => {
  const { SecurityGroups } = await root.ec2.describeSecurityGroups({ GroupNames: ["default"] });
  await fails(root.ec2.deleteSecurityGroup({ GroupId: SecurityGroups?.[0]?.GroupId }), {
    code: "CannotDelete",
    status: 400,
    message: "the specified group: default cannot be deleted by a user",
  });
  const GroupId = await newGroup();
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  const { FileSystemId } = await root.efs.createFileSystem({ CreationToken: newName("token") });
  const { MountTargetId } = await root.efs.createMountTarget({
    FileSystemId,
    SubnetId: Subnets[0]?.SubnetId,
    SecurityGroups: [GroupId],
  });
  await fails(root.ec2.deleteSecurityGroup({ GroupId }), { code: "DependencyViolation" });
  await root.efs.deleteMountTarget({ MountTargetId });
  await root.ec2.deleteSecurityGroup({ GroupId });
});

test("DescribeSecurityGroups: pages hold every group once", async () => {
  for (let count = 0; count < 7; count += 1) await newGroup();
  const whole = (await root.ec2.describeSecurityGroups({})).SecurityGroups;
  const found = [];
  let NextToken: string | undefined;
  do {
    const page = await root.ec2.describeSecurityGroups({ MaxResults: 5, NextToken });
    assert.ok((page.SecurityGroups?.length ?? 0) <= 5);
    found.push(...(page.SecurityGroups ?? []));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  assert.deepEqual(found, whole);
  for (const input of [{ MaxResults: 4 }, { MaxResults: 1001 }, { NextToken: "nonsense" }]) {
    await fails(root.ec2.describeSecurityGroups(input), {
      code: "InvalidParameterValue",
      status: 400,
    });
  }
});

type Call = (ec2: Clients["ec2"], DryRun?: boolean) => Promise<unknown>;

function everyCall(GroupId: string): Record<string, Call> {
  const rules = { GroupId, IpPermissions: [nfsFrom("192.0.2.0/24")] };
  return {
    AuthorizeSecurityGroupEgress: (ec2, DryRun) =>
      ec2.authorizeSecurityGroupEgress({ ...rules, DryRun }),
    AuthorizeSecurityGroupIngress: (ec2, DryRun) =>
      ec2.authorizeSecurityGroupIngress({ ...rules, DryRun }),
    CreateSecurityGroup: (ec2, DryRun) =>
      ec2.createSecurityGroup({ GroupName: "theirs", Description: "b", DryRun }),
    DeleteSecurityGroup: (ec2, DryRun) => ec2.deleteSecurityGroup({ GroupId, DryRun }),
    DescribeAvailabilityZones: (ec2, DryRun) => ec2.describeAvailabilityZones({ DryRun }),
    DescribeNetworkInterfaces: (ec2, DryRun) => ec2.describeNetworkInterfaces({ DryRun }),
    DescribeSecurityGroups: (ec2, DryRun) => ec2.describeSecurityGroups({ DryRun }),
    DescribeSubnets: (ec2, DryRun) => ec2.describeSubnets({ DryRun }),
    DescribeVpcs: (ec2, DryRun) => ec2.describeVpcs({ DryRun }),
    RevokeSecurityGroupEgress: (ec2, DryRun) => ec2.revokeSecurityGroupEgress({ ...rules, DryRun }),
    RevokeSecurityGroupIngress: (ec2, DryRun) =>
      ec2.revokeSecurityGroupIngress({ ...rules, DryRun }),
  };
}

test("a user without permissions is denied every operation, dry or not", async () => {
  const nobody = await userWith(instance, newName("nobody"));
  const calls = everyCall(await newGroup());
  assert.deepEqual(Object.keys(calls).sort(), operationsOf("ec2"));
  for (const [name, call] of Object.entries(calls)) {
    const expected = { ...denied(`ec2:${name}`, "UnauthorizedOperation"), status: 403 };
    await fails(call(nobody.ec2), expected);
    await fails(call(nobody.ec2, true), expected);
  }
});

test("a dry run of every operation tells that it would be allowed, and does nothing", async () => {
  const GroupId = await newGroup();
  const before = (await root.ec2.describeSecurityGroups({})).SecurityGroups;
  for (const call of Object.values(everyCall(GroupId))) {
    await fails(call(root.ec2, true), {
      code: "DryRunOperation",
      status: 412,
      message: "Request would have succeeded, but DryRun flag is set.",
    });
  }
  assert.deepEqual((await root.ec2.describeSecurityGroups({})).SecurityGroups, before);
});

test("a permission on one security group doesn't reach another", async () => {
  const [own, other] = [await newGroup(), await newGroup()];
  const policy = allowing(["ec2:*"], arnOf(own));
  const { ec2 } = await userWith(instance, newName("one-group"), policy);
  const IpPermissions = [nfsFrom("10.0.0.0/8")];
  await ec2.authorizeSecurityGroupIngress({ GroupId: own, IpPermissions });
  await fails(
    ec2.authorizeSecurityGroupIngress({ GroupId: other, IpPermissions }),
    denied("ec2:AuthorizeSecurityGroupIngress", "UnauthorizedOperation"),
  );
});
