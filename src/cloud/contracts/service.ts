import type { Principal } from "../../policy/principal.ts";

/**
 * The contract between the gateway and the services. A service is a table of operations; one row
 * says what an operation is allowed on and how it is handled. Shapes come from the AWS SDK.
 */
export interface Service {
  /** As in IAM actions and ARNs: "ecs", "elasticfilesystem", "ec2", "iam", "sts", "logs". */
  readonly prefix: string;
  /** The SigV4 credential scope's service; equals `prefix` for all but a few. */
  readonly signingName: string;
  readonly protocol: Protocol;
  /** The SDK client's module namespace: it exports `RunTask$` and the errors' schemas. */
  readonly schemas: Readonly<Record<string, unknown>>;
  /** Keyed by the operation's name. What isn't here answers "not there yet", by its name. */
  readonly operations: Readonly<Record<string, Operation>>;
}

export type Protocol =
  /** `X-Amz-Target: <targetPrefix>.<Op>` */
  | { readonly kind: "awsJson1_1"; readonly targetPrefix: string }
  | { readonly kind: "restJson1"; readonly basePath: string }
  | { readonly kind: "awsQuery"; readonly version: string; readonly xmlNamespace: string }
  | { readonly kind: "ec2Query"; readonly version: string; readonly xmlNamespace: string };

/** One row. `Input` and `Output` are the SDK's own types, e.g. RunTaskRequest. */
// oxlint-disable-next-line typescript/no-explicit-any -- rows of different shapes in one table
export interface Operation<Input = any, Output = any> {
  /**
   * What the caller must be allowed to do; the gateway asks IAM before `handle`. "anyone" is for
   * the few that need no permission (sts:GetCallerIdentity).
   */
  readonly authorize:
    | "anyone"
    | ((input: Input, call: Call) => AuthorizationNeed | readonly AuthorizationNeed[]);
  /** Throws `ApiError`; anything else that it throws is reported as the service's own failure. */
  readonly handle: (input: Input, call: Call) => Output | Promise<Output>;
}

export interface AuthorizationNeed {
  /** Without the prefix: "RunTask". With another service's prefix where needed: "iam:PassRole". */
  readonly action: string;
  readonly resource: string;
  readonly conditions?: Readonly<Record<string, readonly string[]>>;
}

/** The request around the input. */
export interface Call {
  readonly requestId: string;
  readonly region: string;
  readonly accountId: string;
  readonly principal: Principal;
  readonly accessKeyId: string | undefined;
  readonly sourceAddress: string;
  readonly nowMs: number;
}

/** Gives each row its SDK types and keeps the table's keys: `operations({ RunTask: row(…) })`. */
export function operation<Input, Output>(row: Operation<Input, Output>): Operation<Input, Output> {
  return row;
}
