import * as sts from "@aws-sdk/client-sts";

import { principalArn } from "../../policy/principal.ts";
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
          const session = identities.assumeRole({
            roleArn: input.RoleArn ?? "",
            sessionName: input.RoleSessionName ?? "",
            durationSeconds,
            by: principal,
          });
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
