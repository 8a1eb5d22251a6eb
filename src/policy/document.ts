/** An IAM policy document after parsing: every optional plural made a list. */
export interface PolicyDocument {
  readonly version: "2008-10-17" | "2012-10-17";
  readonly id?: string;
  readonly statements: readonly Statement[];
}

export interface Statement {
  readonly sid?: string;
  readonly effect: "Allow" | "Deny";
  readonly principals?: PrincipalMatch;
  readonly actions: { readonly patterns: readonly string[]; readonly negated: boolean };
  /** Absent in trust policies, which have none. */
  readonly resources?: { readonly patterns: readonly string[]; readonly negated: boolean };
  readonly conditions: readonly Condition[];
}

export interface PrincipalMatch {
  readonly negated: boolean;
  /** `{"AWS": "*"}` and `"*"` are both anyone, the anonymous included. */
  readonly anyone: boolean;
  readonly aws: readonly string[];
  readonly services: readonly string[];
  readonly federated: readonly string[];
}

/** E.g. { operator: "Bool", key: "aws:securetransport", values: ["false"] }. */
export interface Condition {
  readonly operator: string;
  readonly qualifier?: "ForAllValues" | "ForAnyValue";
  readonly ifExists: boolean;
  readonly key: string;
  readonly values: readonly string[];
}
