import assert from "node:assert/strict";
import { test } from "node:test";
import type { Task } from "@aws-sdk/client-ecs";

import { explain, type KnownConnection } from "./explain.ts";

const prefix =
  "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: ";
const roleArn = "arn:aws:iam::123456789012:role/app";

test("each known reason leads to its cause and a fix", () => {
  const cases: [string, Partial<KnownConnection>, RegExp, RegExp][] = [
    [
      `${prefix}b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'`,
      { reason: "no policy that allows elasticfilesystem:ClientMount on fs-1" },
      /ClientMount/,
      /role\/app/,
    ],
    [
      `${prefix}b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'`,
      { reason: "the access point fsap-1 does not exist" },
      /fsap-1/,
      /authorizationConfig/,
    ],
    [
      `${prefix}b'mount.nfs4: Connection timed out'`,
      { blocked: { direction: "ingress", securityGroupIds: ["sg-1"] } },
      /no inbound rule of sg-1/,
      /2049/,
    ],
    [
      `${prefix}b'mount.nfs4: mounting 127.0.0.1:/x failed, reason given by server: No such file or directory'`,
      {},
      /\/x/,
      /make \/x/,
    ],
    [`${prefix}Failed to resolve "fs-1.efs.us-east-1" - check`, {}, /us-east-1b/, /create one/],
    ["CannotPullContainerError: … failed to resolve ref app:1: not found", {}, /app:1/, /tag/],
  ];
  for (const [stoppedReason, connection, cause, fix] of cases) {
    const found = explain({
      task: task(stoppedReason),
      definition: { taskRoleArn: roleArn, containerDefinitions: [] },
      connections: [known({ ...connection })],
    });
    assert.match(found?.cause ?? "", cause);
    assert.match(found?.fix ?? "", fix);
  }
});

test("connections of other tasks, or of before, are not this task's cause", () => {
  const stoppedReason = `${prefix}b'mount.nfs4: Connection timed out'`;
  const blocked = { direction: "ingress", securityGroupIds: ["sg-1"] };
  for (const other of [{ sourceAddress: "10.0.0.9" }, { atMs: 1 }]) {
    const connections = [known({ blocked, ...other })];
    const found = explain({ task: task(stoppedReason), definition: {}, connections });
    assert.doesNotMatch(found?.cause ?? "", /sg-1/);
  }
});

test("a running task needs no explanation", () => {
  const facts = { task: { lastStatus: "RUNNING" }, definition: {}, connections: [] };
  assert.equal(explain(facts), undefined);
});

function task(stoppedReason: string): Task {
  return {
    lastStatus: "STOPPED",
    stopCode: "TaskFailedToStart",
    stoppedReason,
    availabilityZone: "us-east-1b",
    createdAt: new Date(1000),
    attachments: [{ details: [{ name: "privateIPv4Address", value: "10.0.0.5" }] }],
  };
}

function known(fields: Partial<KnownConnection>): KnownConnection {
  return {
    atMs: 2000,
    sourceAddress: "10.0.0.5",
    mountTargetAddress: "10.0.0.4",
    fileSystemId: "fs-1",
    principal: roleArn,
    ...fields,
  };
}
