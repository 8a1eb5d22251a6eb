/**
 * What puts a file system at a directory once the helper has chosen the mount target and made the
 * certificate. Two of them: the kernel's NFS client behind a TLS tunnel, and FUSE in front of our
 * own NFS client.
 */
export interface MountDriver {
  readonly name: "fuse" | "kernel";
  /**
   * Mounts and returns once the directory shows the file system. Throws `MountFailed`.
   * The process that called has to live as long as the mount does.
   */
  mount(request: MountRequest): Promise<MountedDirectory>;
}

export interface MountRequest {
  /** The mount target. */
  readonly address: string;
  readonly port: number;
  /** Path on the file system (below the access point's root where there is one), "/…". */
  readonly path: string;
  /** An existing directory. */
  readonly directory: string;
  readonly readOnly: boolean;
  /** Absent: plain NFS. Called for every (re)connection, so that certificates renew. */
  readonly tls?: () => TlsIdentity;
  /** What appears as the source in /proc/mounts, e.g. "127.0.0.1:/". */
  readonly source: string;
  /** Milliseconds for one attempt; a mute server counts as timed out after that. */
  readonly timeoutMs: number;
}

export interface TlsIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** The CA that the server's certificate must chain to; undefined with `verify=0`. */
  readonly caPem: string | undefined;
  /** Name sent as SNI and looked for in the server certificate's SAN. */
  readonly serverName: string;
}

export interface MountedDirectory {
  /** Resolves when the directory was unmounted, by us or by somebody else. */
  readonly ended: Promise<void>;
  unmount(): Promise<void>;
}

/** Why mounting failed; the helper words it as mount.nfs4 does (facts §3.5). */
export type MountFailureReason =
  | "access-denied"
  | "timed-out"
  | "connection-reset"
  | "connection-refused"
  | "no-such-path"
  | "not-a-directory"
  | "system";

export class MountFailed extends Error {
  override readonly name = "MountFailed";
  readonly reason: MountFailureReason;

  constructor(reason: MountFailureReason, message: string) {
    super(message);
    this.reason = reason;
  }
}
