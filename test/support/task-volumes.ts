import type { Volume } from "@aws-sdk/client-ecs";

import { allowing } from "./clients.ts";
import { eventually } from "./eventually.ts";
import type { TaskStage } from "./tasks.ts";

export interface TaskVolume {
  readonly fileSystemId: string;
  /** With the identity below, on the directory /data, which it makes. */
  readonly accessPointId: string;
  /** May mount and write. */
  readonly taskRoleArn: string;
  readonly taskRoleName: string;
}

export const accessPointUser = { Uid: 1234, Gid: 5678 };
export const containerPath = "/mnt/volume";
const name = "volume";

/**
 * A file system with a mount target in every zone, which leaves it to the roles who may do what
 * and insists on TLS. Tasks and mount targets are in the VPC's default security group.
 */
export async function makeTaskVolume(stage: TaskStage): Promise<TaskVolume> {
  const { efs } = stage.api;
  const { FileSystemId: fileSystemId = "" } = await efs.createFileSystem({});
  await efs.putFileSystemPolicy({ FileSystemId: fileSystemId, Policy: tlsOnly });
  for (const { id } of stage.subnets) {
    await efs.createMountTarget({ FileSystemId: fileSystemId, SubnetId: id });
  }
  await eventually("the mount targets are available", async () => {
    const { MountTargets } = await efs.describeMountTargets({ FileSystemId: fileSystemId });
    return MountTargets!.every(({ LifeCycleState }) => LifeCycleState === "available");
  });
  const { AccessPointId: accessPointId = "" } = await efs.createAccessPoint({
    FileSystemId: fileSystemId,
    PosixUser: accessPointUser,
    RootDirectory: {
      Path: "/data",
      CreationInfo: {
        OwnerUid: accessPointUser.Uid,
        OwnerGid: accessPointUser.Gid,
        Permissions: "0750",
      },
    },
  });
  const taskRoleName = `volume-${fileSystemId}`;
  const taskRoleArn = await stage.role(taskRoleName, clientPolicy(["ClientMount", "ClientWrite"]));
  return { fileSystemId, accessPointId, taskRoleArn, taskRoleName };
}

export function clientPolicy(actions: readonly string[]): string {
  return allowing(actions.map((action) => `elasticfilesystem:${action}`));
}

/** What a task definition and a container definition say to have the volume at `containerPath`. */
export function withVolume(
  volume: TaskVolume,
  change: Partial<NonNullable<Volume["efsVolumeConfiguration"]>> = {},
) {
  const { fileSystemId, accessPointId, taskRoleArn } = volume;
  const efsVolumeConfiguration: Volume["efsVolumeConfiguration"] = {
    fileSystemId,
    transitEncryption: "ENABLED",
    authorizationConfig: { iam: "ENABLED", accessPointId },
    ...change,
  };
  return {
    definition: { taskRoleArn, volumes: [{ name, efsVolumeConfiguration }] },
    container: { mountPoints: [{ sourceVolume: name, containerPath }] },
  };
}

const tlsOnly = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Deny",
      Principal: { AWS: "*" },
      Action: "*",
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
  ],
});
