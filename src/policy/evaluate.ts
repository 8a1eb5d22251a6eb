import { fulfils, matchesPattern } from "./conditions.ts";
import type { PolicyDocument, PrincipalMatch, Statement } from "./document.ts";
import { type Principal, principalArn } from "./principal.ts";

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

/**
 * IAM's answer within one account: an explicit Deny wins, else an Allow of the principal's own
 * policies or of the resource's is enough (facts §2.2). Session policies only restrict.
 */
export function decide(request: AccessRequest, policies: ApplicablePolicies): Decision {
  const resource = policies.resource === undefined ? [] : [policies.resource];
  const session = policies.session ?? [];
  const own = matching(request, [...policies.identity, ...session], false);
  const resources = matching(request, resource, true);
  const denied = [...own, ...resources].find((statement) => statement.effect === "Deny");
  if (denied !== undefined) {
    return { allowed: false, why: "explicit-deny", ...(denied.sid && { by: denied.sid }) };
  }
  if (request.principal.kind === "root") return { allowed: true, by: "root" };
  const restricted =
    policies.session !== undefined &&
    !matching(request, session, false).some(({ effect }) => effect === "Allow");
  const identity = matching(request, policies.identity, false);
  if (!restricted && identity.some(({ effect }) => effect === "Allow")) {
    return { allowed: true, by: "identity" };
  }
  if (!restricted && resources.some(({ effect }) => effect === "Allow")) {
    return { allowed: true, by: "resource" };
  }
  return { allowed: false, why: "no-allow" };
}

function matching(
  request: AccessRequest,
  documents: readonly PolicyDocument[],
  withPrincipal: boolean,
): Statement[] {
  return documents
    .flatMap((document) => document.statements)
    .filter((statement) => applies(statement, request, withPrincipal));
}

function applies(statement: Statement, request: AccessRequest, withPrincipal: boolean): boolean {
  const { actions, resources, principals, conditions } = statement;
  const action = request.action.toLowerCase();
  const named = actions.patterns.some((pattern) => matchesPattern(action, pattern.toLowerCase()));
  if (named === actions.negated) return false;
  if (resources !== undefined) {
    const found = resources.patterns.some((pattern) => matchesPattern(request.resource, pattern));
    if (found === resources.negated) return false;
  }
  if (withPrincipal) {
    if (principals === undefined) return false;
    if (isNamed(principals, request.principal) === principals.negated) return false;
  }
  return conditions.every((condition) => fulfils(condition, request.conditions));
}

function isNamed(match: PrincipalMatch, principal: Principal): boolean {
  if (match.anyone) return true;
  if (principal.kind === "anonymous") return false;
  if (principal.kind === "service") return match.services.includes(principal.service);
  const names = [principalArn(principal), principal.accountId];
  names.push(`arn:aws:iam::${principal.accountId}:root`);
  if (principal.kind === "assumed-role") names.push(principal.roleArn);
  return match.aws.some((name) => names.includes(name));
}
