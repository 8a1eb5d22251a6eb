// The real gateway on a clock that the test moves: a session lives for fifteen minutes at least.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { STS } from "@aws-sdk/client-sts";

import { FakeClock } from "../../src/base/fake-clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { SystemRandom } from "../../src/base/random.ts";
import { Gateway } from "../../src/cloud/gateway/gateway.ts";
import { IamService } from "../../src/cloud/iam/iam-service.ts";
import { IdentityStore } from "../../src/cloud/iam/identity-store.ts";
import { stsService } from "../../src/cloud/sts/sts-service.ts";
import { MemoryStore } from "../../src/store/memory/memory-store.ts";
import { trusting } from "../support/clients.ts";
import { errorOf, good, type Protocol, protocols } from "../support/protocols.ts";
import { sendRaw } from "../support/raw-request.ts";
import { serviceTables } from "../support/services.ts";

const accountId = "123456789012";
const region = "us-east-1";
const clock = new FakeClock(Date.now());
const random = new SystemRandom();
const identities = new IdentityStore({ store: new MemoryStore(), clock, random, accountId });
const { ecs, elasticfilesystem, ec2 } = serviceTables();
const gateway = new Gateway({
  services: [
    ecs!,
    elasticfilesystem!,
    ec2!,
    new IamService(identities, clock, accountId).service(),
    stsService(identities),
  ],
  identities,
  routes: {},
  durable: async () => {},
  clock,
  random,
  log: silentLog,
  region,
  accountId,
});
let endpoint = "";
before(async () => {
  endpoint = `http://127.0.0.1:${await gateway.listen("127.0.0.1", 0)}`;
});
after(() => gateway.close());

const expired: Record<Protocol, [code: string, status: number]> = {
  awsJson1_1: ["ExpiredTokenException", 400],
  restJson1: ["ExpiredTokenException", 403],
  awsQuery: ["ExpiredToken", 403],
  ec2Query: ["RequestExpired", 403],
};

test("a session is known to its last second, then every protocol says that it expired", async () => {
  const { accessKeyId, secretAccessKey } = identities.rootKey();
  const root = new STS({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  const service = new IamService(identities, clock, accountId).service();
  const call = {
    requestId: "",
    region,
    accountId,
    principal: { kind: "root", accountId } as const,
    accessKeyId,
    sourceAddress: "127.0.0.1",
    nowMs: clock.nowMs(),
  };
  const trust = trusting({ AWS: `arn:aws:iam::${accountId}:root` });
  await service.operations["CreateRole"]!.handle(
    { RoleName: "role", AssumeRolePolicyDocument: trust },
    call,
  );
  const { Credentials } = await root.assumeRole({
    RoleArn: `arn:aws:iam::${accountId}:role/role`,
    RoleSessionName: "test",
    DurationSeconds: 900,
  });
  const session = {
    endpoint,
    region,
    accessKeyId: Credentials!.AccessKeyId!,
    secretAccessKey: Credentials!.SecretAccessKey!,
  };
  const sessionToken = Credentials!.SessionToken!;
  const send = (protocol: Protocol) =>
    sendRaw(session, { ...good[protocol], sessionToken, atMs: clock.nowMs() });
  clock.advance(Credentials!.Expiration!.getTime() - clock.nowMs() - 1000);
  for (const protocol of protocols) {
    const { code } = errorOf(protocol, await send(protocol));
    assert.match(code, /^AccessDenied|^UnauthorizedOperation$/, "known, and without permissions");
  }
  clock.advance(1000);
  for (const protocol of protocols) {
    const answer = await send(protocol);
    const error = errorOf(protocol, answer);
    assert.deepEqual([error.code, answer.status], expired[protocol]);
    assert.equal(error.message, "The security token included in the request is expired");
  }
});
