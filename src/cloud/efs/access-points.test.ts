import assert from "node:assert/strict";
import { test } from "node:test";

import { SeededRandom } from "../../base/random.ts";
import { MemoryStore } from "../../store/memory/memory-store.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { VpcNetwork } from "../ec2/vpc-network.ts";
import type { Call } from "../contracts/service.ts";
import { accessPointOperations } from "./access-point-operations.ts";
import { AccessPoints } from "./access-points.ts";
import { FileSystems } from "./file-systems.ts";
import type { AccessPointRecord } from "./records.ts";

const region = "us-east-1";
const accountId = "123456789012";

const record = (number: number, fileSystemId = "fs-1"): AccessPointRecord => ({
  accessPointId: `fsap-${String(number).padStart(17, "0")}`,
  fileSystemId,
  clientToken: `token ${number}`,
  createdAtMs: number,
  path: "/",
  tags: [],
});

function filled(store: MemoryStore, count: number): AccessPoints {
  const points = new AccessPoints(store);
  for (let number = 0; number < count; number += 1) points.put(record(number));
  return points;
}

test("access points: 10,000 are in pages, each once, in the order of their ids", () => {
  const points = filled(new MemoryStore(), 10_000);
  points.put(record(10_000, "fs-2"));
  const found: string[] = [];
  let token: string | undefined;
  do {
    const page = points.page("fs-1", token, 999);
    found.push(...page.items.map(({ accessPointId }) => accessPointId));
    token = page.next;
  } while (token !== undefined);
  assert.deepEqual(found, points.idsOf("fs-1"));
  assert.equal(found.length, 10_000);
  assert.equal(points.idsOf().length, 10_001);
});

test("access points: pages neither lose nor repeat one where others come and go", () => {
  const points = filled(new MemoryStore(), 10);
  const first = points.page("fs-1", undefined, 5);
  points.remove(first.items[0]!.accessPointId);
  points.remove(record(5).accessPointId);
  points.put({ ...record(0), clientToken: "new" });
  const second = points.page("fs-1", first.next, 5);
  assert.deepEqual(
    second.items.map(({ createdAtMs }) => createdAtMs),
    [6, 7, 8, 9],
  );
  assert.equal(second.next, undefined);
});

test("access points: a token that no page gave is refused", () => {
  const points = filled(new MemoryStore(), 1);
  assert.throws(() => points.page("fs-1", "nonsense", 5), ApiError);
});

test("CreateAccessPoint: a file system has 10,000 at most", () => {
  const store = new MemoryStore();
  const random = new SeededRandom(1);
  const opener = { open: () => assert.fail(), remove: () => Promise.resolve() };
  const fileSystems = new FileSystems(store, opener);
  fileSystems.fileSystems.put("fs-1", {
    fileSystemId: "fs-1",
    creationToken: "token",
    createdAtMs: 0,
    encrypted: false,
    performanceMode: "generalPurpose",
    throughputMode: "elastic",
    tags: [],
  });
  const network = new VpcNetwork({ store, random, region, cidrBlock: "127.0.0.0/16" });
  const { CreateAccessPoint } = accessPointOperations({ fileSystems, network, random });
  const create = (): unknown =>
    CreateAccessPoint!.handle({ FileSystemId: "fs-1" }, { region, accountId, nowMs: 0 } as Call);
  for (let number = 1; number < 10_000; number += 1) fileSystems.accessPoints.put(record(number));
  create();
  assert.throws(create, { code: "AccessPointLimitExceeded" });
  fileSystems.accessPoints.remove(record(7).accessPointId);
  create();
});

test("access points: those in the store are found by everything after a restart", () => {
  const store = new MemoryStore();
  filled(store, 3).remove(record(1).accessPointId);
  const points = new AccessPoints(store);
  assert.deepEqual(points.idsOf("fs-1"), [record(0).accessPointId, record(2).accessPointId]);
  assert.equal(points.countOf("fs-1"), 2);
  assert.equal(points.madeWith("token 2"), record(2).accessPointId);
  assert.equal(points.madeWith("token 1"), undefined);
});
