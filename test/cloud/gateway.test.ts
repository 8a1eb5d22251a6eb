// What no SDK would send: the answers have the shape and the codes that SDKs read (facts §4.2),
// and the server goes on answering.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, afterEach, before, test } from "node:test";

import { fails } from "../support/api-failure.ts";
import { Clients } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";
import { ecsTarget, errorOf, good, json, type Protocol, protocols } from "../support/protocols.ts";
import { type RawAnswer, type RawRequest, sendRaw, signedHeaders } from "../support/raw-request.ts";

let instance: Instance;
let root: Clients;

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
});
after(() => instance?.end());

afterEach(async () => {
  const { Arn } = await root.sts.getCallerIdentity({});
  assert.equal(Arn, "arn:aws:iam::123456789012:root", "the server goes on answering");
});

const send = (request: RawRequest): Promise<RawAnswer> => sendRaw(root.session, request);

const minuteMs = 60_000;
const wrongSecret = { secretAccessKey: "x".repeat(40) };
const signatures = ["InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"] as const;
const [jsonSignature, querySignature, ec2Signature] = signatures;
const unknownKeys = ["UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"] as const;
const missingTokens = ["MissingAuthenticationTokenException", "MissingAuthenticationToken"];

/** What is wrong with the request, with the code for JSON, for IAM and for EC2. */
const unauthentic: Record<
  string,
  { change: () => Partial<RawRequest>; codes: readonly [string, string, string]; message: RegExp }
> = {
  "a signature by another secret": {
    change: () => wrongSecret,
    codes: [jsonSignature, querySignature, ec2Signature],
    message: /does not match the signature you provided/,
  },
  "an unknown access key": {
    change: () => ({ accessKeyId: "AKIAAAAAAAAAAAAAAAAA" }),
    codes: unknownKeys,
    message: /^The security token included in the request is invalid\.$/,
  },
  "a session token with a key that has none": {
    change: () => ({ sessionToken: "token" }),
    codes: unknownKeys,
    message: /^The security token included in the request is invalid\.$/,
  },
  "a clock 16 minutes slow": {
    change: () => ({ atMs: Date.now() - 16 * minuteMs }),
    codes: [jsonSignature, querySignature, ec2Signature],
    message: /^Signature expired or not yet current; it is \d{4}-/,
  },
  "a clock 16 minutes fast": {
    change: () => ({ atMs: Date.now() + 16 * minuteMs }),
    codes: [jsonSignature, querySignature, ec2Signature],
    message: /^Signature expired or not yet current; it is \d{4}-/,
  },
  "another region": {
    change: () => ({ region: "eu-west-1" }),
    codes: [jsonSignature, querySignature, ec2Signature],
    message: /scoped to a valid region, this is us-east-1\.$/,
  },
  "no signature": {
    change: () => ({ authorization: null }),
    codes: [missingTokens[0]!, missingTokens[1]!, missingTokens[1]!],
    message: /^Missing Authentication Token/,
  },
  "an authorization that is no signature": {
    change: () => ({ authorization: "Basic cm9vdDpyb290" }),
    codes: [jsonSignature, querySignature, ec2Signature],
    message: /AWS4-HMAC-SHA256/,
  },
};
const places = { awsJson1_1: 0, restJson1: 0, awsQuery: 1, ec2Query: 2 } as const;

for (const protocol of protocols) {
  test(`${protocol}: a good request is answered`, async () => {
    const { status } = await send(good[protocol]);
    assert.equal(status, 200);
  });

  for (const [what, { change, codes, message }] of Object.entries(unauthentic)) {
    test(`${protocol}: ${what} is refused`, async () => {
      const answer = await send({ ...good[protocol], ...change() });
      const error = errorOf(protocol, answer);
      const code = codes[places[protocol]];
      assert.equal(error.code, code);
      assert.match(error.message, message);
      const isUnauthorized = code === "AuthFailure";
      const status = protocol === "awsJson1_1" ? 400 : isUnauthorized ? 401 : 403;
      assert.equal(answer.status, status);
    });
  }

  test(`${protocol}: a body or a query that was changed on the way is refused`, async () => {
    const request: RawRequest = good[protocol];
    const { authorization = "", ...headers } = signedHeaders(root.session, request);
    const changed =
      request.body === undefined
        ? { target: `${request.target}0` }
        : { body: `${request.body.toString()} ` };
    const answer = await send({ ...request, ...changed, headers, authorization });
    assert.equal(errorOf(protocol, answer).code, signatures[places[protocol]]);
  });
}

const serialization = "SerializationException";
const malformed: Record<string, [Protocol, Partial<RawRequest>, string, (RegExp | undefined)?]> = {
  "a body that isn't JSON": [
    "awsJson1_1",
    { body: '{"clusters":' },
    serialization,
    /not valid JSON/,
  ],
  "a JSON list for an object": ["awsJson1_1", { body: "[1]" }, serialization],
  "a number for a string": [
    "awsJson1_1",
    { headers: ecsTarget("CreateCluster"), body: '{"clusterName":7}' },
    serialization,
    /^clusterName must be a string$/,
  ],
  "a string for a list": [
    "awsJson1_1",
    { headers: ecsTarget("DescribeClusters"), body: '{"clusters":"default"}' },
    serialization,
    /^clusters must be a list$/,
  ],
  "an object for a string in a list": [
    "awsJson1_1",
    { headers: ecsTarget("DescribeClusters"), body: '{"clusters":[{}]}' },
    serialization,
    /^clusters\.1 must be a string$/,
  ],
  "a string for a number": [
    "awsJson1_1",
    { headers: ecsTarget("RunTask"), body: '{"taskDefinition":"a","count":"1"}' },
    serialization,
    /^count must be a number$/,
  ],
  "JSON in twenty thousand lists": [
    "awsJson1_1",
    { body: "[".repeat(20_000) + "]".repeat(20_000) },
    serialization,
  ],
  "null for the input": ["awsJson1_1", { body: "null" }, serialization],
  "null in a list": [
    "awsJson1_1",
    { headers: ecsTarget("DescribeClusters"), body: '{"clusters":[null]}' },
    serialization,
    /^clusters\.1 /,
  ],
  "no target": ["awsJson1_1", { headers: json }, "UnknownOperationException"],
  "another service's target": [
    "awsJson1_1",
    { headers: { ...json, "x-amz-target": "Logs_20140328.DescribeLogGroups" } },
    "UnknownOperationException",
  ],
  "a REST body that isn't JSON": [
    "restJson1",
    { method: "POST", target: "/2015-02-01/file-systems", body: "{" },
    serialization,
  ],
  "a REST body that is a list": [
    "restJson1",
    { method: "POST", target: "/2015-02-01/file-systems", body: "[]" },
    serialization,
  ],
  "a REST member of the wrong type": [
    "restJson1",
    { method: "POST", target: "/2015-02-01/file-systems", body: '{"Encrypted":"yes"}' },
    serialization,
    /^Encrypted must be a boolean$/,
  ],
  "a query parameter that isn't a number": [
    "restJson1",
    { target: "/2015-02-01/file-systems?MaxItems=many" },
    serialization,
  ],
  "a path whose percent signs say nothing": [
    "restJson1",
    { target: "/2015-02-01/file-systems/%ZZ/policy" },
    serialization,
  ],
  "a query body cut off in the action": [
    "awsQuery",
    { body: "Action=ListRo" },
    "InvalidAction",
    /^The action ListRo is not valid for this endpoint\.$/,
  ],
  "an empty query body": ["awsQuery", { body: "" }, "InvalidAction"],
  "a query body cut off in a name": [
    "awsQuery",
    { body: "Action=GetRole&Version=2010-05-08&RoleNa" },
    "NoSuchEntity",
  ],
  "a query body cut off in a percent sign": [
    "awsQuery",
    { body: "Action=GetRole&Version=2010-05-08&RoleName=%E" },
    "NoSuchEntity",
  ],
  "a query body with a number that is none": [
    "awsQuery",
    { body: "Action=ListRoles&Version=2010-05-08&MaxItems=many" },
    serialization,
  ],
  "a query body whose list is a text": [
    "awsQuery",
    { body: "Action=TagRole&Version=2010-05-08&RoleName=a&Tags.member.1=b" },
    "NoSuchEntity",
  ],
  "an EC2 body with a boolean that is none": [
    "ec2Query",
    { body: "Action=DescribeVpcs&Version=2016-11-15&DryRun=perhaps" },
    serialization,
    /^DryRun must be true or false$/,
  ],
  "an EC2 body cut off in a filter": [
    "ec2Query",
    { body: "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Nam" },
    "InvalidParameterValue",
  ],
};
for (const [what, [protocol, change, code, message]] of Object.entries(malformed)) {
  test(`${protocol}: ${what} is ${code}`, async () => {
    const answer = await send({ ...good[protocol], ...change });
    const error = errorOf(protocol, answer);
    assert.equal(error.code, code);
    if (message !== undefined) assert.match(error.message, message);
    assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
  });
}

test("a body larger than 4 MiB is refused with 413", async () => {
  for (const size of [4 * 1024 * 1024 + 1, 16 * 1024 * 1024]) {
    const answer = await send({ ...good.awsJson1_1, body: Buffer.alloc(size, " ") });
    assert.equal(answer.status, 413);
    assert.match(answer.body, /The body is larger than 4194304 bytes\./);
  }
});

test("a body of 4 MiB is read", async () => {
  const body = Buffer.alloc(4 * 1024 * 1024, " ");
  body.write("{}");
  const answer = await send({ ...good.awsJson1_1, body });
  assert.equal(answer.status, 200);
});

test("an operation that AWS has and Mooring doesn't is 501 with its name, for each SDK", async () => {
  const missing: [Promise<unknown>, string, RegExp][] = [
    [root.ecs.listServices({}), "UnknownOperationException", /ecs:ListServices yet/],
    [
      root.efs.describeAccountPreferences({}),
      "InvalidAction",
      /elasticfilesystem:DescribeAccountPreferences yet/,
    ],
    [root.iam.listGroups({}), "InvalidAction", /iam:ListGroups yet/],
    [root.ec2.describeInstances({}), "InvalidAction", /ec2:DescribeInstances yet/],
  ];
  for (const [call, code, message] of missing) {
    await fails(call, { code, status: 501, message });
  }
});

test("an operation that nobody has is told apart from one that Mooring lacks", async () => {
  const unknown: [Protocol, Partial<RawRequest>, string, number][] = [
    ["awsJson1_1", { headers: ecsTarget("Frobnicate") }, "UnknownOperationException", 400],
    ["restJson1", { target: "/2015-02-01/frobs" }, "UnknownOperationException", 404],
    ["awsQuery", { body: "Action=Frobnicate" }, "InvalidAction", 400],
    ["ec2Query", { body: "Action=constructor" }, "InvalidAction", 400],
  ];
  for (const [protocol, change, code, status] of unknown) {
    const answer = await send({ ...good[protocol], ...change });
    assert.equal(errorOf(protocol, answer).code, code);
    assert.equal(answer.status, status);
  }
});

test("a service that Mooring lacks is 501 with its name", async () => {
  const answer = await send({ service: "s3", method: "GET", target: "/bucket" });
  assert.equal(answer.status, 501);
  assert.equal(answer.headers.get("x-amzn-errortype"), "UnknownService");
  assert.match(answer.body, /Mooring does not have the service \\"s3\\"/);
});

test("a request that says nothing about itself is 403", async () => {
  const answer = await send({ service: "none", target: "/anything", authorization: null });
  assert.equal(answer.status, 403);
  assert.equal(answer.headers.get("x-amzn-errortype"), "MissingAuthenticationTokenException");
});

test("health and the CA's certificate need no signature", async () => {
  const health = await fetch(`${instance.endpoint}/_mooring/health`);
  assert.deepEqual(await health.json(), { status: "ok" });
  const certificate = await fetch(`${instance.endpoint}/_mooring/ca.pem`);
  assert.match(await certificate.text(), /^-----BEGIN CERTIFICATE-----/);
});

const brokenOff: Record<string, string> = {
  "what isn't HTTP": "\u0016\u0003\u0001\0\u0005hello\r\n\r\n",
  "half a request line": "POST / HT",
  "a body shorter than it says": "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{}",
  "a length that is none": "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
  "headers without an end": `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(100_000)}`,
};
for (const [what, text] of Object.entries(brokenOff)) {
  test(`${what}, then the end of the connection`, async () => {
    const { hostname, port } = new URL(instance.endpoint);
    const socket = connect(Number(port), hostname);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    // A reset is as good an answer as any to that.
    socket.on("error", () => {});
    socket.resume();
    socket.end(text, "latin1");
    await closed;
  });
}
