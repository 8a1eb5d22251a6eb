import { signatureOf } from "../../src/wire/aws/sigv4.ts";
import type { Session } from "../../src/cli/session.ts";

/** One HTTP request as no SDK would send it; what isn't said is as it should be. */
export interface RawRequest {
  /** The credential scope's service. */
  readonly service: string;
  readonly method?: string;
  /** With its query. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly region?: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  readonly atMs?: number;
  /** Replaces the Authorization header; null leaves it out. */
  readonly authorization?: string | null;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Signs and sends; the answer as it came. */
export async function sendRaw(
  session: Pick<Session, "accessKeyId" | "endpoint" | "region" | "secretAccessKey">,
  request: RawRequest,
): Promise<RawAnswer> {
  const { method = "POST", target = "/", body = "", authorization } = request;
  const headers = signedHeaders(session, request);
  if (authorization === null) delete headers["authorization"];
  else if (authorization !== undefined) headers["authorization"] = authorization;
  const hasBody = method !== "GET" && method !== "HEAD";
  const answer = await fetch(session.endpoint + target, {
    method,
    headers,
    ...(hasBody && { body: typeof body === "string" ? body : new Uint8Array(body) }),
  });
  return { status: answer.status, headers: answer.headers, body: await answer.text() };
}

/** The headers that the request is sent with, its signature among them. */
export function signedHeaders(
  session: Pick<Session, "accessKeyId" | "endpoint" | "region" | "secretAccessKey">,
  request: RawRequest,
): Record<string, string> {
  const { method = "POST", target = "/", service, sessionToken } = request;
  const { accessKeyId, secretAccessKey, region } = { ...session, ...defined(request) };
  const [path = "/", query = ""] = target.split("?");
  const time = new Date(request.atMs ?? Date.now()).toISOString().replace(/[-:]|\.\d+/g, "");
  const headers: Record<string, string> = {
    "x-amz-date": time,
    ...(sessionToken !== undefined && { "x-amz-security-token": sessionToken }),
    ...request.headers,
  };
  const scope = { accessKeyId, date: time.slice(0, 8), region, service };
  const names = ["host", ...Object.keys(headers)].sort();
  const signature = signatureOf(
    {
      method,
      path,
      query,
      headers: { ...headers, host: new URL(session.endpoint).host },
      body: Buffer.from(request.body ?? ""),
    },
    { ...scope, signedHeaders: names },
    secretAccessKey,
  );
  headers["authorization"] =
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.date}/${region}/${service}/aws4_request, ` +
    `SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return headers;
}

function defined({ accessKeyId, secretAccessKey, region }: RawRequest) {
  return {
    ...(accessKeyId !== undefined && { accessKeyId }),
    ...(secretAccessKey !== undefined && { secretAccessKey }),
    ...(region !== undefined && { region }),
  };
}
