import type * as efs from "@aws-sdk/client-efs";

import { MalformedPolicy, parsePolicy } from "../../policy/parse.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { type Operation, operation } from "../contracts/service.ts";
import type { FileSystems } from "./file-systems.ts";
import { needFileSystem, onFileSystem } from "./resources.ts";

/** Characters of a file system policy (facts §2.2). */
const policyLimit = 20_000;

export function policyOperations(fileSystems: FileSystems): Record<string, Operation> {
  return {
    PutFileSystemPolicy: operation({
      authorize: onFileSystem("PutFileSystemPolicy"),
      handle: (input: efs.PutFileSystemPolicyRequest) => {
        const record = needFileSystem(fileSystems, input.FileSystemId);
        const text = input.Policy ?? "";
        checkPolicy(text);
        fileSystems.fileSystems.put(record.fileSystemId, { ...record, policy: text });
        fileSystems.changed();
        return { FileSystemId: record.fileSystemId, Policy: text };
      },
    }),
    DescribeFileSystemPolicy: operation({
      authorize: onFileSystem("DescribeFileSystemPolicy"),
      handle: (input: efs.DescribeFileSystemPolicyRequest) => {
        const { fileSystemId, policy } = needFileSystem(fileSystems, input.FileSystemId);
        if (policy !== undefined) return { FileSystemId: fileSystemId, Policy: policy };
        throw new ApiError("PolicyNotFound", `File system '${fileSystemId}' has no policy.`);
      },
    }),
    DeleteFileSystemPolicy: operation({
      authorize: onFileSystem("DeleteFileSystemPolicy"),
      handle: (input: efs.DeleteFileSystemPolicyRequest) => {
        const record = needFileSystem(fileSystems, input.FileSystemId);
        const { policy: _policy, ...rest } = record;
        fileSystems.fileSystems.put(record.fileSystemId, rest);
        fileSystems.changed();
      },
    }),
  };
}

function checkPolicy(text: string): void {
  if (text.length > policyLimit) {
    throw new ApiError("InvalidPolicyException", `A policy has at most ${policyLimit} characters.`);
  }
  try {
    parsePolicy(text);
  } catch (error) {
    if (!(error instanceof MalformedPolicy)) throw error;
    throw new ApiError("InvalidPolicyException", error.message);
  }
}
