// Values as JSON in AWS's JSON protocols: timestamps are seconds, blobs base64 (facts §4.3).
import { ApiError } from "./api-error.ts";
import { fromSeconds, members, renamed, type Shape, trait, wrongType } from "./shape.ts";

/** Input members from parsed JSON; what the shape doesn't know is ignored. Throws `ApiError`. */
export function fromJson(shape: Shape, value: unknown, where = ""): unknown {
  if (value === null || value === undefined) return undefined;
  if (shape.isDocumentSchema()) return value;
  if (shape.isStructSchema()) {
    const object = objectOf(value, where);
    const result: Record<string, unknown> = {};
    for (const [name, member] of members(shape)) {
      const given = fromJson(member, object[jsonName(name, member)], joined(where, name));
      if (given !== undefined) result[name] = given;
    }
    return result;
  }
  if (shape.isListSchema()) {
    if (!Array.isArray(value)) throw wrongType(where, "a list");
    return value.map((item, index) => itemFromJson(shape, item, `${where}.${index + 1}`));
  }
  if (shape.isMapSchema()) {
    const entries = Object.entries(objectOf(value, where));
    return Object.fromEntries(
      entries.map(([key, item]) => [key, itemFromJson(shape, item, joined(where, key))]),
    );
  }
  return simpleFromJson(shape, value, where);
}

/** An item of a list or map, which is null only where the model says that it may be. */
function itemFromJson(shape: Shape, item: unknown, where: string): unknown {
  if (item !== null) return fromJson(shape.getValueSchema(), item, where);
  if (trait(shape, "sparse") === undefined) throw wrongType(where, "something else than null");
  return null;
}

function simpleFromJson(shape: Shape, value: unknown, where: string): unknown {
  if (shape.isTimestampSchema()) {
    const time = typeof value === "number" ? fromSeconds(value) : new Date(textOf(value, where));
    if (Number.isNaN(time.getTime())) throw wrongType(where, "a timestamp");
    return time;
  }
  if (shape.isBlobSchema()) {
    if (typeof value !== "string") throw wrongType(where, "a base64 string");
    return Buffer.from(value, "base64");
  }
  if (shape.isBooleanSchema()) {
    if (typeof value !== "boolean") throw wrongType(where, "a boolean");
    return value;
  }
  if (shape.isNumericSchema()) {
    if (typeof value !== "number" || !Number.isFinite(value)) throw wrongType(where, "a number");
    return value;
  }
  return shape.isStringSchema() ? textOf(value, where) : value;
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== "string") throw wrongType(where, "a string");
  return value;
}

/** Output as JSON can say it; undefined members are left out. */
export function toJson(shape: Shape, value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (shape.isStructSchema()) {
    const result: Record<string, unknown> = {};
    const object = value as Record<string, unknown>;
    for (const [name, member] of members(shape)) {
      const written = toJson(member, object[name]);
      if (written !== undefined) result[jsonName(name, member)] = written;
    }
    return result;
  }
  if (shape.isListSchema()) {
    return (value as unknown[]).map((item) => toJson(shape.getValueSchema(), item));
  }
  if (shape.isMapSchema()) {
    const entries = Object.entries(value as Record<string, unknown>);
    return Object.fromEntries(
      entries.map(([key, item]) => [key, toJson(shape.getValueSchema(), item)]),
    );
  }
  if (value instanceof Date) return value.getTime() / 1000;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value;
}

/** The body's bytes as JSON; nothing at all is an empty object. Throws `ApiError`. */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw new ApiError("SerializationException", "The request's body is not valid JSON");
  }
  if (value === null) throw wrongType("", "an object");
  return value;
}

function jsonName(name: string, member: Shape): string {
  return renamed(member, "jsonName", name);
}

function objectOf(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw wrongType(where, "an object");
}

function joined(where: string, name: string): string {
  return where === "" ? name : `${where}.${name}`;
}
