// For tests of the AWS codecs: inputs by schema, and the AWS SDK itself as the other end.
import { type HttpRequest, HttpResponse } from "@smithy/core/protocols";
import * as fc from "fast-check";

import { members, type Shape, trait } from "./shape.ts";

/** What a client of the SDK put on the wire. */
export interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly rawQuery: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Stands where an SDK client has its connection: keeps what is sent, gives the set answer. */
export class FakeConnection {
  sent: SentRequest | undefined;
  answer = { status: 200, contentType: "", body: "" };

  /** For the constructor of any client. */
  readonly configuration = {
    region: "us-east-1",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI" },
    endpoint: "http://127.0.0.1",
    maxAttempts: 1,
    requestHandler: {
      handle: async (request: HttpRequest) => {
        this.sent = {
          method: request.method,
          path: request.path,
          rawQuery: queryText(request.query ?? {}),
          headers: request.headers,
          body: bytesOf(request.body as string | Uint8Array | undefined),
        };
        const { status, contentType, body } = this.answer;
        const headers = { "content-type": contentType };
        const answered = { statusCode: status, headers, body: Buffer.from(body) };
        return { response: new HttpResponse(answered) };
      },
    },
  };
}

function bytesOf(body: string | Uint8Array | undefined): Buffer {
  if (!(body instanceof Uint8Array)) return Buffer.from(body ?? "");
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

function queryText(query: Readonly<Record<string, string | readonly string[] | null>>): string {
  const pairs = Object.entries(query).flatMap(([name, given]) =>
    (Array.isArray(given) ? given : [given]).map(
      (value) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value ?? ""))}`,
    ),
  );
  return pairs.join("&");
}

export interface ArbitraryOptions {
  /** Every list has items and every structure has a member: some protocols can't say "empty". */
  readonly neverEmpty?: boolean;
  readonly strings?: fc.Arbitrary<string>;
}

/** Text that XML can carry and whose ends nobody trims. */
export const visibleText: fc.Arbitrary<string> = fc.string({
  unit: fc.constantFrom(...Array.from("aZ09-_.~*'()&<>\"%+/=?#é€𝄞")),
  minLength: 1,
  maxLength: 12,
});

/** Text of any characters, those that end lines, strings and names among them. */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc
    .oneof(
      fc.integer({ min: 0, max: 0x7f }),
      fc.integer({ min: 0x80, max: 0xd7ff }),
      fc.integer({ min: 0xe000, max: 0x10_ffff }),
    )
    .map((point) => String.fromCodePoint(point)),
  maxLength: 12,
});

/** Any value of a shape, as the SDK's types have it. */
export function valueOf(shape: Shape, options: ArbitraryOptions = {}): fc.Arbitrary<unknown> {
  const minLength = options.neverEmpty ? 1 : 0;
  if (shape.isUnitSchema()) return fc.constant({});
  if (shape.isDocumentSchema()) {
    return fc.array(fc.oneof(anyText, fc.boolean(), fc.integer()));
  }
  if (shape.isStructSchema()) return structureOf(shape, options);
  if (shape.isListSchema()) {
    return fc.array(valueOf(shape.getValueSchema(), options), { minLength, maxLength: 3 });
  }
  if (shape.isMapSchema()) {
    const keys = fc.string({ unit: "grapheme-ascii", minLength: 1 });
    const names = keys.filter((name) => name !== "__proto__");
    const value = valueOf(shape.getValueSchema(), options);
    return fc.dictionary(names, value, { minKeys: minLength, maxKeys: 3, noNullPrototype: true });
  }
  if (shape.isTimestampSchema()) {
    const max = Date.UTC(9999, 0) / 1000;
    return fc.nat(max).map((seconds) => new Date(seconds * 1000));
  }
  if (shape.isBlobSchema()) {
    return fc.uint8Array({ minLength, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
  }
  if (shape.isBooleanSchema()) return fc.boolean();
  if (shape.isNumericSchema()) return fc.integer();
  return options.strings ?? anyText;
}

function structureOf(shape: Shape, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  const required: string[] = [];
  for (const [name, member] of members(shape)) {
    if (options.neverEmpty && isEmptyStructure(member)) continue;
    model[name] = valueOf(member, options);
    // Left out, the SDK makes up a token; a label has to be there.
    const isMade = trait(member, "idempotencyToken") !== undefined;
    const isLabel = trait(member, "httpLabel") !== undefined;
    const isFirst = options.neverEmpty && required.length === 0;
    if (isMade || isLabel || isFirst) required.push(name);
  }
  return fc.record(model, { requiredKeys: required, noNullPrototype: true });
}

function isEmptyStructure(shape: Shape): boolean {
  return shape.isStructSchema() && [...members(shape)].length === 0;
}
