import * as efs from "@aws-sdk/client-efs";

import type { Random } from "../../base/random.ts";
import type { Network } from "../contracts/network.ts";
import type { Service } from "../contracts/service.ts";
import { accessPointOperations } from "./access-point-operations.ts";
import { fileSystemOperations } from "./file-system-operations.ts";
import type { FileSystems } from "./file-systems.ts";
import { mountTargetOperations } from "./mount-target-operations.ts";
import { policyOperations } from "./policy-operations.ts";
import { tagOperations } from "./tag-operations.ts";

export interface EfsOptions {
  readonly fileSystems: FileSystems;
  readonly network: Network;
  readonly random: Random;
}

/** The EFS API. */
export function efsService(options: EfsOptions): Service {
  return {
    prefix: "elasticfilesystem",
    signingName: "elasticfilesystem",
    protocol: { kind: "restJson1", basePath: "/2015-02-01/" },
    schemas: efs,
    operations: {
      ...fileSystemOperations(options),
      ...mountTargetOperations(options),
      ...accessPointOperations(options),
      ...policyOperations(options.fileSystems),
      ...tagOperations(options.fileSystems),
    },
  };
}
