// Stateids: sequence numbers, ends and tests of them (RFC 8881 §8.2, §18.2, §18.18, §18.38,
// §18.48).
import assert from "node:assert/strict";
import { test } from "node:test";

import { LockType, ShareAccess } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import {
  anonymousStateid,
  bypassStateid,
  currentStateid,
  type Stateid,
} from "../../wire/nfs4/stateid.ts";
import { nameOf, type RawSession, TestServer } from "./testing/raw-client.ts";
import { close, downgrade, open } from "./testing/raw-opens.ts";
import {
  freeStateid,
  lock,
  lookup,
  putRoot,
  type RawOperation,
  read,
  remove,
  testStateids,
  unlock,
  write,
} from "./testing/raw-operations.ts";

const { read: reading, write: writing, both } = ShareAccess;

async function opened(session: RawSession, access: number, owner = "owner"): Promise<Stateid> {
  return (await session.value(putRoot, open("f", { access, owner }))).stateid;
}

test("a stateid, by its sequence number, is good, old or bad (§8.2.2)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  await opened(session, both);
  const stateid = await opened(session, both);
  assert.equal(stateid.seqid, 2);
  const cases: readonly (readonly [number, string])[] = [
    // Zero is whatever is the latest (§8.2.2).
    [0, "NFS4_OK"],
    [2, "NFS4_OK"],
    [1, "NFS4ERR_OLD_STATEID"],
    [3, "NFS4ERR_BAD_STATEID"],
  ];
  for (const [seqid, expected] of cases) {
    const asked = read({ ...stateid, seqid }, 0, 1);
    assert.equal(await session.status(putRoot, lookup("f"), asked), expected, `${seqid}`);
    const { [0]: tested } = await session.value(testStateids([{ ...stateid, seqid }]));
    assert.equal(nameOf(tested!), expected, `${seqid}`);
  }
});

test("a stateid that was never given is NFS4ERR_BAD_STATEID (§8.2.4)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const other = await server.client("other");
  server.make("f");
  const stateid = await opened(session, both);
  const foreign = await opened(other, both);
  const made: readonly Stateid[] = [
    { ...stateid, other0: stateid.other0 ^ 1 },
    { ...stateid, other1: stateid.other1 ^ 1 },
    { ...stateid, other2: stateid.other2 + 1000 },
    { ...anonymousStateid, seqid: 7 },
    { ...bypassStateid, seqid: 7 },
    { seqid: 0xffff_ffff, other0: 0, other1: 0, other2: 0 },
    foreign,
  ];
  const opening = [putRoot, open("f"), testStateids([currentStateid, anonymousStateid])] as const;
  assert.deepEqual((await session.value(...opening)).map(nameOf), [
    "NFS4ERR_BAD_STATEID",
    "NFS4ERR_BAD_STATEID",
  ]);
  for (const bad of made) {
    const asked = read(bad, 0, 1);
    const what = JSON.stringify(bad);
    assert.equal(await session.status(putRoot, lookup("f"), asked), "NFS4ERR_BAD_STATEID", what);
    assert.equal(
      await session.status(putRoot, lookup("f"), close(bad)),
      "NFS4ERR_BAD_STATEID",
      what,
    );
  }
});

test("CLOSE ends the stateid and gives one that nobody can use (§18.2.4)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const stateid = await opened(session, both);
  const closed = await session.value(putRoot, lookup("f"), close(stateid));
  assert.deepEqual(closed, { seqid: 0xffff_ffff, other0: 0, other1: 0, other2: 0 });
  for (const gone of [stateid, closed]) {
    for (const asked of [read(gone, 0, 1), close(gone)]) {
      const status = await session.status(putRoot, lookup("f"), asked);
      assert.equal(status, "NFS4ERR_BAD_STATEID");
    }
  }
  assert.equal(await session.status(close(stateid)), "NFS4ERR_NOFILEHANDLE");
});

test("a file that was removed can be read until it is closed, and then is stale", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const handle = Buffer.from(server.files.handleOf(server.make("f")));
  const stateid = await opened(session, both);
  await session.value(putRoot, remove("f"));
  const putFile: RawOperation<undefined> = {
    number: 22,
    encode: (writer) => writer.opaque(handle),
    decode: () => undefined,
  };
  assert.equal(await session.status(putFile, read(stateid, 0, 1)), "NFS4_OK");
  assert.equal(await session.status(putFile, close(stateid)), "NFS4_OK");
  assert.equal(await session.status(putFile), "NFS4ERR_STALE");
});

interface DowngradeCase {
  readonly opened: readonly number[];
  readonly to: number;
  readonly deny?: number;
  readonly expected: string;
}

const downgradeCases: readonly DowngradeCase[] = [
  { opened: [reading, both], to: reading, expected: "NFS4_OK" },
  { opened: [writing, both], to: writing, expected: "NFS4_OK" },
  { opened: [reading, writing], to: writing, expected: "NFS4_OK" },
  { opened: [reading, writing], to: both, expected: "NFS4_OK" },
  { opened: [both], to: both, expected: "NFS4_OK" },
  // What it is cut to has to be what some of the opens together asked for (§18.18.3).
  { opened: [both], to: reading, expected: "NFS4ERR_INVAL" },
  { opened: [reading, both], to: writing, expected: "NFS4ERR_INVAL" },
  { opened: [reading], to: both, expected: "NFS4ERR_INVAL" },
  { opened: [reading], to: writing, expected: "NFS4ERR_INVAL" },
  { opened: [reading], to: 0, expected: "NFS4ERR_INVAL" },
  { opened: [reading], to: reading, deny: 1, expected: "NFS4ERR_INVAL" },
];

for (const given of downgradeCases) {
  const { opened: before, to, expected } = given;
  const deny = given.deny ?? 0;
  const title = `opened ${before.join(" and ")}, to ${to}, deny ${deny}: ${expected}`;
  test(`OPEN_DOWNGRADE, ${title} (§18.18.3)`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    server.make("f");
    let stateid = anonymousStateid;
    for (const access of before) stateid = await opened(session, access);
    const asked = downgrade(stateid, to, deny);
    const result = await session.run([putRoot, lookup("f"), asked]);
    assert.equal(nameOf(result.status), expected);
    if (result.status !== Status.OK) return;
    const lowered = result.values.at(-1) as Stateid;
    assert.deepEqual(lowered, { ...stateid, seqid: stateid.seqid + 1 });
    const asking = write(lowered, 0, Buffer.from("x"));
    const status = await session.status(putRoot, lookup("f"), asking);
    assert.equal(status, (to & writing) === 0 ? "NFS4ERR_OPENMODE" : "NFS4_OK");
  });
}

test("OPEN_DOWNGRADE, what was given up, can't be had by another one (§18.18.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  await opened(session, reading);
  const wide = await opened(session, both);
  const narrow = await session.value(putRoot, lookup("f"), downgrade(wide, reading));
  const again = await session.status(putRoot, lookup("f"), downgrade(narrow, both));
  assert.equal(again, "NFS4ERR_INVAL");
  const old = await session.status(putRoot, lookup("f"), downgrade(wide, reading));
  assert.equal(old, "NFS4ERR_OLD_STATEID");
});

test("FREE_STATEID, by what the stateid holds, frees it or not (§18.38.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const stateid = await opened(session, both);
  const locking = lock({ type: LockType.write, stateid, newOwner: "l" });
  const locked = await session.value(putRoot, lookup("f"), locking);
  assert.equal(await session.status(freeStateid(locked)), "NFS4ERR_LOCKS_HELD");
  const unlocked = await session.value(putRoot, lookup("f"), unlock(locked));
  assert.equal(await session.status(freeStateid(locked)), "NFS4ERR_OLD_STATEID");
  assert.equal(await session.status(freeStateid(unlocked)), "NFS4_OK");
  assert.equal(await session.status(freeStateid(unlocked)), "NFS4ERR_BAD_STATEID");
  assert.equal(await session.status(freeStateid(stateid)), "NFS4ERR_LOCKS_HELD");
  for (const special of [anonymousStateid, bypassStateid]) {
    assert.equal(await session.status(freeStateid(special)), "NFS4ERR_BAD_STATEID");
  }
});

test("TEST_STATEID, many at once, answers each for itself (§18.48.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const first = await opened(session, both, "first");
  const second = await opened(session, both, "second");
  await session.value(putRoot, lookup("f"), close(first));
  const asked = [second, first, anonymousStateid, bypassStateid, second];
  const answers = await session.value(testStateids(asked));
  const bad = "NFS4ERR_BAD_STATEID";
  assert.deepEqual(answers.map(nameOf), ["NFS4_OK", bad, bad, bad, "NFS4_OK"]);
  assert.deepEqual(await session.value(testStateids([])), []);
});
