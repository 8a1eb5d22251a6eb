// AWS Signature Version 4 in the Authorization header, as a server checks it (IAM user guide,
// "Create a signed AWS API request").
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  /** As it came: percent-encoded, without the query. */
  readonly path: string;
  /** As it came, without "?". */
  readonly query: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface ParsedAuthorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const pattern =
  /^AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request,\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/;

export function parseAuthorization(header: string): ParsedAuthorization | undefined {
  const found = pattern.exec(header.trim());
  if (found === null) return undefined;
  const [, accessKeyId, date, region, service, signedHeaders, signature] = found;
  return {
    accessKeyId: accessKeyId!,
    date: date!,
    region: region!,
    service: service!,
    signedHeaders: signedHeaders!.split(";"),
    signature: signature!,
  };
}

/** Milliseconds since 1970 of X-Amz-Date (`YYYYMMDDTHHMMSSZ`), or undefined. */
export function parseAmzDate(text: string | undefined): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? "");
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second] = found;
  return Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!);
}

export function signatureMatches(
  request: SignedRequest,
  authorization: ParsedAuthorization,
  secretAccessKey: string,
): boolean {
  // A signing key is for the day of its scope, which has to be the request's own.
  if (request.headers["x-amz-date"]?.startsWith(authorization.date) !== true) return false;
  const expected = Buffer.from(signatureOf(request, authorization, secretAccessKey));
  return timingSafeEqual(expected, Buffer.from(authorization.signature));
}

export function signatureOf(
  request: SignedRequest,
  authorization: Omit<ParsedAuthorization, "signature">,
  secretAccessKey: string,
): string {
  const { date, region, service } = authorization;
  const scope = `${date}/${region}/${service}/aws4_request`;
  const time = request.headers["x-amz-date"] ?? "";
  const canonical = canonicalRequest(request, authorization.signedHeaders);
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`);
  for (const part of [date, region, service, "aws4_request"]) key = hmac(key, part);
  return hmac(key, toSign).toString("hex");
}

function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string {
  const path = normalized(request.path).split("/").map(encode).join("/");
  const headers = signedHeaders.map((name) => {
    const value = (request.headers[name] ?? "").trim().replace(/\s+/g, " ");
    return `${name}:${value}\n`;
  });
  return [
    request.method,
    path,
    canonicalQuery(request.query),
    headers.join(""),
    signedHeaders.join(";"),
    sha256(request.body),
  ].join("\n");
}

/** Without empty and relative segments (RFC 3986 §6.2.2.3), which only S3's paths keep. */
function normalized(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const isDirectory = kept.length > 0 && path.endsWith("/");
  return `/${kept.join("/")}${isDirectory ? "/" : ""}`;
}

function canonicalQuery(query: string): string {
  if (query === "") return "";
  const pairs = query.split("&").map((pair) => {
    const [name = "", ...value] = pair.split("=");
    return [encode(decode(name)), encode(decode(value.join("=")))] as const;
  });
  pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1));
  return pairs.map(([name, value]) => `${name}=${value}`).join("&");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: Buffer | string): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
