import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import * as ecs from "@aws-sdk/client-ecs";
import * as efs from "@aws-sdk/client-efs";
import * as fc from "fast-check";

import { mutated, mutationLists } from "../testing.ts";
import {
  parseAmzDate,
  parseAuthorization,
  signatureMatches,
  signatureOf,
  type SignedRequest,
} from "./sigv4.ts";
import { anyText, FakeConnection } from "./testing.ts";

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const form = "application/x-www-form-urlencoded";
const formBody = "Param1=value1";
const formHeaders = {
  "content-length": "13",
  "x-amz-content-sha256": "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
};
const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const shortToken = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const longToken =
  "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf" +
  "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ" +
  "0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDr" +
  "ypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

interface Vector {
  readonly name: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signature: string;
}

/** AWS's Signature Version 4 test suite: the requests with normalized paths, signed in headers. */
const vectors: readonly Vector[] = [
  {
    name: "get-vanilla",
    target: "GET /",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-vanilla-empty-query-key",
    target: "GET /?Param1=value1",
    signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
  },
  {
    name: "get-vanilla-query-order-key-case",
    target: "GET /?Param2=value2&Param1=value1",
    signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  },
  {
    name: "get-vanilla-query-order-encoded",
    target: "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
    signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
  },
  {
    name: "get-vanilla-query-unreserved",
    target: `GET /?${unreserved}=${unreserved}`,
    signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
  },
  {
    name: "get-vanilla-utf8-query",
    target: "GET /?ሴ=bar",
    signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
  },
  {
    name: "get-vanilla-with-session-token",
    target: "GET /",
    headers: { "x-amz-security-token": shortToken },
    signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
  },
  {
    name: "get-unreserved",
    target: `GET /${unreserved}`,
    signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
  },
  {
    name: "get-utf8",
    target: "GET /ሴ",
    signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
  },
  {
    name: "get-space-normalized",
    target: "GET /example space/",
    signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
  },
  {
    name: "get-relative-normalized",
    target: "GET /example/..",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-relative-relative-normalized",
    target: "GET /example1/example2/../..",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-slash-normalized",
    target: "GET //",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-slash-dot-slash-normalized",
    target: "GET /./",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-slash-pointless-dot-normalized",
    target: "GET /./example",
    signature: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
  },
  {
    name: "get-slashes-normalized",
    target: "GET //example//",
    signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
  },
  {
    name: "get-header-key-duplicate",
    target: "GET /",
    headers: { "my-header1": "value2,value2,value1" },
    signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
  },
  {
    name: "get-header-value-multiline",
    target: "GET /",
    headers: { "my-header1": "value1\n  value2\n     value3" },
    signature: "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
  },
  {
    name: "get-header-value-order",
    target: "GET /",
    headers: { "my-header1": "value4,value1,value3,value2" },
    signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
  },
  {
    name: "get-header-value-trim",
    target: "GET /",
    headers: { "my-header1": " value1", "my-header2": ' "a   b   c"' },
    signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
  },
  {
    name: "post-vanilla",
    target: "POST /",
    signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
  },
  {
    name: "post-vanilla-query",
    target: "POST /?Param1=value1",
    signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
  },
  {
    name: "post-header-key-sort",
    target: "POST /",
    headers: { "my-header1": "value1" },
    signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
  },
  {
    name: "post-header-value-case",
    target: "POST /",
    headers: { "my-header1": "VALUE1" },
    signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
  },
  {
    name: "post-sts-header-before",
    target: "POST /",
    headers: { "x-amz-security-token": longToken },
    signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
  },
  {
    name: "post-x-www-form-urlencoded",
    target: "POST /",
    headers: { ...formHeaders, "content-type": form },
    body: formBody,
    signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
  },
  {
    name: "post-x-www-form-urlencoded-parameters",
    target: "POST /",
    headers: { ...formHeaders, "content-type": `${form}; charset=utf-8` },
    body: formBody,
    signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
  },
];

/** A vector as the server gets it, with the header that goes with it. */
function received(vector: Vector): { request: SignedRequest; authorization: string } {
  const [, method, path, query] = /^(\S+) ([^?]*)\??(.*)$/.exec(vector.target)!;
  const headers: Record<string, string> = {
    host: "example.amazonaws.com",
    "x-amz-date": "20150830T123600Z",
    ...vector.headers,
  };
  const names = Object.keys(headers).sort().join(";");
  const credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${credential}, ` +
    `SignedHeaders=${names}, Signature=${vector.signature}`;
  const body = Buffer.from(vector.body ?? "");
  return { request: { method: method!, path: path!, query: query!, headers, body }, authorization };
}

const vanilla = received(vectors[0]!);

for (const vector of vectors) {
  test(`AWS's test suite, ${vector.name}: the published signature is ours`, () => {
    const { request, authorization } = received(vector);
    const parsed = parseAuthorization(authorization)!;
    assert.equal(signatureOf(request, parsed, secret), vector.signature);
    assert.ok(signatureMatches(request, parsed, secret));
    assert.equal(signatureMatches(request, parsed, `${secret}x`), false);
  });
}

test("an Authorization header is taken apart", () => {
  assert.deepEqual(parseAuthorization(vanilla.authorization), {
    accessKeyId: "AKIDEXAMPLE",
    date: "20150830",
    region: "us-east-1",
    service: "service",
    signedHeaders: ["host", "x-amz-date"],
    signature: vectors[0]!.signature,
  });
  const tight = ` ${vanilla.authorization.replaceAll(", ", ",")} `;
  assert.deepEqual(parseAuthorization(tight), parseAuthorization(vanilla.authorization));
});

test("a header that isn't of this scheme is no authorization", () => {
  const whole = vanilla.authorization;
  const cases = [
    "",
    "Basic dXNlcjpwYXNz",
    whole.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
    whole.replace("aws4_request", "aws3_request"),
    whole.replace("20150830/", "2015083/"),
    whole.replace("us-east-1/", ""),
    whole.replace("AKIDEXAMPLE", ""),
    whole.replace("SignedHeaders=host;x-amz-date", "SignedHeaders="),
    whole.replace("5fa00", "5FA00"),
    whole.replace("5fa00", "5fa0"),
    `${whole}0`,
    `${whole}, Extra=1`,
  ];
  for (const header of cases) assert.equal(parseAuthorization(header), undefined, header);
  for (let length = 0; length < whole.length; length += 1) {
    assert.equal(parseAuthorization(whole.slice(0, length)), undefined, `${length}`);
  }
});

test("a request that was changed in anything that is signed doesn't match", () => {
  const { request, authorization } = received(vectors.at(-1)!);
  const parsed = parseAuthorization(authorization)!;
  const changes: [string, Partial<SignedRequest>][] = [
    ["method", { method: "PUT" }],
    ["path", { path: "/other" }],
    ["query", { query: "a=b" }],
    ["body", { body: Buffer.from("Param1=value2") }],
    ["a signed header", { headers: { ...request.headers, host: "other.amazonaws.com" } }],
    ["a missing signed header", { headers: { ...request.headers, host: undefined } }],
    ["time", { headers: { ...request.headers, "x-amz-date": "20150830T123601Z" } }],
    ["no time", { headers: { ...request.headers, "x-amz-date": undefined } }],
  ];
  assert.ok(signatureMatches(request, parsed, secret));
  for (const [what, change] of changes) {
    assert.equal(signatureMatches({ ...request, ...change }, parsed, secret), false, what);
  }
  for (const change of [
    { date: "20150831" },
    { region: "us-east-2" },
    { service: "iam" },
    { signedHeaders: ["host", "x-amz-date"] },
    { signature: "0".repeat(64) },
  ]) {
    assert.equal(signatureMatches(request, { ...parsed, ...change }, secret), false);
  }
});

test("a signing key of another day doesn't sign today's requests", () => {
  const parsed = { ...parseAuthorization(vanilla.authorization)!, date: "20150829" };
  const signature = signatureOf(vanilla.request, parsed, secret);
  assert.equal(signatureMatches(vanilla.request, { ...parsed, signature }, secret), false);
});

test("X-Amz-Date is read to the second, and nothing else is a date", () => {
  assert.equal(parseAmzDate("20150830T123600Z"), Date.UTC(2015, 7, 30, 12, 36, 0));
  for (const text of [
    undefined,
    "",
    "20150830",
    "20150830T123600",
    "20150830T1236Z",
    "2015-08-30T12:36:00Z",
    "20150830T123600Z ",
    "Sun, 30 Aug 2015 12:36:00 GMT",
  ]) {
    assert.equal(parseAmzDate(text), undefined, String(text));
  }
});

test("what the SDK signs matches, whatever the labels, query and body", async () => {
  const connection = new FakeConnection();
  const { secretAccessKey } = connection.configuration.credentials;
  const inFiles = new efs.EFSClient(connection.configuration);
  const inTasks = new ecs.ECSClient(connection.configuration);
  const matches = (): boolean => {
    const { rawQuery, ...sent } = connection.sent!;
    const parsed = parseAuthorization(sent.headers["authorization"]!);
    return (
      parsed !== undefined &&
      signatureMatches({ ...sent, query: rawQuery }, parsed, secretAccessKey)
    );
  };
  const labels = anyText.filter((text) => text !== "" && text !== "." && text !== "..");
  connection.answer.body = "{}";
  connection.answer.contentType = "application/json";
  await fc.assert(
    fc.asyncProperty(labels, fc.array(labels, { minLength: 1 }), async (id, keys) => {
      await inFiles.send(new efs.UntagResourceCommand({ ResourceId: id, TagKeys: keys }));
      assert.ok(matches(), "EFS");
      await inTasks.send(new ecs.UntagResourceCommand({ resourceArn: id, tagKeys: keys }));
      assert.ok(matches(), "ECS");
    }),
    { numRuns: 200 },
  );
});

test("damaged requests neither match nor fail", () => {
  const target = Buffer.from("/a/%2e/b%20c?x=1&y=%E1%88%B4&z");
  const vanillaParsed = parseAuthorization(vanilla.authorization)!;
  const { accessKeyId } = vanillaParsed;
  const original = signatureOf(
    { ...vanilla.request, path: "/a/%2e/b%20c", query: "x=1&y=%E1%88%B4&z" },
    vanillaParsed,
    secret,
  );
  fc.assert(
    fc.property(mutationLists, (mutations) => {
      const header = mutated(Buffer.from(vanilla.authorization), mutations).toString("latin1");
      const parsed = parseAuthorization(header);
      const [path = "", query = ""] = mutated(target, mutations).toString("latin1").split("?", 2);
      const request = { ...vanilla.request, path, query };
      const authorization = { ...vanillaParsed, signature: original };
      signatureMatches(request, authorization, secret);
      if (parsed !== undefined) {
        // The key's id isn't signed: it says which secret is tried.
        const isSame = isDeepStrictEqual({ ...parsed, accessKeyId }, vanillaParsed);
        assert.equal(signatureMatches(vanilla.request, parsed, secret), isSame, header);
      }
    }),
    { numRuns: 2000 },
  );
});

test("long headers are read in time that grows with their length alone", () => {
  for (const part of [" ", "a", "/", ",", ", "]) {
    const long = part.repeat(200_000);
    for (const header of [
      `AWS4-HMAC-SHA256${long}`,
      `AWS4-HMAC-SHA256 Credential=${long}`,
      `AWS4-HMAC-SHA256 Credential=a/20150830/b/c/aws4_request,${long}`,
      `AWS4-HMAC-SHA256 Credential=a/20150830/b/c/aws4_request, SignedHeaders=${long}`,
      `${vanilla.authorization}${long}x`,
    ]) {
      assert.equal(parseAuthorization(header), undefined);
    }
  }
});
