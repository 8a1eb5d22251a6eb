// restJson1: where the members of an operation's input and output stand in HTTP.
import { fromJson, parseJsonBody, toJson } from "./json.ts";
import { readSimple } from "./query.ts";
import { members, type OperationShape, renamed, type Shape, trait, wrongType } from "./shape.ts";

export interface RestRequest {
  readonly method: string;
  /** Still percent-encoded. */
  readonly path: string;
  readonly query: ReadonlyMap<string, readonly string[]>;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** The labels' values if the request is for that operation's method and path. Throws `ApiError`. */
export function matchPath(
  { http }: OperationShape,
  method: string,
  path: string,
): ReadonlyMap<string, string> | undefined {
  if (http.method !== method) return undefined;
  const pattern = http.path.split("?")[0]!.split("/");
  const given = path.split("/");
  const labels = new Map<string, string>();
  for (const [index, part] of pattern.entries()) {
    const label = /^\{(.+?)(\+?)\}$/.exec(part);
    const value = given[index];
    if (label?.[2] === "+") {
      labels.set(label[1]!, decodeLabel(label[1]!, given.slice(index).join("/")));
      return labels;
    }
    if (value === undefined || (label === null && value !== part)) return undefined;
    if (label === null) continue;
    if (value === "") return undefined;
    labels.set(label[1]!, decodeLabel(label[1]!, value));
  }
  return given.length === pattern.length ? labels : undefined;
}

function decodeLabel(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw wrongType(name, "percent-encoded UTF-8");
  }
}

/** Throws `ApiError`. */
export function fromRest(
  { input }: OperationShape,
  labels: ReadonlyMap<string, string>,
  request: RestRequest,
): unknown {
  const result: Record<string, unknown> = {};
  let body: unknown;
  const jsonBody = (): unknown => (body ??= parseJsonBody(request.body));
  for (const [name, member] of members(input)) {
    const value = restMember(name, member, labels, request, jsonBody);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

function restMember(
  name: string,
  member: Shape,
  labels: ReadonlyMap<string, string>,
  request: RestRequest,
  jsonBody: () => unknown,
): unknown {
  const query = trait(member, "httpQuery");
  const header = trait(member, "httpHeader");
  if (trait(member, "httpLabel") !== undefined) {
    return readSimple(member, labels.get(name) ?? "", name);
  }
  if (typeof query === "string") {
    const values = request.query.get(query);
    if (values === undefined) return undefined;
    if (member.isListSchema()) return values;
    return readSimple(member, values[0] ?? "", name);
  }
  if (typeof header === "string") {
    const value = request.headers[header.toLowerCase()];
    return value === undefined ? undefined : readSimple(member, value, name);
  }
  if (trait(member, "httpPayload") !== undefined) return fromJson(member, jsonBody(), name);
  const whole = jsonBody();
  const isObject = typeof whole === "object" && whole !== null && !Array.isArray(whole);
  if (!isObject) throw wrongType("", "an object");
  const jsonName = renamed(member, "jsonName", name);
  return fromJson(member, (whole as Record<string, unknown>)[jsonName], name);
}

/** The body of an answer; empty for outputs without members. */
export function restBody({ output }: OperationShape, value: unknown): string {
  if (!output.isStructSchema()) return "";
  const written = toJson(output, value ?? {}) as Record<string, unknown>;
  for (const [name, member] of members(output)) {
    if (trait(member, "httpPayload") !== undefined) return JSON.stringify(written[name] ?? {});
  }
  return JSON.stringify(written);
}
