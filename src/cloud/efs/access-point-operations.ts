import type * as efs from "@aws-sdk/client-efs";

import { randomUuid } from "../../base/random.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { type Call, type Operation, operation } from "../contracts/service.ts";
import type { EfsOptions } from "./efs-service.ts";
import type { AccessPointRecord } from "./records.ts";
import {
  accessPointArn,
  bareId,
  idFromTags,
  needAccessPoint,
  needFileSystem,
  onFileSystem,
  pageSize,
} from "./resources.ts";

const pathPattern = /^(\/|(\/(?!\.)[^$#<>;`|&?{}^*/\n]+){1,4})$/;
const pathLimit = 100;
const permissionsPattern = /^[0-7]{3,4}$/;
const highestId = 4_294_967_295;
const secondaryGidsLimit = 16;
const accessPointsLimit = 10_000;

export function accessPointOperations({
  fileSystems,
  random,
}: EfsOptions): Record<string, Operation> {
  const onPoint =
    (action: string) => (input: { AccessPointId?: string | undefined }, call: Call) => ({
      action,
      resource: accessPointArn(bareId(input.AccessPointId) || "*", call),
    });
  return {
    CreateAccessPoint: operation({
      authorize: onFileSystem("CreateAccessPoint"),
      handle: (input: efs.CreateAccessPointRequest, call) => {
        const { fileSystemId } = needFileSystem(fileSystems, input.FileSystemId);
        const clientToken = input.ClientToken ?? randomUuid(random);
        const twin = fileSystems.accessPoints.madeWith(clientToken);
        if (twin !== undefined) {
          throw new ApiError(
            "AccessPointAlreadyExists",
            `Access point '${twin}' already exists with client token '${clientToken}'`,
            { members: { AccessPointId: twin } },
          );
        }
        const count = fileSystems.accessPoints.countOf(fileSystemId);
        if (count >= accessPointsLimit) {
          const message = `File system '${fileSystemId}' has ${count} access points already.`;
          throw new ApiError("AccessPointLimitExceeded", message);
        }
        const taken = (id: string): boolean => fileSystems.accessPoints.get(id) !== undefined;
        const { id, tags } = idFromTags("fsap", input.Tags, taken, random);
        const record = newRecord(input, id, fileSystemId, clientToken, call.nowMs);
        record.tags = tags;
        fileSystems.accessPoints.put(record);
        fileSystems.changed();
        return describe(record, call);
      },
    }),
    DescribeAccessPoints: operation({
      authorize: (input: efs.DescribeAccessPointsRequest, call) =>
        input.AccessPointId === undefined
          ? onFileSystem("DescribeAccessPoints")(input, call)
          : onPoint("DescribeAccessPoints")(input, call),
      handle: (input: efs.DescribeAccessPointsRequest, call) => {
        const { AccessPointId, FileSystemId } = input;
        if (AccessPointId !== undefined && FileSystemId !== undefined) {
          throw new ApiError("BadRequest", "Give FileSystemId or AccessPointId, not both.");
        }
        if (AccessPointId !== undefined) {
          const point = needAccessPoint(fileSystems, AccessPointId);
          return { AccessPoints: [describe(point, call)] };
        }
        const of = FileSystemId && needFileSystem(fileSystems, FileSystemId).fileSystemId;
        const size = pageSize(input.MaxResults);
        const { items, next } = fileSystems.accessPoints.page(of, input.NextToken, size);
        return { AccessPoints: items.map((point) => describe(point, call)), NextToken: next };
      },
    }),
    DeleteAccessPoint: operation({
      authorize: onPoint("DeleteAccessPoint"),
      handle: (input: efs.DeleteAccessPointRequest) => {
        const { accessPointId } = needAccessPoint(fileSystems, input.AccessPointId);
        fileSystems.accessPoints.remove(accessPointId);
        fileSystems.changed();
      },
    }),
  };
}

function newRecord(
  input: efs.CreateAccessPointRequest,
  accessPointId: string,
  fileSystemId: string,
  clientToken: string,
  nowMs: number,
): AccessPointRecord {
  const path = input.RootDirectory?.Path ?? "/";
  if (path.length > pathLimit || !pathPattern.test(path)) {
    throw new ApiError(
      "BadRequest",
      `The root directory's path '${path}' must start with "/" and have at most four parts.`,
    );
  }
  const posixUser = posixUserOf(input.PosixUser);
  const creation = creationOf(input.RootDirectory?.CreationInfo);
  return {
    accessPointId,
    fileSystemId,
    clientToken,
    createdAtMs: nowMs,
    path,
    ...(posixUser && { posixUser }),
    ...(creation && { creation }),
    tags: [],
  };
}

function posixUserOf(user: efs.PosixUser | undefined): AccessPointRecord["posixUser"] {
  if (user === undefined) return undefined;
  const secondaryGids = user.SecondaryGids ?? [];
  if (secondaryGids.length > secondaryGidsLimit) {
    throw new ApiError("BadRequest", "A POSIX user has at most 16 secondary groups.");
  }
  const uid = posixId(user.Uid, "Uid");
  const gid = posixId(user.Gid, "Gid");
  return { uid, gid, secondaryGids: secondaryGids.map((each) => posixId(each, "SecondaryGids")) };
}

function creationOf(info: efs.CreationInfo | undefined): AccessPointRecord["creation"] {
  if (info === undefined) return undefined;
  const permissions = info.Permissions ?? "";
  if (!permissionsPattern.test(permissions)) {
    throw new ApiError("BadRequest", "Permissions must be three or four octal digits.");
  }
  return {
    ownerUid: posixId(info.OwnerUid, "OwnerUid"),
    ownerGid: posixId(info.OwnerGid, "OwnerGid"),
    permissions,
  };
}

function posixId(value: number | undefined, name: string): number {
  if (value !== undefined && Number.isInteger(value) && value >= 0 && value <= highestId) {
    return value;
  }
  throw new ApiError("BadRequest", `${name} must be a whole number from 0 to ${highestId}.`);
}

function describe(point: AccessPointRecord, call: Call): efs.AccessPointDescription {
  const { posixUser, creation } = point;
  return {
    ClientToken: point.clientToken,
    Name: point.tags.find(({ Key }) => Key === "Name")?.Value,
    Tags: point.tags,
    AccessPointId: point.accessPointId,
    AccessPointArn: accessPointArn(point.accessPointId, call),
    FileSystemId: point.fileSystemId,
    ...(posixUser && {
      PosixUser: {
        Uid: posixUser.uid,
        Gid: posixUser.gid,
        SecondaryGids: [...posixUser.secondaryGids],
      },
    }),
    RootDirectory: {
      Path: point.path,
      ...(creation && {
        CreationInfo: {
          OwnerUid: creation.ownerUid,
          OwnerGid: creation.ownerGid,
          Permissions: creation.permissions,
        },
      }),
    },
    OwnerId: call.accountId,
    LifeCycleState: "available",
  };
}
