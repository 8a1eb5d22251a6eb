import type { Principal } from "./principal.ts";
import type { PolicyDocument } from "./document.ts";

/** One question to IAM: may this principal do this action on this resource in this context? */
export interface AccessRequest {
  readonly principal: Principal;
  /** `service:Action`, e.g. `elasticfilesystem:ClientMount`. */
  readonly action: string;
  /** An ARN, or "*" for actions that have no resource. */
  readonly resource: string;
  /** Condition keys, lower case, e.g. `aws:securetransport` -> ["true"]. Absent keys are absent. */
  readonly conditions: Readonly<Record<string, readonly string[]>>;
}

export interface ApplicablePolicies {
  /** Policies attached to the principal. Empty for root, which they don't restrict. */
  readonly identity: readonly PolicyDocument[];
  /** The resource's own policy; undefined where it has none. */
  readonly resource: PolicyDocument | undefined;
  /** Given when the session was made with them: they only restrict. */
  readonly session?: readonly PolicyDocument[];
}

export type Decision =
  | { readonly allowed: true; readonly by: "identity" | "resource" | "root" }
  | { readonly allowed: false; readonly why: "explicit-deny" | "no-allow"; readonly by?: string };
