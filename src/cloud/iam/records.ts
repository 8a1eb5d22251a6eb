import type { Principal } from "../../policy/principal.ts";

/** A user or a role, with its policies as the JSON text that was given. */
export interface Entity {
  readonly kind: "role" | "user";
  readonly name: string;
  readonly path: string;
  readonly arn: string;
  readonly id: string;
  readonly createdAtMs: number;
  readonly description?: string;
  readonly maxSessionSeconds?: number;
  /** Roles: who may assume it. */
  trustPolicy?: string;
  readonly inlinePolicies: Record<string, string>;
  attachedPolicies: string[];
  tags: { Key: string; Value: string }[];
}

export interface ManagedPolicy {
  readonly arn: string;
  readonly name: string;
  readonly path: string;
  readonly id: string;
  readonly document: string;
  readonly createdAtMs: number;
  readonly description?: string;
}

export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Undefined for the account's root. */
  readonly userName?: string;
  status: "Active" | "Inactive";
  readonly createdAtMs: number;
}

/** Temporary credentials. */
export interface SessionKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAtMs: number;
  readonly principal: Principal;
}
