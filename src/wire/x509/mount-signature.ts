// What the mount helper signs, which is not ordinary SigV4 (facts §1.3).
import { createHash, createHmac } from "node:crypto";

export interface MountSignatureInput {
  readonly fileSystemId: string;
  readonly region: string;
  readonly publicKeyHash: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
  /** Milliseconds since 1970; whole seconds count. */
  readonly signedAtMs: number;
}

const service = "elasticfilesystem";
const algorithm = "AWS4-HMAC-SHA256";
/** Seconds for which the helper says that its signature holds. */
export const signatureLifetimeSeconds = 86_400;

/** 64 lower-case hex digits. */
export function mountSignature(input: MountSignatureInput): string {
  const time = new Date(input.signedAtMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const date = time.slice(0, 8);
  const scope = `${date}/${input.region}/${service}/aws4_request`;
  const toSign = [algorithm, time, scope, sha256(canonicalRequest(input, time, scope))].join("\n");
  let key: Buffer = Buffer.from(`AWS4${input.secretAccessKey}`);
  for (const part of [date, input.region, service, "aws4_request"]) key = hmac(key, part);
  return hmac(key, toSign).toString("hex");
}

export function canonicalRequest(input: MountSignatureInput, time: string, scope: string): string {
  const parameters: [string, string][] = [
    ["Action", "Connect"],
    ["PublicKeyHash", input.publicKeyHash],
    ["X-Amz-Algorithm", algorithm],
    ["X-Amz-Credential", quotePlus(`${input.accessKeyId}/${scope}`)],
    ["X-Amz-Date", time],
    ["X-Amz-Expires", String(signatureLifetimeSeconds)],
    ["X-Amz-SignedHeaders", "host"],
  ];
  if (input.sessionToken !== undefined) {
    parameters.push(["X-Amz-Security-Token", quotePlus(input.sessionToken)]);
  }
  parameters.sort(([a], [b]) => (a < b ? -1 : 1));
  const query = parameters.map(([name, value]) => `${name}=${value}`).join("&");
  return `GET\n/\n${query}\nhost:${input.fileSystemId}\nhost\n${sha256("")}`;
}

/** Python's urllib.parse.quote_plus. */
function quotePlus(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
