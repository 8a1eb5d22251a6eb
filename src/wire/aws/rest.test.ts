import assert from "node:assert/strict";
import { test } from "node:test";
import * as efs from "@aws-sdk/client-efs";
import { NormalizedSchema } from "@smithy/core/schema";
import * as fc from "fast-check";

import { decodedOrRefused, mutated, mutationLists } from "../testing.ts";
import { ApiError } from "./api-error.ts";
import { fromRest, matchPath, restBody, type RestRequest } from "./rest.ts";
import { operationNamesOf, operationShape, type OperationShape } from "./shape.ts";
import { anyText, FakeConnection, type SentRequest, valueOf } from "./testing.ts";

const version = "/2015-02-01";

function operation(name: string): OperationShape {
  return operationShape(efs, name)!;
}

function request(
  given: Partial<Pick<SentRequest, "method" | "path" | "rawQuery">> = {},
  body = "",
) {
  const query = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(given.rawQuery)) {
    query.set(name, [...(query.get(name) ?? []), value]);
  }
  const { method = "GET", path = "/" } = given;
  return { method, path, query, headers: {}, body: Buffer.from(body) } satisfies RestRequest;
}

function read(name: string, asked: RestRequest): unknown {
  const labels = matchPath(operation(name), asked.method, asked.path);
  assert.ok(labels, `${name} is not at ${asked.method} ${asked.path}`);
  return fromRest(operation(name), labels, asked);
}

test("the examples of the EFS reference are read: labels, query and body", () => {
  const cases: [string, RestRequest, object][] = [
    [
      "CreateFileSystem",
      request(
        { method: "POST", path: `${version}/file-systems` },
        '{"CreationToken": "myFileSystem1", "PerformanceMode": "generalPurpose",' +
          ' "Encrypted": true, "Tags": [{"Key": "Name", "Value": "Test Group1"}]}',
      ),
      {
        CreationToken: "myFileSystem1",
        PerformanceMode: "generalPurpose",
        Encrypted: true,
        Tags: [{ Key: "Name", Value: "Test Group1" }],
      },
    ],
    [
      "DescribeFileSystems",
      request({ path: `${version}/file-systems`, rawQuery: "MaxItems=10&Marker=a%2Bb" }),
      { MaxItems: 10, Marker: "a+b" },
    ],
    [
      "DeleteMountTarget",
      request({ method: "DELETE", path: `${version}/mount-targets/fsmt-9a13661e` }),
      { MountTargetId: "fsmt-9a13661e" },
    ],
    [
      "UntagResource",
      request({
        method: "DELETE",
        path: `${version}/resource-tags/arn%3Aaws%3Aefs%2Ffs-1`,
        rawQuery: "tagKeys=a&tagKeys=b%20c",
      }),
      { ResourceId: "arn:aws:efs/fs-1", TagKeys: ["a", "b c"] },
    ],
  ];
  for (const [name, asked, expected] of cases) assert.deepEqual(read(name, asked), expected, name);
});

test("a path that isn't the operation's, or with another method, is not matched", () => {
  const deletion = operation("DeleteFileSystem");
  const found = matchPath(deletion, "DELETE", `${version}/file-systems/fs-1`);
  assert.deepEqual([...found!], [["FileSystemId", "fs-1"]]);
  for (const [method, path] of [
    ["GET", `${version}/file-systems/fs-1`],
    ["delete", `${version}/file-systems/fs-1`],
    ["DELETE", `${version}/file-systems`],
    ["DELETE", `${version}/file-systems/`],
    ["DELETE", `${version}/file-systems/fs-1/`],
    ["DELETE", `${version}/file-systems/fs-1/policy`],
    ["DELETE", `${version}/file-system/fs-1`],
    ["DELETE", `/file-systems/fs-1`],
    ["DELETE", `/${version}/file-systems/fs-1`],
    ["DELETE", ""],
  ] as const) {
    assert.equal(matchPath(deletion, method, path), undefined, `${method} ${path}`);
  }
});

test("a greedy label takes the rest of the path", () => {
  const unit = NormalizedSchema.of("unit");
  const greedy: OperationShape = {
    name: "Greedy",
    input: unit,
    output: unit,
    http: { method: "GET", path: "/a/{Rest+}", status: 200 },
  };
  assert.deepEqual([...matchPath(greedy, "GET", "/a/b/c%2Fd")!], [["Rest", "b/c/d"]]);
});

test("a label that isn't percent-encoded UTF-8 is refused", () => {
  for (const label of ["%", "%2", "%zz", "a%E9", "%C3%28", "%ED%A0%80", "%FF"]) {
    const path = `${version}/file-systems/${label}`;
    const match = (): unknown => matchPath(operation("DeleteFileSystem"), "DELETE", path);
    assert.throws(match, { code: "SerializationException", message: /^FileSystemId must/ }, label);
  }
});

test("a body that isn't an object is refused, and an empty one is an empty input", () => {
  const asked = { method: "POST", path: `${version}/file-systems` };
  for (const body of ["[]", "null", "1", '"token"', "true", '["token"]', "{", "\0"]) {
    const refused = { name: "ApiError", code: "SerializationException" };
    assert.throws(() => read("CreateFileSystem", request(asked, body)), refused, body);
  }
  assert.deepEqual(read("CreateFileSystem", request(asked)), {});
});

test("a number in the query that isn't one is refused", () => {
  for (const value of ["", "ten", "0x10", "%2010", "1e999", "Infinity", "NaN"]) {
    const asked = request({ path: `${version}/file-systems`, rawQuery: `MaxItems=${value}` });
    assert.throws(() => read("DescribeFileSystems", asked), { code: "SerializationException" });
  }
});

test("answers are JSON objects, or nothing where the operation answers nothing", () => {
  const described = { FileSystems: [], NextMarker: undefined };
  assert.equal(restBody(operation("DescribeFileSystems"), described), '{"FileSystems":[]}');
  assert.equal(restBody(operation("DescribeFileSystems"), undefined), "{}");
  assert.equal(restBody(operation("DeleteFileSystem"), undefined), "");
});

test("what the SDK sends for every EFS operation is read, and it reads our answers", async () => {
  const connection = new FakeConnection();
  const client = new efs.EFSClient(connection.configuration);
  const send = client.send.bind(client) as unknown as (command: object) => Promise<object>;
  const strings = anyText.filter((text) => text !== "" && text !== "." && text !== "..");
  for (const name of operationNamesOf(efs)) {
    const shape = operation(name);
    const Command = (efs as unknown as Record<string, new (input: unknown) => object>)[
      `${name}Command`
    ]!;
    const inputs = valueOf(shape.input, { neverEmpty: true, strings });
    const outputs = valueOf(shape.output);
    await fc.assert(
      fc.asyncProperty(inputs, outputs, async (input, output) => {
        const body = restBody(shape, output);
        connection.answer = { status: shape.http.status, contentType: "application/json", body };
        const answer = (await send(new Command(input))) as { $metadata?: unknown };
        const sent = connection.sent!;
        assert.deepEqual(read(name, request(sent, sent.body.toString())), input, name);
        delete answer.$metadata;
        assert.deepEqual(answer, output, name);
      }),
      { numRuns: 10 },
    );
  }
});

test("damaged requests are read, refused or no operation's", () => {
  const line = Buffer.from(`${version}/resource-tags/fs-1%2F%C3%A9`);
  const query = Buffer.from("tagKeys=a&MaxResults=7&NextToken=x%20");
  const body = Buffer.from('{"Tags": [{"Key": "k", "Value": "v"}], "FileSystemProtection": {}}');
  fc.assert(
    fc.property(mutationLists, fc.constantFrom(...operationNamesOf(efs)), (mutations, name) => {
      const shape = operation(name);
      const { method } = shape.http;
      const asked = request({ method, rawQuery: mutated(query, mutations).toString("latin1") });
      const given = { ...asked, body: mutated(body, mutations) };
      const path = mutated(line, mutations).toString("latin1");
      decodedOrRefused(ApiError, () => matchPath(shape, method, path));
      decodedOrRefused(ApiError, () => fromRest(shape, new Map(), given));
    }),
    { numRuns: 3000 },
  );
});
