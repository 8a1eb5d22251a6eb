import type { PolicyDocument } from "../../policy/document.ts";
import type { AccessRequest, Decision } from "../../policy/evaluate.ts";
import type { Principal } from "../../policy/principal.ts";

/** What others need of IAM and STS. Implemented by `cloud/iam`, handed over by `main`. */
export interface Identities {
  /** The key pair behind an access key id, long-term or temporary; undefined where unknown. */
  credential(accessKeyId: string): Credential | undefined;
  /**
   * IAM's answer for the principal's own policies together with the resource's policy. Unknown
   * or deleted principals are allowed nothing.
   */
  decide(request: AccessRequest, resourcePolicy?: PolicyDocument): Decision;
  /**
   * Temporary credentials for a role, when its trust policy lets `by` assume it.
   * Throws ApiError AccessDenied, or NoSuchEntity.
   */
  assumeRole(request: {
    readonly roleArn: string;
    readonly sessionName: string;
    /** 900 to 43,200. */
    readonly durationSeconds: number;
    readonly by: Principal;
    readonly conditions?: Readonly<Record<string, readonly string[]>>;
  }): SessionCredential;
  /** Calls back after any change to users, roles or policies; returns how to stop it. */
  onChange(call: () => void): () => void;
}

export interface Credential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly principal: Principal;
  /** Temporary credentials only; a request must carry exactly this token. */
  readonly sessionToken?: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

export interface SessionCredential extends Credential {
  readonly sessionToken: string;
  readonly expiresAtMs: number;
}
