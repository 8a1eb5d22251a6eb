import type { Api } from "../../src/cli/api.ts";

export interface UserKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: undefined;
}

/** A new user's access key; the user has no policies but the given one. */
export async function makeUserKey(
  { iam }: Api,
  userName: string,
  policy?: object,
): Promise<UserKey> {
  await iam.createUser({ UserName: userName });
  if (policy !== undefined) {
    await iam.putUserPolicy({
      UserName: userName,
      PolicyName: "own",
      PolicyDocument: JSON.stringify(policy),
    });
  }
  const { AccessKey } = await iam.createAccessKey({ UserName: userName });
  return {
    accessKeyId: AccessKey!.AccessKeyId!,
    secretAccessKey: AccessKey!.SecretAccessKey!,
    sessionToken: undefined,
  };
}
