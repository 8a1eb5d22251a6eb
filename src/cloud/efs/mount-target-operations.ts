import type * as efs from "@aws-sdk/client-efs";

import { randomHex } from "../../base/random.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import type { NetworkInterface, Subnet } from "../contracts/network.ts";
import {
  type AuthorizationNeed,
  type Call,
  type Operation,
  operation,
} from "../contracts/service.ts";
import type { EfsOptions } from "./efs-service.ts";
import type { FileSystems } from "./file-systems.ts";
import type { MountTargetRecord } from "./records.ts";
import {
  fileSystemArn,
  needAccessPoint,
  needFileSystem,
  needMountTarget,
  onFileSystem,
  page,
} from "./resources.ts";

const securityGroupsLimit = 5;

export function mountTargetOperations(options: EfsOptions): Record<string, Operation> {
  const { fileSystems, network } = options;
  return {
    CreateMountTarget: operation({
      authorize: onFileSystem("CreateMountTarget"),
      handle: (input: efs.CreateMountTargetRequest, call) => {
        const target = createTarget(options, input);
        return { ...describe(fileSystems, target, call), LifeCycleState: "creating" };
      },
    }),
    DescribeMountTargets: operation({
      authorize: onFileSystem("DescribeMountTargets"),
      handle: (input: efs.DescribeMountTargetsRequest, call) => {
        const found = wantedTargets(fileSystems, input);
        const { items, next } = page(found, input.Marker, input.MaxItems);
        return {
          MountTargets: items.map((target) => describe(fileSystems, target, call)),
          NextMarker: next,
          Marker: input.Marker,
        };
      },
    }),
    DeleteMountTarget: operation({
      authorize: onTarget(fileSystems, "DeleteMountTarget"),
      handle: (input: efs.DeleteMountTargetRequest) => {
        const target = needMountTarget(fileSystems, input.MountTargetId);
        fileSystems.mountTargets.remove(target.mountTargetId);
        network.deleteInterface(target.networkInterfaceId);
        fileSystems.changed();
      },
    }),
    DescribeMountTargetSecurityGroups: operation({
      authorize: onTarget(fileSystems, "DescribeMountTargetSecurityGroups"),
      handle: (input: efs.DescribeMountTargetSecurityGroupsRequest) => {
        const target = needMountTarget(fileSystems, input.MountTargetId);
        const found = network.interface(target.networkInterfaceId);
        return { SecurityGroups: found?.securityGroupIds ?? [] };
      },
    }),
    ModifyMountTargetSecurityGroups: operation({
      authorize: onTarget(fileSystems, "ModifyMountTargetSecurityGroups"),
      handle: (input: efs.ModifyMountTargetSecurityGroupsRequest) => {
        const target = needMountTarget(fileSystems, input.MountTargetId);
        const groups = input.SecurityGroups ?? [];
        asEfsErrors(() => {
          checkGroups(groups);
          network.setSecurityGroups(target.networkInterfaceId, groups);
        });
      },
    }),
  };
}

function onTarget(fileSystems: FileSystems, action: string) {
  return (input: { MountTargetId?: string | undefined }, call: Call): AuthorizationNeed => {
    const { fileSystemId } = needMountTarget(fileSystems, input.MountTargetId);
    return { action, resource: fileSystemArn(fileSystemId, call) };
  };
}

function createTarget(
  { fileSystems, network, random }: EfsOptions,
  input: efs.CreateMountTargetRequest,
): MountTargetRecord {
  const { fileSystemId } = needFileSystem(fileSystems, input.FileSystemId);
  const subnet = network.subnet(input.SubnetId ?? "");
  if (subnet === undefined) {
    throw new ApiError("SubnetNotFound", `The subnet ID '${input.SubnetId}' does not exist`);
  }
  refuseSecondTarget(fileSystems, fileSystemId, subnet);
  const mountTargetId = `fsmt-${randomHex(random, 17)}`;
  const groups = input.SecurityGroups ?? [network.defaultSecurityGroup(subnet.vpcId)];
  const made: NetworkInterface = asEfsErrors(() => {
    checkGroups(groups);
    return network.createInterface({
      subnetId: subnet.subnetId,
      securityGroupIds: groups,
      description: `EFS mount target for ${fileSystemId} (${mountTargetId})`,
      requesterId: "amazon-elasticfilesystem",
      ...(input.IpAddress !== undefined && { address: input.IpAddress }),
    });
  });
  const target: MountTargetRecord = {
    mountTargetId,
    fileSystemId,
    subnetId: subnet.subnetId,
    vpcId: subnet.vpcId,
    availabilityZone: subnet.availabilityZone,
    availabilityZoneId: subnet.availabilityZoneId,
    address: made.address,
    networkInterfaceId: made.networkInterfaceId,
  };
  fileSystems.mountTargets.put(mountTargetId, target);
  fileSystems.changed();
  return target;
}

function refuseSecondTarget(fileSystems: FileSystems, fileSystemId: string, subnet: Subnet): void {
  for (const other of fileSystems.targetsOf(fileSystemId)) {
    if (other.availabilityZone === subnet.availabilityZone) {
      throw new ApiError("MountTargetConflict", "mount target already exists in this AZ");
    }
    if (other.vpcId !== subnet.vpcId) {
      throw new ApiError(
        "MountTargetConflict",
        "requested subnet for new mount target is not in the same VPC as existing mount targets",
      );
    }
  }
}

function checkGroups(groups: readonly string[]): void {
  if (groups.length <= securityGroupsLimit) return;
  throw new ApiError(
    "SecurityGroupLimitExceeded",
    "The maximum number of security groups per interface has been reached.",
  );
}

/** EC2's codes as EFS has them. */
const efsCodes: Readonly<Record<string, string>> = {
  "InvalidGroup.NotFound": "SecurityGroupNotFound",
  "InvalidSubnetID.NotFound": "SubnetNotFound",
  "InvalidIPAddress.InUse": "IpAddressInUse",
  InsufficientFreeAddressesInSubnet: "NoFreeAddressesInSubnet",
  InvalidParameterValue: "BadRequest",
};

function asEfsErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = error instanceof ApiError ? efsCodes[error.code] : undefined;
    if (code === undefined) throw error;
    throw new ApiError(code, (error as ApiError).message);
  }
}

function wantedTargets(
  fileSystems: FileSystems,
  input: efs.DescribeMountTargetsRequest,
): MountTargetRecord[] {
  const { FileSystemId, MountTargetId, AccessPointId } = input;
  const given = [FileSystemId, MountTargetId, AccessPointId].filter((id) => id !== undefined);
  if (given.length !== 1) {
    throw new ApiError(
      "BadRequest",
      "Give one of FileSystemId, MountTargetId and AccessPointId, and only one.",
    );
  }
  if (MountTargetId !== undefined) return [needMountTarget(fileSystems, MountTargetId)];
  const ofPoint =
    AccessPointId === undefined
      ? FileSystemId
      : needAccessPoint(fileSystems, AccessPointId).fileSystemId;
  return fileSystems.targetsOf(needFileSystem(fileSystems, ofPoint).fileSystemId);
}

function describe(
  fileSystems: FileSystems,
  target: MountTargetRecord,
  { accountId }: Call,
): efs.MountTargetDescription {
  return {
    OwnerId: accountId,
    MountTargetId: target.mountTargetId,
    FileSystemId: target.fileSystemId,
    SubnetId: target.subnetId,
    LifeCycleState: fileSystems.isServed(target.mountTargetId) ? "available" : "creating",
    IpAddress: target.address,
    NetworkInterfaceId: target.networkInterfaceId,
    AvailabilityZoneId: target.availabilityZoneId,
    AvailabilityZoneName: target.availabilityZone,
    VpcId: target.vpcId,
  };
}
