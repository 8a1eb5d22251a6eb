import { fromNodeProviderChain } from "@aws-sdk/credential-providers";

import type { MountCredentials } from "./mount-helper.ts";
import type { MountOptions } from "./options.ts";

const taskEndpoint = "http://169.254.170.2";

/** In the helper's order: the task's role, the named profile, then whatever AWS tools use (§1.10). */
export async function mountCredentials(options: MountOptions): Promise<MountCredentials> {
  if (options.credentialsUri !== undefined) return taskCredentials(options.credentialsUri);
  const provider = fromNodeProviderChain(
    options.profile === undefined ? {} : { profile: options.profile },
  );
  const { accessKeyId, secretAccessKey, sessionToken } = await provider();
  return { accessKeyId, secretAccessKey, sessionToken };
}

async function taskCredentials(path: string): Promise<MountCredentials> {
  const answer = await fetch(`${taskEndpoint}${path}`).catch((error: Error) => {
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    throw new Error(`${taskEndpoint} doesn't answer: ${why}`, { cause: error });
  });
  if (!answer.ok) {
    throw new Error(`${taskEndpoint}${path} answers ${answer.status}: ${await answer.text()}`);
  }
  const body = (await answer.json()) as {
    AccessKeyId: string;
    SecretAccessKey: string;
    Token?: string;
  };
  return {
    accessKeyId: body.AccessKeyId,
    secretAccessKey: body.SecretAccessKey,
    sessionToken: body.Token,
  };
}
