import { setTimeout as delay } from "node:timers/promises";

import type { Api } from "../../src/cli/api.ts";

export interface MountTarget {
  readonly fileSystemId: string;
  readonly address: string;
}

const startLimitMs = 20_000;

/** A new file system with a mount target that answers. */
export async function makeMountTarget({ efs, ec2 }: Api): Promise<MountTarget> {
  const { FileSystemId: fileSystemId } = await efs.createFileSystem({});
  const { Subnets } = await ec2.describeSubnets({});
  await efs.createMountTarget({ FileSystemId: fileSystemId, SubnetId: Subnets?.[0]?.SubnetId });
  const startedMs = Date.now();
  while (Date.now() - startedMs < startLimitMs) {
    const { MountTargets } = await efs.describeMountTargets({ FileSystemId: fileSystemId });
    const target = MountTargets?.[0];
    if (target?.LifeCycleState === "available") {
      return { fileSystemId: fileSystemId!, address: target.IpAddress! };
    }
    await delay(20);
  }
  throw new Error(`the mount target of ${fileSystemId} doesn't become available`);
}
