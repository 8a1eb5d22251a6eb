import type { KnownConnection } from "../explain/explain.ts";
import { signatureOf } from "../wire/aws/sigv4.ts";
import type { Session } from "./session.ts";
import { UserError } from "./user-error.ts";

/** One event of a connection, as the API tells it. */
export interface ConnectionEvent extends KnownConnection {
  /** Of all events of one connection. */
  readonly connection?: number;
  readonly event: "NewClientConnection" | "Refused" | "UpdateClientConnection";
  readonly mountTargetId?: string;
  readonly fileSystemArn?: string;
  readonly accessPointId?: string;
  readonly secure: boolean;
  readonly permissions: Readonly<Record<string, boolean>>;
}

/** The latest events on the mount targets; with "open" the latest of each open connection. */
export async function listConnections(
  session: Session,
  which: "connections" | "open" = "connections",
): Promise<ConnectionEvent[]> {
  const answer = await ask(session);
  return answer[which] ?? [];
}

interface ConnectionLists {
  readonly connections?: ConnectionEvent[];
  readonly open?: ConnectionEvent[];
}

/** Mooring's own API, which no SDK has. */
async function ask(session: Session): Promise<ConnectionLists> {
  const body = "{}";
  const { host, pathname } = new URL(session.endpoint);
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const headers: Record<string, string> = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-date": time,
    "x-amz-target": "Mooring.ListConnections",
    ...(session.sessionToken !== undefined && { "x-amz-security-token": session.sessionToken }),
  };
  const authorization = {
    accessKeyId: session.accessKeyId,
    date: time.slice(0, 8),
    region: session.region,
    service: "mooring",
    signedHeaders: ["host", ...Object.keys(headers)].sort(),
  };
  const request = {
    method: "POST",
    path: pathname,
    query: "",
    headers: { ...headers, host },
    body: Buffer.from(body),
  };
  const signature = signatureOf(request, authorization, session.secretAccessKey);
  const scope = `${authorization.date}/${session.region}/mooring/aws4_request`;
  const answer = await fetch(session.endpoint, {
    method: "POST",
    body,
    headers: {
      ...headers,
      authorization:
        `AWS4-HMAC-SHA256 Credential=${session.accessKeyId}/${scope}, ` +
        `SignedHeaders=${authorization.signedHeaders.join(";")}, Signature=${signature}`,
    },
  });
  const parsed = (await answer.json()) as ConnectionLists & { readonly message?: string };
  if (answer.ok) return parsed;
  throw new UserError(parsed.message ?? `the API answered ${answer.status}`);
}
