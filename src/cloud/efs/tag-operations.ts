import type * as efs from "@aws-sdk/client-efs";

import { ApiError } from "../../wire/aws/api-error.ts";
import { type Call, type Operation, operation } from "../contracts/service.ts";
import type { FileSystems } from "./file-systems.ts";
import type { Tag } from "./records.ts";
import {
  accessPointArn,
  bareId,
  fileSystemArn,
  needAccessPoint,
  needFileSystem,
} from "./resources.ts";

const tagsLimit = 50;

/** Tags of file systems and access points, which both have ids or ARNs. */
export function tagOperations(fileSystems: FileSystems): Record<string, Operation> {
  const onResource =
    (action: string) => (input: { ResourceId?: string | undefined }, call: Call) => {
      const id = bareId(input.ResourceId);
      const resource = id.startsWith("fsap-") ? accessPointArn(id, call) : fileSystemArn(id, call);
      return { action, resource };
    };
  const update = (given: string | undefined, change: (tags: Tag[]) => Tag[]): Tag[] => {
    if (bareId(given).startsWith("fsap-")) {
      const point = needAccessPoint(fileSystems, given);
      point.tags = change(point.tags);
      fileSystems.accessPoints.put(point);
      return point.tags;
    }
    const record = needFileSystem(fileSystems, given);
    record.tags = change(record.tags);
    fileSystems.fileSystems.put(record.fileSystemId, record);
    return record.tags;
  };
  return {
    TagResource: operation({
      authorize: onResource("TagResource"),
      handle: (input: efs.TagResourceRequest) => {
        update(input.ResourceId, (tags) => merge(tags, input.Tags ?? []));
      },
    }),
    UntagResource: operation({
      authorize: onResource("UntagResource"),
      handle: (input: efs.UntagResourceRequest) => {
        const keys = input.TagKeys ?? [];
        update(input.ResourceId, (tags) => tags.filter(({ Key }) => !keys.includes(Key)));
      },
    }),
    ListTagsForResource: operation({
      authorize: onResource("ListTagsForResource"),
      handle: (input: efs.ListTagsForResourceRequest) => ({
        Tags: update(input.ResourceId, (tags) => tags),
      }),
    }),
  };
}

function merge(tags: readonly Tag[], given: readonly efs.Tag[]): Tag[] {
  const merged = new Map(tags.map(({ Key, Value }) => [Key, Value]));
  for (const { Key = "", Value = "" } of given) merged.set(Key, Value);
  if (merged.size > tagsLimit) {
    throw new ApiError("BadRequest", `A resource has at most ${tagsLimit} tags.`);
  }
  return Array.from(merged, ([Key, Value]) => ({ Key, Value }));
}
