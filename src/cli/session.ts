import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

import { UserError } from "./user-error.ts";

/** What `moor up` leaves in its data directory for the commands beside it. */
export const sessionFileName = "session.json";

const Session = z.strictObject({
  endpoint: z.url(),
  region: z.string(),
  accountId: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  sessionToken: z.string().optional(),
  /** The CA that signed the NFS servers' certificates. */
  caFile: z.string(),
});

/** Where the API is and who asks. */
export type Session = z.infer<typeof Session>;

/** As written by `moor up`. Throws `UserError` when it never ran with this directory. */
export function readSession(dataDirectory: string): Session {
  const file = path.join(dataDirectory, sessionFileName);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOENT", "ENOTDIR"].includes(code)) {
      throw new UserError(`${file} can't be read: ${(error as Error).message}`);
    }
    throw new UserError(
      `No Mooring has been started with the data directory ${dataDirectory}. ` +
        "Start one with `moor up`, or name its directory with --data.",
    );
  }
  const parsed = Session.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new UserError(`${file} is not what \`moor up\` writes; run \`moor up\` again to renew it.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The session with what the AWS variables of the environment say instead, as the aws CLI would. */
export function sessionFromEnvironment(
  dataDirectory: string,
  environment: NodeJS.ProcessEnv,
): Session {
  const session = readSession(dataDirectory);
  const endpoint = environment["AWS_ENDPOINT_URL"];
  const accessKeyId = environment["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = environment["AWS_SECRET_ACCESS_KEY"];
  const sessionToken = environment["AWS_SESSION_TOKEN"];
  if (endpoint !== session.endpoint || !accessKeyId || !secretAccessKey) return session;
  return { ...session, accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}
