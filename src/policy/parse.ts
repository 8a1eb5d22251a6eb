// Policy documents from JSON (IAM user guide, "Grammar of the IAM JSON policy language").
import type { Condition, PolicyDocument, PrincipalMatch, Statement } from "./document.ts";

/** What is wrong with a policy, in one sentence. */
export class MalformedPolicy extends Error {
  override readonly name = "MalformedPolicy";
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Throws `MalformedPolicy`. */
export function parsePolicy(text: string): PolicyDocument {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedPolicy("The policy is not valid JSON.");
  }
  const document = objectOf(value, "The policy");
  const version = document["Version"] ?? "2008-10-17";
  if (version !== "2008-10-17" && version !== "2012-10-17") {
    throw new MalformedPolicy(`The policy's Version must be 2012-10-17 or 2008-10-17.`);
  }
  const statements = listOf(document["Statement"]);
  if (statements.length === 0) throw new MalformedPolicy("The policy has no Statement.");
  const id = document["Id"];
  return {
    version,
    ...(typeof id === "string" && { id }),
    statements: statements.map(parseStatement),
  };
}

function parseStatement(value: unknown): Statement {
  const statement = objectOf(value, "Statement");
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny") {
    throw new MalformedPolicy("A statement's Effect must be Allow or Deny.");
  }
  const actions = patternsOf(statement, "Action");
  if (actions === undefined) throw new MalformedPolicy("A statement has no Action.");
  const resources = patternsOf(statement, "Resource");
  const principals = principalsOf(statement);
  const sid = statement["Sid"];
  return {
    ...(typeof sid === "string" && { sid }),
    effect,
    actions,
    ...(resources && { resources }),
    ...(principals && { principals }),
    conditions: conditionsOf(statement["Condition"]),
  };
}

function patternsOf(
  statement: JsonObject,
  name: string,
): { patterns: string[]; negated: boolean } | undefined {
  const negated = `Not${name}` in statement;
  const given = statement[negated ? `Not${name}` : name];
  if (given === undefined) return undefined;
  return { patterns: stringsOf(given, name), negated };
}

function principalsOf(statement: JsonObject): PrincipalMatch | undefined {
  const negated = "NotPrincipal" in statement;
  const given = statement[negated ? "NotPrincipal" : "Principal"];
  if (given === undefined) return undefined;
  if (given === "*") return { negated, anyone: true, aws: [], services: [], federated: [] };
  const object = objectOf(given, "Principal");
  const aws = stringsOf(object["AWS"] ?? [], "Principal.AWS");
  return {
    negated,
    anyone: aws.includes("*"),
    aws: aws.filter((name) => name !== "*"),
    services: stringsOf(object["Service"] ?? [], "Principal.Service"),
    federated: stringsOf(object["Federated"] ?? [], "Principal.Federated"),
  };
}

function conditionsOf(given: unknown): Condition[] {
  if (given === undefined) return [];
  return Object.entries(objectOf(given, "Condition")).flatMap(([full, keys]) => {
    const found = /^(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?$/.exec(full);
    const operator = found?.[2] ?? "";
    if (found === null || !Object.hasOwn(knownOperators, operator)) {
      throw new MalformedPolicy(`The condition operator ${full} does not exist.`);
    }
    const qualifier = found[1] as Condition["qualifier"];
    const qualified = qualifier && { qualifier };
    return Object.entries(objectOf(keys, full)).map(([key, values]) => ({
      ...qualified,
      operator,
      ifExists: found[3] !== undefined,
      key: key.toLowerCase(),
      values: stringsOf(values, key),
    }));
  });
}

/** IAM's condition operators; the value says how they compare. */
export const knownOperators = {
  StringEquals: "exact",
  StringNotEquals: "exact",
  StringEqualsIgnoreCase: "exact",
  StringNotEqualsIgnoreCase: "exact",
  StringLike: "pattern",
  StringNotLike: "pattern",
  ArnEquals: "pattern",
  ArnNotEquals: "pattern",
  ArnLike: "pattern",
  ArnNotLike: "pattern",
  Bool: "exact",
  Null: "presence",
  IpAddress: "address",
  NotIpAddress: "address",
  NumericEquals: "number",
  NumericNotEquals: "number",
  NumericLessThan: "number",
  NumericLessThanEquals: "number",
  NumericGreaterThan: "number",
  NumericGreaterThanEquals: "number",
  DateEquals: "date",
  DateNotEquals: "date",
  DateLessThan: "date",
  DateLessThanEquals: "date",
  DateGreaterThan: "date",
  DateGreaterThanEquals: "date",
} as const;

function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw new MalformedPolicy(`${what} must be an object.`);
}

function listOf(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function stringsOf(value: unknown, what: string): string[] {
  return listOf(value).map((item) => {
    const simple = typeof item === "boolean" || typeof item === "number";
    if (typeof item === "string" || simple) return String(item);
    throw new MalformedPolicy(`${what} must be a string or a list of strings.`);
  });
}
