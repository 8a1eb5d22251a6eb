/**
 * The expected outcomes of file operations other than success, by their POSIX names. They are
 * returned, never thrown, and are single objects: comparing is by identity, returning costs nothing.
 */
export class Failure {
  readonly code: FailureCode;

  constructor(code: FailureCode) {
    this.code = code;
  }
}

export type FailureCode =
  | "EACCES"
  | "EAGAIN"
  | "EBADF"
  | "EDQUOT"
  | "EEXIST"
  | "EFBIG"
  | "EINVAL"
  | "EIO"
  | "EISDIR"
  | "ELOOP"
  | "EMLINK"
  | "ENAMETOOLONG"
  | "ENOENT"
  | "ENOSPC"
  | "ENOTDIR"
  | "ENOTEMPTY"
  | "ENXIO"
  | "EPERM"
  | "EROFS"
  | "ESTALE"
  | "EXDEV";

export const EACCES = new Failure("EACCES");
export const EAGAIN = new Failure("EAGAIN");
export const EBADF = new Failure("EBADF");
export const EDQUOT = new Failure("EDQUOT");
export const EEXIST = new Failure("EEXIST");
export const EFBIG = new Failure("EFBIG");
export const EINVAL = new Failure("EINVAL");
export const EIO = new Failure("EIO");
export const EISDIR = new Failure("EISDIR");
export const ELOOP = new Failure("ELOOP");
export const EMLINK = new Failure("EMLINK");
export const ENAMETOOLONG = new Failure("ENAMETOOLONG");
export const ENOENT = new Failure("ENOENT");
export const ENOSPC = new Failure("ENOSPC");
export const ENOTDIR = new Failure("ENOTDIR");
export const ENOTEMPTY = new Failure("ENOTEMPTY");
export const ENXIO = new Failure("ENXIO");
export const EPERM = new Failure("EPERM");
export const EROFS = new Failure("EROFS");
export const ESTALE = new Failure("ESTALE");
export const EXDEV = new Failure("EXDEV");

export function failed<T>(outcome: T | Failure): outcome is Failure {
  return outcome instanceof Failure;
}

// What an operation throws where the store has to fetch first: its user waits and calls again.
export { NotResident } from "../store/store.ts";
