import type { Inode } from "../../../files/file-system.ts";

/**
 * An open owner or lock owner of NFSv4.0: its requests come in the order of their seqids, and the
 * last answer is kept for when it is asked again (RFC 7530 §9.1.7). NFSv4.1 has slots instead.
 */
export class Owner {
  /** The seqid of the last request; undefined before the first. */
  sequence: number | undefined;
  /** By OPEN_CONFIRM, for open owners; what an unconfirmed one opened can't be used. */
  confirmed = false;
  last: OwnerReply | undefined;
  /** The last word of the stateid that it closed last: CLOSE may be asked again. */
  closed: number | undefined;
}

export interface OwnerReply {
  readonly operation: number;
  readonly status: number;
  /** The result without its operation number and status. */
  readonly body: Uint8Array;
  /** The current file handle after it. */
  readonly current: Inode | undefined;
}
