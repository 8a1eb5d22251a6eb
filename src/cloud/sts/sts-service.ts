import * as sts from "@aws-sdk/client-sts";

import { type Principal, principalArn } from "../../policy/principal.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import type { Identities } from "../contracts/identities.ts";
import { type Call, operation, type Service } from "../contracts/service.ts";

const shortestSeconds = 900;
const longestSeconds = 43_200;
const usualSeconds = 3600;

export function stsService(identities: Identities): Service {
  return {
    prefix: "sts",
    signingName: "sts",
    protocol: {
      kind: "awsQuery",
      version: "2011-06-15",
      xmlNamespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    },
    schemas: sts,
    operations: {
      GetCallerIdentity: operation({
        authorize: "anyone",
        handle: (_input: sts.GetCallerIdentityRequest, { principal, accountId }: Call) => ({
          UserId: "userId" in principal ? principal.userId : accountId,
          Account: accountId,
          Arn: principalArn(principal),
        }),
      }),
      AssumeRole: operation({
        authorize: (input: sts.AssumeRoleRequest) => ({
          action: "AssumeRole",
          resource: input.RoleArn ?? "*",
        }),
        handle: (input: sts.AssumeRoleRequest, { principal }: Call) => {
          const durationSeconds = input.DurationSeconds ?? usualSeconds;
          if (durationSeconds < shortestSeconds || durationSeconds > longestSeconds) {
            throw new ApiError(
              "ValidationError",
              `DurationSeconds must be between ${shortestSeconds} and ${longestSeconds}.`,
            );
          }
          const sessionName = input.RoleSessionName ?? "";
          if (!/^[\w+=,.@-]{2,64}$/.test(sessionName)) {
            const message = `The session name "${sessionName}" is not valid.`;
            throw new ApiError("ValidationError", message);
          }
          if (input.Policy !== undefined || input.PolicyArns !== undefined) {
            // To ignore them would give the session more than was asked for.
            const message = "Mooring does not have session policies yet.";
            throw new ApiError("NotImplemented", message, { status: 501 });
          }
          const roleArn = input.RoleArn ?? "";
          const session = hidingRoles(principal, roleArn, () =>
            identities.assumeRole({ roleArn, sessionName, durationSeconds, by: principal }),
          );
          const assumed = session.principal;
          return {
            Credentials: {
              AccessKeyId: session.accessKeyId,
              SecretAccessKey: session.secretAccessKey,
              SessionToken: session.sessionToken,
              Expiration: new Date(session.expiresAtMs),
            },
            AssumedRoleUser: {
              Arn: principalArn(assumed),
              AssumedRoleId: "userId" in assumed ? assumed.userId : "",
            },
          };
        },
      }),
    },
  };
}

/** Who may not assume a role isn't told whether there is one. */
function hidingRoles<T>(principal: Principal, roleArn: string, assume: () => T): T {
  try {
    return assume();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "NoSuchEntityException") throw error;
    const who = `User: ${principalArn(principal)}`;
    const message = `${who} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`;
    throw new ApiError("AccessDenied", message, { status: 403 });
  }
}
