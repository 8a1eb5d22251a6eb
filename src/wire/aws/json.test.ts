import assert from "node:assert/strict";
import { test } from "node:test";
import * as ecs from "@aws-sdk/client-ecs";
import { NormalizedSchema } from "@smithy/core/schema";
import * as fc from "fast-check";

import { decodedOrRefused, mutated, mutationLists } from "../testing.ts";
import { ApiError } from "./api-error.ts";
import { fromJson, parseJsonBody, toJson } from "./json.ts";
import { operationNamesOf, operationShape, type Shape } from "./shape.ts";
import { FakeConnection, valueOf } from "./testing.ts";

/** Every kind of member, in the notation that the SDK's clients carry their shapes in. */
const shape = NormalizedSchema.of([
  3,
  "com.example",
  "Everything",
  0,
  ["Text", "Count", "Flag", "When", "Bytes", "Any", "Names", "Gaps", "Labels", "Inner", "Named"],
  [
    0,
    1,
    2,
    4,
    21,
    15,
    [1, "com.example", "Names", 0, 0],
    [1, "com.example", "Gaps", { sparse: 1 }, 1],
    [2, "com.example", "Labels", 0, 0, 1],
    [3, "com.example", "Inner", 0, ["Id"], [0]],
    [0, { jsonName: "other" }],
  ],
] as unknown as Parameters<typeof NormalizedSchema.of>[0]);

const text = `{
  "Text": "a\\u00e9", "Count": -1.5, "Flag": false, "When": 1440938160.123, "Bytes": "AQL/",
  "Any": {"x": [null, 1]}, "Names": ["b", ""], "Gaps": [1, null], "Labels": {"k": 2},
  "Inner": {"Id": "i"}, "other": "renamed"
}`;
const values = {
  Text: "aé",
  Count: -1.5,
  Flag: false,
  When: new Date("2015-08-30T12:36:00.123Z"),
  Bytes: Buffer.of(1, 2, 255),
  Any: { x: [null, 1] },
  Names: ["b", ""],
  Gaps: [1, null],
  Labels: { k: 2 },
  Inner: { Id: "i" },
  Named: "renamed",
};

function read(json: string, of: Shape = shape): unknown {
  return fromJson(of, parseJsonBody(Buffer.from(json)));
}

test("every kind of member is read from JSON as AWS's JSON protocols write it", () => {
  assert.deepEqual(read(text), values);
});

test("every kind of member is written as AWS's JSON protocols read it", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(toJson(shape, values))), JSON.parse(text));
});

test("an empty body is an empty input, and members that are null or unknown are left out", () => {
  assert.deepEqual(read(""), {});
  assert.deepEqual(read("{}"), {});
  assert.deepEqual(read('{"Text": null, "Unknown": {"x": 1}, "Named": "not its JSON name"}'), {});
});

test("members that are undefined are not written", () => {
  assert.deepEqual(toJson(shape, { Text: undefined, Count: 0 }), { Count: 0 });
  assert.equal(toJson(shape, undefined), undefined);
});

test("what isn't of the member's type is refused with the member's name", () => {
  const cases: [string, RegExp][] = [
    ["[]", /^The input must/],
    ["null", /^The input must/],
    ['"text"', /^The input must/],
    ["7", /^The input must/],
    ['{"Text": 1}', /^Text must/],
    ['{"Text": {}}', /^Text must/],
    ['{"Count": "1"}', /^Count must/],
    ['{"Count": 1e999}', /^Count must/],
    ['{"Flag": 1}', /^Flag must/],
    ['{"Flag": "true"}', /^Flag must/],
    ['{"When": "soon"}', /^When must/],
    ['{"When": {}}', /^When must/],
    ['{"When": 1e300}', /^When must/],
    ['{"Bytes": [1]}', /^Bytes must/],
    ['{"Names": {}}', /^Names must/],
    ['{"Names": "b"}', /^Names must/],
    ['{"Names": ["b", 1]}', /^Names.2 must/],
    ['{"Labels": []}', /^Labels must/],
    ['{"Labels": {"k": "v"}}', /^Labels.k must/],
    ['{"Inner": []}', /^Inner must/],
    ['{"Inner": {"Id": 1}}', /^Inner.Id must/],
    // Smithy's malformed-request tests: items of lists and maps may not be null.
    ['{"Names": ["b", null]}', /^Names.2 must/],
    ['{"Labels": {"k": null}}', /^Labels.k must/],
  ];
  for (const [json, message] of cases) {
    assert.throws(() => read(json), { code: "SerializationException", message }, json);
  }
});

test("a body that isn't JSON is refused at every truncation", () => {
  const body = Buffer.from(text);
  for (let length = 1; length < body.length; length += 1) {
    const cut = body.subarray(0, length);
    assert.throws(() => parseJsonBody(cut), { code: "SerializationException" }, `${length}`);
  }
});

test("a body nested a hundred thousand times is refused", () => {
  for (const bracket of ["[", '{"Any":', '{"Inner":']) {
    const body = bracket.repeat(100_000);
    assert.throws(() => read(body), ApiError, bracket);
  }
  const nested = "[".repeat(100_000) + "]".repeat(100_000);
  assert.throws(() => read(`{"Names": [${nested}]}`), ApiError);
});

test("a map's key may be any text, and changes nothing but the map", () => {
  for (const key of ["__proto__", "constructor", "toString", ""]) {
    const labels = (read(`{"Labels": {"${key}": 7}}`) as { Labels: object }).Labels;
    assert.deepEqual(Object.entries(labels), [[key, 7]]);
    assert.equal(Object.getPrototypeOf(labels), Object.prototype);
    assert.equal(JSON.stringify(toJson(shape, { Labels: labels })), `{"Labels":{"${key}":7}}`);
  }
});

test("whatever value is written is read again", () => {
  fc.assert(
    fc.property(valueOf(shape), (value) => {
      assert.deepEqual(read(JSON.stringify(toJson(shape, value))), value);
    }),
    { numRuns: 100 },
  );
});

test("every millisecond of a timestamp survives its division by a thousand", () => {
  const shape = NormalizedSchema.of(4);
  fc.assert(
    fc.property(fc.nat(4_102_444_800_000), (ms) => {
      const json = JSON.stringify(toJson(shape, new Date(ms)));
      assert.deepEqual(fromJson(shape, JSON.parse(json)), new Date(ms));
    }),
  );
});

test("what the SDK sends for every ECS operation is read, and it reads our answers", async () => {
  const connection = new FakeConnection();
  const client = new ecs.ECSClient(connection.configuration);
  for (const name of operationNamesOf(ecs)) {
    const operation = operationShape(ecs, name)!;
    type Send = (command: object) => Promise<object>;
    const Command = (ecs as unknown as Record<string, new (input: unknown) => object>)[
      `${name}Command`
    ]!;
    const send = client.send.bind(client) as unknown as Send;
    await fc.assert(
      fc.asyncProperty(
        valueOf(operation.input),
        valueOf(operation.output),
        async (input, output) => {
          const body = JSON.stringify(toJson(operation.output, output));
          connection.answer = { status: 200, contentType: "application/x-amz-json-1.1", body };
          const { $metadata: _, ...answered } = (await send(new Command(input))) as {
            $metadata: unknown;
          };
          assert.deepEqual(read(connection.sent!.body.toString(), operation.input), input, name);
          assert.deepEqual(answered, output, name);
        },
      ),
      { numRuns: 5 },
    );
  }
});

test("damaged bodies are read or refused", () => {
  fc.assert(
    fc.property(mutationLists, (mutations) => {
      const body = mutated(Buffer.from(text), mutations);
      decodedOrRefused(ApiError, () => fromJson(shape, parseJsonBody(body)));
    }),
    { numRuns: 3000 },
  );
});

test("any JSON at all is read or refused", () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      decodedOrRefused(ApiError, () => read(json));
      decodedOrRefused(ApiError, () => read(`{"Inner": ${json}, "Names": [${json}]}`));
      decodedOrRefused(ApiError, () => read(`{"Labels": {"k": ${json}}, "When": ${json}}`));
    }),
    { numRuns: 500 },
  );
});
