/**
 * What amazon-efs-utils puts into the client certificate of a mount, and what our server reads
 * from it (facts §1.2, §1.3). Building and parsing stand beside this file.
 */
export interface MountCertificate {
  readonly fileSystemId: string | undefined;
  readonly accessPointId: string | undefined;
  readonly auth: ClientAuth | undefined;
  readonly clientInfo: { readonly source: string; readonly version: string } | undefined;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Lower-case hex of the SHA-1 of the subject's public key bits. */
  readonly publicKeyHash: string;
  readonly commonName: string;
}

export interface ClientAuth {
  readonly accessKeyId: string;
  /** 64 lower-case hex digits. */
  readonly signature: string;
  /** Milliseconds since 1970, whole seconds. */
  readonly signedAtMs: number;
  readonly sessionToken: string | undefined;
}
