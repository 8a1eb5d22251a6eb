import assert from "node:assert/strict";
import { test } from "node:test";
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import { NormalizedSchema } from "@smithy/core/schema";
import * as fc from "fast-check";

import { decodedOrRefused, mutated, mutationLists } from "../testing.ts";
import { ApiError } from "./api-error.ts";
import { fromQuery, type QueryDialect, readSimple } from "./query.ts";
import { operationNamesOf, operationShape, type Shape } from "./shape.ts";
import { anyText, FakeConnection, valueOf } from "./testing.ts";

/** A structure in the notation that the SDK's clients carry their shapes in. */
function structure(members: Readonly<Record<string, unknown>>): Shape {
  const schema = [3, "com.example", "Input", 0, Object.keys(members), Object.values(members)];
  return NormalizedSchema.of(schema as unknown as Parameters<typeof NormalizedSchema.of>[0]);
}

const inner = [3, "com.example", "Inner", 0, ["Key", "Value"], [0, 0]];
const list = (item: unknown, traits: unknown = 0): unknown => [1, "com.example", "L", traits, item];
const map = (value: unknown, traits: unknown = 0): unknown => [
  2,
  "com.example",
  "M",
  traits,
  0,
  value,
];

const shape = structure({
  Text: 0,
  Count: 1,
  Flag: 2,
  When: 5,
  Bytes: 21,
  Names: list(0),
  Tags: list(inner),
  Items: list([0, { xmlName: "item" }]),
  Flat: list(0, { xmlFlattened: 1 }),
  Labels: map(1),
  FlatLabels: map(1, { xmlFlattened: 1 }),
  Inner: inner,
  Renamed: [0, { xmlName: "other" }],
});

function read(text: string, dialect: QueryDialect = "awsQuery", of: Shape = shape): unknown {
  return fromQuery(of, new Map(new URLSearchParams(text)), dialect);
}

test("every kind of member is read from the parameters that the awsQuery protocol gives it", () => {
  const cases: [string, object][] = [
    ["Text=a+b%26%C3%A9", { Text: "a b&é" }],
    ["Text=", { Text: "" }],
    ["Count=-7&Flag=true", { Count: -7, Flag: true }],
    ["Count=1.5e3&Flag=false", { Count: 1500, Flag: false }],
    ["When=2015-08-30T12%3A36%3A00Z", { When: new Date(1_440_938_160_000) }],
    ["When=1440938160.123", { When: new Date(1_440_938_160_123) }],
    ["Bytes=AQL%2F", { Bytes: Buffer.of(1, 2, 255) }],
    ["Names.member.1=a&Names.member.2=b", { Names: ["a", "b"] }],
    ["Names=", { Names: [] }],
    [
      "Tags.member.2.Key=k2&Tags.member.1.Key=k1&Tags.member.1.Value=v1",
      { Tags: [{ Key: "k1", Value: "v1" }, { Key: "k2" }] },
    ],
    ["Items.item.1=a", { Items: ["a"] }],
    ["Flat.1=a&Flat.2=b", { Flat: ["a", "b"] }],
    ["Labels.entry.1.key=a&Labels.entry.1.value=1", { Labels: { a: 1 } }],
    ["FlatLabels.1.key=a&FlatLabels.1.value=1", { FlatLabels: { a: 1 } }],
    ["Inner.Key=k", { Inner: { Key: "k" } }],
    ["other=x&Renamed=y", { Renamed: "x" }],
    ["Action=Do&Version=2010-05-08&Unknown.1=z", {}],
  ];
  for (const [text, expected] of cases) assert.deepEqual(read(text), expected, text);
});

test("every kind of member is read from the parameters that the ec2Query protocol gives it", () => {
  const ec2Shape = structure({
    plain: 0,
    Listed: [list([0, { xmlName: "item" }]), { xmlName: "listedItem" }],
    both: [0, { ec2QueryName: "Named", xmlName: "ignored" }],
    Nested: list(inner),
  });
  const cases: [string, object][] = [
    ["Plain=a", { plain: "a" }],
    ["ListedItem.1=a&ListedItem.2=b", { Listed: ["a", "b"] }],
    ["Named=a&Ignored=b", { both: "a" }],
    ["Nested.1.Key=a&Nested.2.Value=b", { Nested: [{ Key: "a" }, { Value: "b" }] }],
    ["plain=a&Listed.1=b", {}],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(read(text, "ec2Query", ec2Shape), expected, text);
  }
});

test("the examples of the EC2 and IAM references are read", () => {
  const describe = operationShape(ec2, "DescribeVpcs")!.input;
  const filters =
    "Action=DescribeVpcs&Filter.1.Name=dhcp-options-id&Filter.1.Value.1=dopt-7a8b9c2d" +
    "&Filter.1.Value.2=dopt-2b2a3d3c&Filter.2.Name=state&Filter.2.Value.1=available";
  assert.deepEqual(read(filters, "ec2Query", describe), {
    Filters: [
      { Name: "dhcp-options-id", Values: ["dopt-7a8b9c2d", "dopt-2b2a3d3c"] },
      { Name: "state", Values: ["available"] },
    ],
  });
  const tag = operationShape(iam, "TagRole")!.input;
  const tags =
    "Action=TagRole&Version=2010-05-08&RoleName=taggedrole" +
    "&Tags.member.1.Key=Dept&Tags.member.1.Value=Accounting" +
    "&Tags.member.2.Key=Cost%20Center&Tags.member.2.Value=12345";
  assert.deepEqual(read(tags, "awsQuery", tag), {
    RoleName: "taggedrole",
    Tags: [
      { Key: "Dept", Value: "Accounting" },
      { Key: "Cost Center", Value: "12345" },
    ],
  });
});

test("a list ends where its numbers have a gap, and its items are in their order", () => {
  assert.deepEqual(read("Flat.1=a&Flat.3=c"), { Flat: ["a"] });
  assert.deepEqual(read("Flat.0=z&Flat.01=y&Flat.-1=x"), { Flat: [] });
  const text = Array.from({ length: 12 }, (_, index) => `Flat.${12 - index}=${12 - index}`);
  const expected = Array.from({ length: 12 }, (_, index) => String(index + 1));
  assert.deepEqual(read(text.join("&")), { Flat: expected });
});

test("what isn't of the member's type is refused with the member's name", () => {
  const cases: [string, RegExp][] = [
    ["Count=", /^Count must/],
    ["Count=one", /^Count must/],
    ["Count=NaN", /^Count must/],
    ["Count=Infinity", /^Count must/],
    ["Count=1e999", /^Count must/],
    ["Count=0x10", /^Count must/],
    ["Count=+7", /^Count must/],
    ["Count=%2B7", /^Count must/],
    ["Count=%20", /^Count must/],
    ["Count=1%0A", /^Count must/],
    ["Flag=", /^Flag must/],
    ["Flag=True", /^Flag must/],
    ["Flag=1", /^Flag must/],
    ["When=soon", /^When must/],
    ["When=", /^When must/],
    ["When=99999999999999999999", /^When must/],
    ["Text.1=a", /^Text must/],
    ["Names.member.1.x=a", /^Names.1 must/],
    ["Labels.entry.1.key=a&Labels.entry.1.value=b", /^Labels.a must/],
    ["Inner.Key.x=a", /^Inner.Key must/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => read(text), { code: "SerializationException", message }, text);
  }
});

test("a map's key may be any text, and changes nothing but the map", () => {
  for (const key of ["__proto__", "constructor", "toString", ""]) {
    const text = `Labels.entry.1.key=${key}&Labels.entry.1.value=7`;
    const { Labels: labels } = read(text) as { Labels: object };
    assert.deepEqual(Object.entries(labels), [[key, 7]]);
    assert.equal(Object.getPrototypeOf(labels), Object.prototype);
  }
});

test("names that are nested deeper than any input, or oddly dotted, are no input", () => {
  const deep = "a.".repeat(1_000_000);
  const before = process.memoryUsage().heapUsed;
  assert.deepEqual(read(`Text.${deep}=1&${deep}=2&.=3&..Text=4&=5`), {});
  // One object a part would be hundreds of megabytes.
  assert.ok(process.memoryUsage().heapUsed - before < 100 * 1024 * 1024);
  assert.deepEqual(read("Text=a&Text.=b"), { Text: "a" });
});

test("a list of more items than any input has is cut at the limit", () => {
  const items = new Map<string, string>();
  for (let index = 1; index <= 20_000; index += 1) items.set(`Flat.${index}`, "x");
  const { Flat: flat } = fromQuery(shape, items, "awsQuery") as { Flat: string[] };
  assert.ok(flat.length <= 10_000);
});

const services = [
  { name: "IAM", schemas: iam, Client: iam.IAMClient, dialect: "awsQuery", pattern: /./ },
  {
    name: "EC2",
    schemas: ec2,
    Client: ec2.EC2Client,
    dialect: "ec2Query",
    pattern: /Vpcs?$|Subnets?$|SecurityGroup|NetworkInterfaces?$|Tags$/,
  },
] as const;

for (const { name: service, schemas, Client, dialect, pattern } of services) {
  test(`what the SDK sends for operations of ${service} is read as it was given`, async () => {
    const connection = new FakeConnection();
    connection.answer.contentType = "text/xml";
    connection.answer.body = "<Response/>";
    const client = new Client(connection.configuration);
    const send = client.send.bind(client) as unknown as (command: object) => Promise<unknown>;
    const names = operationNamesOf(schemas).filter((name) => pattern.test(name));
    assert.ok(names.length > 20);
    for (const name of names) {
      const { input } = operationShape(schemas, name)!;
      const Command = (schemas as unknown as Record<string, new (input: unknown) => object>)[
        `${name}Command`
      ]!;
      await fc.assert(
        fc.asyncProperty(valueOf(input, { neverEmpty: true }), async (given) => {
          await send(new Command(given));
          const text = connection.sent!.body.toString();
          assert.deepEqual(read(text, dialect, input), given, `${name}: ${text}`);
        }),
        { numRuns: 3 },
      );
    }
  });
}

test("damaged parameters are read or refused", () => {
  const text = Buffer.from(
    "Text=a&Count=1&Flag=true&When=2015-08-30T12%3A36%3A00Z&Names.member.1=a&Flat.1=b" +
      "&Tags.member.1.Key=k&Labels.entry.1.key=a&Labels.entry.1.value=1&Inner.Key=k",
  );
  fc.assert(
    fc.property(mutationLists, (mutations) => {
      const damaged = mutated(text, mutations).toString("latin1");
      decodedOrRefused(ApiError, () => read(damaged));
      decodedOrRefused(ApiError, () => read(damaged, "ec2Query"));
    }),
    { numRuns: 2000 },
  );
});

test("any text is a simple value or refused", () => {
  const kinds = [0, 1, 2, 4, 5, 21].map((kind) => NormalizedSchema.of(kind));
  fc.assert(
    fc.property(anyText, fc.constantFrom(...kinds), (text, kind) => {
      decodedOrRefused(ApiError, () => readSimple(kind, text, "Member"));
    }),
    { numRuns: 1000 },
  );
});
