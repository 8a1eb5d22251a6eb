import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import type { Service } from "../../src/cloud/contracts/service.ts";
import { operationNamesOf, operationShape } from "../../src/wire/aws/shape.ts";
import { Instance } from "../support/instance.ts";
import { type RawRequest, sendRaw } from "../support/raw-request.ts";
import { serviceTables } from "../support/services.ts";

/** What is known to be missing, by service. It may only shrink. */
const golden = JSON.parse(
  readFileSync(new URL("missing-operations.json", import.meta.url), "utf8"),
) as Record<string, string[]>;

const services = serviceTables();

let instance: Instance;
before(async () => {
  instance = await Instance.start();
});
after(() => instance?.end());

function missingFrom({ schemas, operations }: Service): string[] {
  return operationNamesOf(schemas)
    .filter((name) => !Object.hasOwn(operations, name))
    .sort();
}

test("the golden list names every service and nothing else", () => {
  assert.deepEqual(Object.keys(golden).sort(), Object.keys(services).sort());
});

for (const [prefix, service] of Object.entries(services)) {
  test(`${prefix}: no operation is missing that the golden list doesn't name`, () => {
    const known = new Set(golden[prefix]);
    const grown = missingFrom(service).filter((name) => !known.has(name));
    assert.deepEqual(grown, [], "operations may not disappear, nor come unseen with a new SDK");
  });

  test(`${prefix}: the golden list names no operation that is there or never was`, () => {
    const missing = new Set(missingFrom(service));
    const stale = (golden[prefix] ?? []).filter((name) => !missing.has(name));
    assert.deepEqual(stale, [], "take them out of missing-operations.json");
  });

  test(`${prefix}: every operation of the table is one of the SDK's`, () => {
    const known = new Set(operationNamesOf(service.schemas));
    const unknown = Object.keys(service.operations).filter((name) => !known.has(name));
    assert.deepEqual(unknown, []);
  });

  test(`${prefix}: a missing operation answers 501 with its name`, async (context) => {
    const [name] = missingFrom(service);
    if (name === undefined) return context.diagnostic(`${prefix} has every operation`);
    const answer = await sendRaw(instance.api().session, requestFor(service, name));
    assert.equal(answer.status, 501);
    assert.match(answer.body, new RegExp(`Mooring does not have ${prefix}:${name} yet\\.`));
  });
}

/** The least that says which operation is meant; nobody reads its input. */
function requestFor(service: Service, name: string): RawRequest {
  const { protocol, signingName } = service;
  switch (protocol.kind) {
    case "awsJson1_1":
      return {
        service: signingName,
        headers: { "x-amz-target": `${protocol.targetPrefix}.${name}` },
        body: "{}",
      };
    case "restJson1": {
      const { method, path } = operationShape(service.schemas, name)!.http;
      return { service: signingName, method, target: path.replaceAll(/\{\w+\}/g, "fs-01234567") };
    }
    case "awsQuery":
    case "ec2Query":
      return {
        service: signingName,
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ Action: name, Version: protocol.version }).toString(),
      };
  }
}
