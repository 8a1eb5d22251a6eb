// The shapes of operations, as the AWS SDK's clients carry them at run time.
import { NormalizedSchema } from "@smithy/core/schema";

import { ApiError } from "./api-error.ts";

export type Shape = NormalizedSchema;

export interface OperationShape {
  readonly name: string;
  readonly input: Shape;
  readonly output: Shape;
  readonly http: { readonly method: string; readonly path: string; readonly status: number };
}

const operationKind = 9;
const errorKind = -3;

/** The operation's shapes from a client's module; undefined where it has no such operation. */
export function operationShape(
  schemas: Readonly<Record<string, unknown>>,
  name: string,
): OperationShape | undefined {
  const schema = schemas[`${name}$`];
  if (!Array.isArray(schema) || schema[0] !== operationKind) return undefined;
  const traits = schema[3] as { http?: [string, string, number] } | number;
  const http = (typeof traits === "object" && traits.http) || ["POST", "/", 200];
  return {
    name,
    input: shapeOf(schema[4]),
    output: shapeOf(schema[5]),
    http: { method: http[0], path: http[1], status: http[2] },
  };
}

/** Names of all operations that the client knows. */
export function operationNamesOf(schemas: Readonly<Record<string, unknown>>): string[] {
  return Object.values(schemas)
    .filter((schema) => Array.isArray(schema) && schema[0] === operationKind)
    .map((schema) => (schema as [number, string, string])[2]);
}

export interface ErrorShape {
  readonly status: number;
  /** What query protocols call it; the shape's name for the others. */
  readonly queryCode: string;
}

/** By the name of its shape or by its query code. */
export function errorShape(
  schemas: Readonly<Record<string, unknown>>,
  code: string,
): ErrorShape | undefined {
  for (const schema of Object.values(schemas)) {
    if (!Array.isArray(schema) || schema[0] !== errorKind) continue;
    const traits = schema[3] as {
      awsQueryError?: [string, number];
      httpError?: number;
      error?: string;
    };
    const queryCode = traits.awsQueryError?.[0] ?? (schema[2] as string);
    if (schema[2] !== code && queryCode !== code) continue;
    const fallback = traits.error === "server" ? 500 : 400;
    return { queryCode, status: traits.awsQueryError?.[1] ?? traits.httpError ?? fallback };
  }
  return undefined;
}

function shapeOf(reference: unknown): Shape {
  const resolved = typeof reference === "function" ? (reference as () => unknown)() : reference;
  return NormalizedSchema.of(resolved as Parameters<typeof NormalizedSchema.of>[0]);
}

/** A timestamp as AWS's protocols count it; milliseconds are exact however they were divided. */
export function fromSeconds(seconds: number): Date {
  return new Date(Math.round(seconds * 1000));
}

/** A value of the wrong type, said as AWS's JSON services say it. */
export function wrongType(where: string, expected: string): ApiError {
  return new ApiError("SerializationException", `${where || "The input"} must be ${expected}`);
}

/** Trait of a member or of what it points to. */
export function trait(shape: Shape, name: string): unknown {
  return (shape.getMergedTraits() as Readonly<Record<string, unknown>>)[name];
}

/** A trait that renames: the trait's text, or the fallback. */
export function renamed(shape: Shape, name: string, fallback: string): string {
  const given = trait(shape, name);
  return typeof given === "string" ? given : fallback;
}

export function members(shape: Shape): Iterable<[string, Shape]> {
  return shape.structIterator();
}
