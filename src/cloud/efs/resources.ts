// ids, ARNs and lookups that the operations have in common.
import { type Random, randomHex } from "../../base/random.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import type { AuthorizationNeed, Call } from "../contracts/service.ts";
import type { FileSystems } from "./file-systems.ts";
import type { AccessPointRecord, FileSystemRecord, MountTargetRecord, Tag } from "./records.ts";

/** A tag that gives a new resource its id and is not kept (docs/decisions/0002). */
export const idTag = "mooring:id";

export function fileSystemArn(id: string, call: Pick<Call, "accountId" | "region">): string {
  return `arn:aws:elasticfilesystem:${call.region}:${call.accountId}:file-system/${id}`;
}

export function accessPointArn(id: string, call: Pick<Call, "accountId" | "region">): string {
  return `arn:aws:elasticfilesystem:${call.region}:${call.accountId}:access-point/${id}`;
}

/** Authorizes an action on a file system. */
export function onFileSystem(action: string) {
  return (input: { FileSystemId?: string | undefined }, call: Call): AuthorizationNeed => ({
    action,
    resource: fileSystemArn(input.FileSystemId ?? "*", call),
  });
}

/** The bare id, where an ARN may be given too. */
export function bareId(given: string | undefined): string {
  return (given ?? "").split("/").at(-1)!;
}

export function needFileSystem(systems: FileSystems, given: string | undefined): FileSystemRecord {
  const record = systems.fileSystems.get(bareId(given));
  if (record !== undefined) return record;
  throw new ApiError("FileSystemNotFound", `File system '${bareId(given)}' does not exist.`);
}

export function needMountTarget(systems: FileSystems, id: string | undefined): MountTargetRecord {
  const record = systems.mountTargets.get(id ?? "");
  if (record !== undefined) return record;
  throw new ApiError("MountTargetNotFound", `Mount target '${id}' does not exist.`);
}

export function needAccessPoint(
  systems: FileSystems,
  given: string | undefined,
): AccessPointRecord {
  const record = systems.accessPoints.get(bareId(given));
  if (record !== undefined) return record;
  throw new ApiError("AccessPointNotFound", `Access point '${bareId(given)}' does not exist.`);
}

/** A new id, or the one that the tag gives; with the tags that stay. */
export function idFromTags(
  prefix: string,
  given: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined,
  taken: (id: string) => boolean,
  random: Random,
): { id: string; tags: Tag[] } {
  const tags = (given ?? []).map(({ Key = "", Value = "" }) => ({ Key, Value }));
  const wanted = tags.find(({ Key }) => Key === idTag)?.Value;
  const id = wanted ?? `${prefix}-${randomHex(random, 17)}`;
  if (!new RegExp(`^${prefix}-[0-9a-f]{8,40}$`).test(id)) {
    throw new ApiError("BadRequest", `The tag ${idTag} must be like ${prefix}-0123456789abcdef0.`);
  }
  if (taken(id)) throw new ApiError("BadRequest", `The id ${id} is taken.`);
  return { id, tags: tags.filter(({ Key }) => Key !== idTag) };
}

/** How many items a page has. */
export function pageSize(limit: number | undefined): number {
  if (limit !== undefined && !(limit >= 1)) {
    throw new ApiError("BadRequest", "A page has at least one item.");
  }
  return Math.min(limit ?? 100, 1000);
}

/** A page of a list by its position, as marker or token. */
export function page<T>(
  records: readonly T[],
  marker: string | undefined,
  limit: number | undefined,
): { items: T[]; next: string | undefined } {
  const start = marker === undefined ? 0 : Number(Buffer.from(marker, "base64").toString());
  if (!Number.isInteger(start) || start < 0) {
    throw new ApiError("BadRequest", "The marker is not one that this service gave.");
  }
  const end = start + pageSize(limit);
  const more = end < records.length;
  return {
    items: records.slice(start, end),
    next: more ? Buffer.from(String(end)).toString("base64") : undefined,
  };
}
