import { ENOENT, failed, type Failure } from "../../files/failure.ts";
import { type FileSystem, type Inode, superuser } from "../../files/file-system.ts";
import type { AccessPointRecord } from "./records.ts";

/**
 * The access point's directory, made now if it is missing and the access point says how: AWS makes
 * it when a client connects, and again if somebody deleted it (facts §2.1).
 */
export function accessPointRoot(files: FileSystem, point: AccessPointRecord): Inode | Failure {
  const names = point.path.split("/").filter((name) => name !== "");
  let at: Inode = files.root;
  for (const [index, text] of names.entries()) {
    const name = Buffer.from(text).toString("latin1");
    const found = files.lookup(superuser, at, name);
    if (!failed(found)) {
      at = found;
      continue;
    }
    if (found !== ENOENT || point.creation === undefined) return found;
    const isLast = index === names.length - 1;
    const made = isLast
      ? makeDirectory(files, at, name, point.creation)
      : files.create(superuser, at, name, { type: "directory", mode: 0o755 });
    if (failed(made)) return made;
    at = made;
  }
  return at;
}

function makeDirectory(
  files: FileSystem,
  parent: Inode,
  name: string,
  { ownerUid, ownerGid, permissions }: NonNullable<AccessPointRecord["creation"]>,
): Inode | Failure {
  return files.create(superuser, parent, name, {
    type: "directory",
    mode: Number.parseInt(permissions, 8),
    attributes: { uid: ownerUid, gid: ownerGid },
  });
}
