import assert from "node:assert/strict";
import { test } from "node:test";

import { type AccessRequest, decide } from "./evaluate.ts";
import { MalformedPolicy, parsePolicy } from "./parse.ts";
import type { Principal } from "./principal.ts";

const accountId = "123456789012";
const role: Principal = {
  kind: "assumed-role",
  accountId,
  roleName: "task",
  roleArn: `arn:aws:iam::${accountId}:role/task`,
  sessionName: "s",
  userId: "AROAX:s",
  arn: `arn:aws:sts::${accountId}:assumed-role/task/s`,
};
const resource = `arn:aws:elasticfilesystem:us-east-1:${accountId}:file-system/fs-1`;
const mount: AccessRequest = {
  principal: role,
  action: "elasticfilesystem:ClientMount",
  resource,
  conditions: { "aws:securetransport": ["true"], "aws:sourceip": ["172.31.0.5"] },
};

function policy(...statements: object[]): ReturnType<typeof parsePolicy> {
  return parsePolicy(JSON.stringify({ Version: "2012-10-17", Statement: statements }));
}

test("a decision follows Deny, then any Allow, then nothing", () => {
  const allow = policy({ Effect: "Allow", Action: "elasticfilesystem:Client*", Resource: "*" });
  const deny = policy({ Effect: "Deny", Principal: "*", Action: "*", Resource: "*" });
  const insecure = policy({
    Effect: "Deny",
    Principal: { AWS: "*" },
    Action: "*",
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  });
  const byRole = policy({ Effect: "Allow", Principal: { AWS: role.roleArn }, Action: "*" });
  const byOther = policy({
    Effect: "Allow",
    Principal: { AWS: "arn:aws:iam::1:root" },
    Action: "*",
  });
  const cases: [string, Parameters<typeof decide>[1], boolean][] = [
    ["nothing", { identity: [], resource: undefined }, false],
    ["identity allows", { identity: [allow], resource: undefined }, true],
    ["resource denies", { identity: [allow], resource: deny }, false],
    ["condition not met", { identity: [allow], resource: insecure }, true],
    ["resource allows the role", { identity: [], resource: byRole }, true],
    ["resource allows another", { identity: [], resource: byOther }, false],
    ["session restricts", { identity: [allow], resource: undefined, session: [] }, false],
  ];
  for (const [name, policies, expected] of cases) {
    assert.equal(decide(mount, policies).allowed, expected, name);
  }
  const plain = { ...mount, conditions: { "aws:securetransport": ["false"] } };
  assert.equal(decide(plain, { identity: [allow], resource: insecure }).allowed, false);
});

test("condition operators compare as IAM's do", () => {
  const cases: [object, boolean][] = [
    [{ IpAddress: { "aws:SourceIp": "172.31.0.0/16" } }, true],
    [{ NotIpAddress: { "aws:SourceIp": ["10.0.0.0/8", "172.31.0.0/16"] } }, false],
    [{ StringLike: { "aws:sourceip": "172.*.5" } }, true],
    [{ StringNotEquals: { "aws:SourceIp": "172.31.0.5" } }, false],
    [{ StringEquals: { "no:such": "x" } }, false],
    [{ StringEqualsIfExists: { "no:such": "x" } }, true],
    [{ StringNotEquals: { "no:such": "x" } }, true],
    [{ Null: { "no:such": "true" } }, true],
  ];
  for (const [condition, expected] of cases) {
    const identity = [policy({ Effect: "Allow", Action: "*", Condition: condition })];
    const decision = decide(mount, { identity, resource: undefined });
    assert.equal(decision.allowed, expected, JSON.stringify(condition));
  }
});

test("a malformed policy says what is wrong", () => {
  const cases = [
    "not json",
    "[]",
    JSON.stringify({ Statement: [] }),
    JSON.stringify({ Statement: { Effect: "Maybe", Action: "*" } }),
    JSON.stringify({ Statement: { Effect: "Allow" } }),
    JSON.stringify({ Statement: { Effect: "Allow", Action: "*", Condition: { Foo: {} } } }),
    JSON.stringify({ Version: "2020-01-01", Statement: { Effect: "Allow", Action: "*" } }),
  ];
  for (const text of cases) assert.throws(() => parsePolicy(text), MalformedPolicy, text);
});
