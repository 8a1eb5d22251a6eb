import { setTimeout as delay } from "node:timers/promises";
import type { RegisterTaskDefinitionRequest } from "@aws-sdk/client-ecs";

import type { Api } from "../api.ts";
import { UserError } from "../user-error.ts";
import type { EfsVolume } from "./definition-file.ts";
import { isMissing } from "./is-missing.ts";

/** The tag that gives a new file system or access point its id (docs/decisions/0002). */
export const idTag = "mooring:id";

/** The identity that a new access point enforces, and the owner of its directory. */
const posixUser = { Uid: 1000, Gid: 1000 };
const posixOwner = { OwnerUid: 1000, OwnerGid: 1000, Permissions: "0755" };

const availableLimitMs = 30_000;

export async function ensureFileSystem(
  api: Api,
  volume: EfsVolume,
  definition: RegisterTaskDefinitionRequest,
  made: (what: string) => void,
): Promise<void> {
  const FileSystemId = volume.fileSystemId;
  if (await isMissing(api.efs.describeFileSystems({ FileSystemId }))) {
    await api.efs.createFileSystem({
      CreationToken: FileSystemId,
      Encrypted: true,
      Tags: [
        { Key: idTag, Value: FileSystemId },
        { Key: "Name", Value: definition.family ?? FileSystemId },
      ],
    });
    made(`file system ${FileSystemId}`);
    await api.efs.putFileSystemPolicy({ FileSystemId, Policy: tlsPolicy });
    made("  with a policy that requires TLS and leaves the rest to the roles");
    await makeMountTargets(api, FileSystemId, made);
  }
  const AccessPointId = volume.authorizationConfig?.accessPointId;
  if (AccessPointId === undefined) return;
  if (!(await isMissing(api.efs.describeAccessPoints({ AccessPointId })))) return;
  const path = `/${definition.family}`;
  await api.efs.createAccessPoint({
    ClientToken: AccessPointId,
    FileSystemId,
    PosixUser: posixUser,
    RootDirectory: { Path: path, CreationInfo: posixOwner },
    Tags: [{ Key: idTag, Value: AccessPointId }],
  });
  made(`access point ${AccessPointId}: uid and gid 1000 on ${path}`);
}

/**
 * A file system without a policy lets everybody do everything, whatever their role says (facts
 * §2.2); with this one the roles decide, which is what whoever writes them wants to see.
 */
const tlsPolicy = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "RequireTls",
      Effect: "Deny",
      Principal: { AWS: "*" },
      Action: "*",
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
  ],
});

async function makeMountTargets(
  api: Api,
  FileSystemId: string,
  made: (what: string) => void,
): Promise<void> {
  const filters = [{ Name: "default-for-az", Values: ["true"] }];
  const { Subnets: subnets } = await api.ec2.describeSubnets({ Filters: filters });
  const vpcId = subnets?.[0]?.VpcId;
  if (subnets === undefined || vpcId === undefined) {
    throw new UserError("There is no default VPC to make mount targets in.");
  }
  const group = await ensureMountTargetGroup(api, vpcId, made);
  for (const subnet of subnets) {
    const target = await api.efs.createMountTarget({
      FileSystemId,
      SubnetId: subnet.SubnetId,
      SecurityGroups: [group],
    });
    made(`mount target ${target.IpAddress} in ${subnet.AvailabilityZone} (${subnet.SubnetId})`);
  }
  await mountTargetsAvailable(api, FileSystemId);
}

export const mountTargetGroupName = "efs-mount-target";

async function ensureMountTargetGroup(
  api: Api,
  vpcId: string,
  made: (what: string) => void,
): Promise<string> {
  const byName = async (name: string) => {
    const { SecurityGroups } = await api.ec2.describeSecurityGroups({
      Filters: [
        { Name: "vpc-id", Values: [vpcId] },
        { Name: "group-name", Values: [name] },
      ],
    });
    return SecurityGroups?.[0]?.GroupId;
  };
  const existing = await byName(mountTargetGroupName);
  if (existing !== undefined) return existing;
  const { GroupId } = await api.ec2.createSecurityGroup({
    GroupName: mountTargetGroupName,
    Description: "NFS from the tasks of the default security group",
    VpcId: vpcId,
  });
  await api.ec2.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [
      {
        IpProtocol: "tcp",
        FromPort: 2049,
        ToPort: 2049,
        UserIdGroupPairs: [{ GroupId: await byName("default") }],
      },
    ],
  });
  made(`security group ${mountTargetGroupName}: TCP 2049 from the default security group`);
  return GroupId!;
}

async function mountTargetsAvailable(api: Api, FileSystemId: string): Promise<void> {
  const startedMs = Date.now();
  for (;;) {
    const { MountTargets } = await api.efs.describeMountTargets({ FileSystemId });
    const states = MountTargets?.map((target) => target.LifeCycleState) ?? [];
    if (states.every((state) => state === "available")) return;
    if (states.includes("error") || Date.now() - startedMs > availableLimitMs) {
      throw new UserError(
        `The mount targets of ${FileSystemId} did not become available (${states.join(", ")}); ` +
          "the log of `moor up` says why.",
      );
    }
    await delay(100);
  }
}
