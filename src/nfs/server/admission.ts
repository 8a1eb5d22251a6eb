import { createHash } from "node:crypto";

import type { FileSystem, Inode } from "../../files/file-system.ts";
import type { Failure } from "../../files/failure.ts";

/**
 * What the NFS server asks about each connection, and is told. Implemented by `cloud/efs` (mount
 * target, security groups, certificate, access point, IAM); handed over by `main`. Tests give a
 * plain one.
 */
export interface Admission {
  /**
   * Asked when a connection arrives, before a byte is read. "hold" keeps it open and mute until
   * the peer gives up, which is how a closed security group looks to a client, or until `serve` is
   * called, as a peer gets through that goes on knocking when the group is opened.
   */
  arrives(connection: ArrivingConnection): "hold" | "serve";
  /**
   * Asked once the first byte (plain) or the TLS handshake is there. The grant is live: its
   * members change when policies, access points or roles do, and the server reads them anew for
   * every request. `cut` closes the connection, when it may not go on. `closed` is called once
   * when the connection ends.
   */
  admit(connection: ConnectionFacts, cut: () => void): ConnectionGrant;
}

export interface ConnectionEnds {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The mount target's address. */
  readonly localAddress: string;
  readonly localPort: number;
}

export interface ArrivingConnection extends ConnectionEnds {
  /** The peer has given up. */
  readonly isOver: boolean;
  serve(): void;
}

export interface ConnectionFacts extends ConnectionEnds {
  readonly secure: boolean;
  /** DER of the client's certificate, possession of its key proven by TLS. */
  readonly certificate: Uint8Array | undefined;
}

export interface ConnectionGrant {
  /** Undefined where the mount target serves no file system (any more): requests get an error. */
  readonly fileSystem: FileSystem | undefined;
  /** What PUTROOTFH gives: the file system's root, or the access point's directory. */
  root(): Inode | Failure;
  /** Without `mount` the first operations that name a file answer NFS4ERR_ACCESS (facts §2.3). */
  readonly permissions: {
    readonly mount: boolean;
    readonly write: boolean;
    readonly root: boolean;
  };
  /** The access point's POSIX user: replaces uid, gid and all groups of every request. */
  readonly identity:
    | { readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
    | undefined;
  /**
   * What decides about how this connection sees the file system: access point, principal,
   * transport. One host that mounts two views is two clients here, or its kernel would send what
   * is of one mount over the other's connection (RFC 8881 §2.10.5.1). Left out where everybody
   * sees the same. It stays what it is when the connection begins.
   */
  readonly view?: string;
  /** Milliseconds since 1970 when the connection must be closed (session credentials expire). */
  readonly expiresAtMs: number | undefined;
  closed(): void;
}

/** A name of the view, short and of the same length for all; empty for no view. */
export function viewName({ view }: ConnectionGrant): string {
  return view === undefined ? "" : createHash("sha256").update(view).digest("hex").slice(0, 16);
}
