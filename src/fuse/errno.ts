import { constants } from "node:os";

import { ClientClosed, NfsError } from "../nfs/client/nfs-error.ts";
import { Status } from "../wire/nfs4/status.ts";

const { errno } = constants;

/** What applications see of the server's refusals, as Linux's own client translates them. */
const byStatus: ReadonlyMap<number, number> = new Map<number, number>([
  [Status.PERM, errno.EPERM],
  [Status.NOENT, errno.ENOENT],
  [Status.NXIO, errno.ENXIO],
  [Status.ACCESS, errno.EACCES],
  [Status.EXIST, errno.EEXIST],
  [Status.XDEV, errno.EXDEV],
  [Status.NOTDIR, errno.ENOTDIR],
  [Status.ISDIR, errno.EISDIR],
  [Status.INVAL, errno.EINVAL],
  [Status.FBIG, errno.EFBIG],
  [Status.NOSPC, errno.ENOSPC],
  [Status.ROFS, errno.EROFS],
  [Status.MLINK, errno.EMLINK],
  [Status.NAMETOOLONG, errno.ENAMETOOLONG],
  [Status.NOTEMPTY, errno.ENOTEMPTY],
  [Status.DQUOT, errno.EDQUOT],
  [Status.STALE, errno.ESTALE],
  [Status.BADHANDLE, errno.ESTALE],
  [Status.NOTSUPP, errno.EOPNOTSUPP],
  [Status.BADTYPE, errno.EOPNOTSUPP],
  [Status.BADNAME, errno.EINVAL],
  [Status.BADCHAR, errno.EINVAL],
  [Status.BADOWNER, errno.EINVAL],
  [Status.ATTRNOTSUPP, errno.EOPNOTSUPP],
  [Status.SYMLINK, errno.ELOOP],
  [Status.LOCKED, errno.EAGAIN],
  [Status.DENIED, errno.EAGAIN],
  [Status.RESOURCE, errno.ENOLCK],
  [Status.OPENMODE, errno.EBADF],
  [Status.BAD_STATEID, errno.EIO],
]);

/** Answered to the application as it is. */
export class RefusedWith extends Error {
  override readonly name = "RefusedWith";
  readonly errno: number;

  constructor(number: number) {
    super(`errno ${number}`);
    this.errno = number;
  }
}

export function errnoOf(error: unknown): number {
  if (error instanceof RefusedWith) return error.errno;
  if (error instanceof NfsError) return byStatus.get(error.status) ?? errno.EIO;
  if (error instanceof ClientClosed) return errno.ENOTCONN;
  return errno.EIO;
}
