import assert from "node:assert/strict";
import { test } from "node:test";
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import { NormalizedSchema } from "@smithy/core/schema";
import * as fc from "fast-check";

import { operationNamesOf, operationShape, type Shape } from "./shape.ts";
import { anyText, FakeConnection, valueOf, visibleText } from "./testing.ts";
import { element, escape, toXml } from "./xml.ts";

function structure(members: Readonly<Record<string, unknown>>): Shape {
  const schema = [3, "com.example", "Output", 0, Object.keys(members), Object.values(members)];
  return NormalizedSchema.of(schema as unknown as Parameters<typeof NormalizedSchema.of>[0]);
}

const inner = [3, "com.example", "Inner", 0, ["Id"], [0]];
const shape = structure({
  Text: 0,
  Count: 1,
  Flag: 2,
  When: 5,
  Bytes: 21,
  Names: [1, "com.example", "Names", 0, 0],
  Items: [1, "com.example", "Items", 0, [inner, { xmlName: "item" }]],
  Flat: [1, "com.example", "Flat", { xmlFlattened: 1 }, 0],
  Labels: [2, "com.example", "Labels", 0, 0, 1],
  Inner: inner,
  Renamed: [0, { xmlName: "renamed" }],
});

test("every kind of member is written as AWS's query protocols have it", () => {
  const cases: [object, string][] = [
    [{ Text: "a" }, "<Text>a</Text>"],
    [{ Text: "" }, "<Text></Text>"],
    [{ Count: 0, Flag: false }, "<Count>0</Count><Flag>false</Flag>"],
    [{ When: new Date(1_440_938_160_123) }, "<When>2015-08-30T12:36:00.123Z</When>"],
    [{ Bytes: Uint8Array.of(1, 2, 255) }, "<Bytes>AQL/</Bytes>"],
    [{ Names: ["a", "b"] }, "<Names><member>a</member><member>b</member></Names>"],
    [{ Names: [] }, "<Names></Names>"],
    [{ Items: [{ Id: "1" }, {}] }, "<Items><item><Id>1</Id></item><item></item></Items>"],
    [{ Flat: ["a", "b"] }, "<Flat>a</Flat><Flat>b</Flat>"],
    [{ Labels: { "k&": 1 } }, "<Labels><entry><key>k&amp;</key><value>1</value></entry></Labels>"],
    [{ Inner: { Id: "i" } }, "<Inner><Id>i</Id></Inner>"],
    [{ Renamed: "r" }, "<renamed>r</renamed>"],
    [{ Text: undefined, Count: null, Unknown: 1 }, ""],
  ];
  for (const [value, expected] of cases) assert.equal(toXml(shape, value), expected);
});

test("members are written in the order of their shape", () => {
  assert.equal(toXml(shape, { Flag: true, Text: "a" }), "<Text>a</Text><Flag>true</Flag>");
});

test("an output without a shape or a value has no elements", () => {
  assert.equal(toXml(NormalizedSchema.of("unit"), {}), "");
  assert.equal(toXml(shape, undefined), "");
  assert.equal(toXml(shape, null), "");
});

test("text can't end its element or start another one", () => {
  for (const [text, expected] of [
    ["</Text><Text>", "&lt;/Text&gt;&lt;Text&gt;"],
    ["]]>", "]]&gt;"],
    ["&amp;", "&amp;amp;"],
    ['"', "&quot;"],
    ["a\r\nb", "a&#xD;\nb"],
  ] as const) {
    assert.equal(escape(text), expected);
    assert.equal(toXml(shape, { Text: text }), `<Text>${expected}</Text>`);
  }
  assert.equal(element("A", "b", ' xmlns="c"'), '<A xmlns="c">b</A>');
});

test("escaped text has no markup, whatever it was", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      assert.doesNotMatch(escape(text), /[<>"\r]|&(?!amp;|lt;|gt;|quot;|#xD;)/);
    }),
  );
});

const services = [
  { name: "IAM", schemas: iam, Client: iam.IAMClient, pattern: /./ },
  {
    name: "EC2",
    schemas: ec2,
    Client: ec2.EC2Client,
    pattern: /Vpcs?$|Subnets?$|SecurityGroup|NetworkInterfaces?$|Tags$/,
  },
] as const;

for (const { name: service, schemas, Client, pattern } of services) {
  test(`an answer to an operation of ${service} is read by the SDK as it was given`, async () => {
    const connection = new FakeConnection();
    const client = new Client(connection.configuration);
    const send = client.send.bind(client) as unknown as (command: object) => Promise<object>;
    const names = operationNamesOf(schemas).filter((name) => pattern.test(name));
    assert.ok(names.length > 20);
    for (const name of names) {
      const { input, output } = operationShape(schemas, name)!;
      const Command = (schemas as unknown as Record<string, new (input: unknown) => object>)[
        `${name}Command`
      ]!;
      const values = valueOf(output, { neverEmpty: true, strings: visibleText });
      const [given] = fc.sample(valueOf(input, { neverEmpty: true }), 1);
      await fc.assert(
        fc.asyncProperty(values, async (value) => {
          const text = toXml(output, value);
          const body = service === "EC2" ? text : element(`${name}Result`, text);
          connection.answer = {
            status: 200,
            contentType: "text/xml",
            body: element(`${name}Response`, body),
          };
          const answer = (await send(new Command(given))) as { $metadata?: unknown };
          delete answer.$metadata;
          // Cloned, a Buffer is a Uint8Array, which the SDK makes of blobs.
          assert.deepEqual(answer, structuredClone(value), `${name}: ${body}`);
        }),
        { numRuns: 3 },
      );
    }
  });
}
