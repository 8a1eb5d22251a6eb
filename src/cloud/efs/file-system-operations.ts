import type * as efs from "@aws-sdk/client-efs";

import { randomUuid } from "../../base/random.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { type Call, type Operation, operation } from "../contracts/service.ts";
import type { EfsOptions } from "./efs-service.ts";
import type { FileSystems } from "./file-systems.ts";
import type { FileSystemRecord } from "./records.ts";
import { fileSystemArn, idFromTags, needFileSystem, onFileSystem, page } from "./resources.ts";

export function fileSystemOperations(options: EfsOptions): Record<string, Operation> {
  const { fileSystems } = options;
  return {
    CreateFileSystem: operation({
      authorize: (_input: efs.CreateFileSystemRequest, call) => ({
        action: "CreateFileSystem",
        resource: fileSystemArn("*", call),
      }),
      handle: (input: efs.CreateFileSystemRequest, call) => ({
        ...describe(options.fileSystems, createFileSystem(options, input, call), call),
        LifeCycleState: "creating",
      }),
    }),
    DescribeFileSystems: operation({
      authorize: onFileSystem("DescribeFileSystems"),
      handle: (input: efs.DescribeFileSystemsRequest, call) => {
        const found =
          input.FileSystemId === undefined
            ? fileSystems.fileSystems.list()
            : [needFileSystem(fileSystems, input.FileSystemId)];
        const token = input.CreationToken;
        const wanted = found.filter(
          (record) => token === undefined || record.creationToken === token,
        );
        const { items, next } = page(wanted, input.Marker, input.MaxItems);
        return {
          FileSystems: items.map((record) => describe(fileSystems, record, call)),
          NextMarker: next,
          Marker: input.Marker,
        };
      },
    }),
    DeleteFileSystem: operation({
      authorize: onFileSystem("DeleteFileSystem"),
      handle: async (input: efs.DeleteFileSystemRequest) => {
        const { fileSystemId } = needFileSystem(fileSystems, input.FileSystemId);
        if (fileSystems.targetsOf(fileSystemId).length > 0) {
          throw new ApiError(
            "FileSystemInUse",
            `File system '${fileSystemId}' has mount targets; delete them first.`,
          );
        }
        for (const id of fileSystems.accessPoints.idsOf(fileSystemId)) {
          fileSystems.accessPoints.remove(id);
        }
        fileSystems.fileSystems.remove(fileSystemId);
        await fileSystems.removeContents(fileSystemId);
        fileSystems.changed();
      },
    }),
    DescribeLifecycleConfiguration: operation({
      authorize: onFileSystem("DescribeLifecycleConfiguration"),
      handle: (input: efs.DescribeLifecycleConfigurationRequest) => {
        needFileSystem(fileSystems, input.FileSystemId);
        return { LifecyclePolicies: [] };
      },
    }),
  };
}

function createFileSystem(
  { fileSystems, random }: EfsOptions,
  input: efs.CreateFileSystemRequest,
  call: Call,
): FileSystemRecord {
  const creationToken = input.CreationToken ?? randomUuid(random);
  const twin = fileSystems.fileSystems
    .list()
    .find((record) => record.creationToken === creationToken);
  if (twin !== undefined) {
    throw new ApiError(
      "FileSystemAlreadyExists",
      `File system '${twin.fileSystemId}' already exists with creation token '${creationToken}'`,
      { members: { FileSystemId: twin.fileSystemId } },
    );
  }
  const taken = (id: string): boolean => fileSystems.fileSystems.get(id) !== undefined;
  const { id, tags } = idFromTags("fs", input.Tags, taken, random);
  const record = newRecord(input, id, creationToken, call.nowMs);
  record.tags = tags;
  fileSystems.fileSystems.put(id, record);
  fileSystems.files(id);
  fileSystems.changed();
  return record;
}

function newRecord(
  input: efs.CreateFileSystemRequest,
  fileSystemId: string,
  creationToken: string,
  nowMs: number,
): FileSystemRecord {
  const { ProvisionedThroughputInMibps, AvailabilityZoneName } = input;
  const broken = brokenRule(input);
  if (broken !== undefined) throw new ApiError("BadRequest", broken);
  return {
    fileSystemId,
    creationToken,
    createdAtMs: nowMs,
    encrypted: input.Encrypted ?? false,
    performanceMode: input.PerformanceMode ?? "generalPurpose",
    throughputMode: input.ThroughputMode ?? "bursting",
    ...(ProvisionedThroughputInMibps !== undefined && {
      provisionedMibps: ProvisionedThroughputInMibps,
    }),
    ...(AvailabilityZoneName !== undefined && { availabilityZoneName: AvailabilityZoneName }),
    tags: [],
  };
}

/** What of the input doesn't go together, in EFS's sentences (facts §2.11). */
function brokenRule(input: efs.CreateFileSystemRequest): string | undefined {
  const { ThroughputMode: mode = "bursting", ProvisionedThroughputInMibps, KmsKeyId } = input;
  const isMaxIo = input.PerformanceMode === "maxIO";
  if (mode === "provisioned" && ProvisionedThroughputInMibps === undefined) {
    return "Provisioned throughput must be set for file systems that use provisioned throughput mode.";
  }
  if (mode !== "provisioned" && ProvisionedThroughputInMibps !== undefined) {
    return `Provisioned throughput can't be set for file systems that use ${mode} throughput mode.`;
  }
  if (mode === "elastic" && isMaxIo) {
    return "Elastic throughput is not available for file systems using MaxIO performance mode.";
  }
  if (isMaxIo && input.AvailabilityZoneName !== undefined) {
    return "Unsupported performance mode provided.";
  }
  if (KmsKeyId !== undefined && !input.Encrypted) {
    return "The encrypted parameter must be set to true to create an encrypted file system.";
  }
  return undefined;
}

function describe(
  fileSystems: FileSystems,
  record: FileSystemRecord,
  call: Call,
): efs.FileSystemDescription {
  const { fileSystemId } = record;
  const metered = fileSystems.files(fileSystemId)?.meteredBytes();
  return {
    OwnerId: call.accountId,
    CreationToken: record.creationToken,
    FileSystemId: fileSystemId,
    FileSystemArn: fileSystemArn(fileSystemId, call),
    CreationTime: new Date(record.createdAtMs),
    LifeCycleState: "available",
    Name: record.tags.find(({ Key }) => Key === "Name")?.Value,
    NumberOfMountTargets: fileSystems.targetsOf(fileSystemId).length,
    SizeInBytes: {
      Value: metered?.total ?? 0,
      Timestamp: new Date(call.nowMs),
      ValueInStandard: metered?.standard ?? 0,
      ValueInIA: metered?.infrequentAccess ?? 0,
      ValueInArchive: metered?.archive ?? 0,
    },
    PerformanceMode: record.performanceMode,
    Encrypted: record.encrypted,
    ...(record.encrypted && {
      KmsKeyId: `arn:aws:kms:${call.region}:${call.accountId}:key/aws-elasticfilesystem`,
    }),
    ThroughputMode: record.throughputMode,
    ProvisionedThroughputInMibps: record.provisionedMibps,
    AvailabilityZoneName: record.availabilityZoneName,
    Tags: record.tags,
    FileSystemProtection: { ReplicationOverwriteProtection: "ENABLED" },
  };
}
