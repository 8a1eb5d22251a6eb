import { STS } from "@aws-sdk/client-sts";

import { Api } from "../../src/cli/api.ts";
import type { Instance } from "./instance.ts";

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The SDK's clients of every service, for one caller. */
export class Clients extends Api {
  readonly sts: STS;

  /** As root, or with the keys of somebody else. */
  constructor(instance: Instance, keys?: Keys) {
    super({ ...instance.api().session, ...keys });
    const { endpoint, region, accessKeyId, secretAccessKey, sessionToken } = this.session;
    const credentials = { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
    this.sts = new STS({ endpoint, region, credentials });
  }
}

/** A policy that allows these actions, on everything unless told otherwise. */
export function allowing(actions: readonly string[], resource: string | readonly string[] = "*") {
  const statement = { Effect: "Allow", Action: actions, Resource: resource };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}

/** A trust policy for that principal: `{ Service: "…" }` or `{ AWS: "…" }`. */
export function trusting(principal: Readonly<Record<string, string>>): string {
  const statement = { Effect: "Allow", Principal: principal, Action: "sts:AssumeRole" };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}

/** Makes a user with that policy, or none, and the clients that call as this user. */
export async function userWith(
  instance: Instance,
  userName: string,
  policy?: string,
): Promise<Clients> {
  const { iam } = new Clients(instance);
  await iam.createUser({ UserName: userName });
  if (policy !== undefined) {
    await iam.putUserPolicy({ UserName: userName, PolicyName: "own", PolicyDocument: policy });
  }
  const { AccessKey } = await iam.createAccessKey({ UserName: userName });
  const { AccessKeyId, SecretAccessKey } = AccessKey!;
  return new Clients(instance, {
    accessKeyId: AccessKeyId!,
    secretAccessKey: SecretAccessKey!,
  });
}
