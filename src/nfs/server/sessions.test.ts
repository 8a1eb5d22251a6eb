// SEQUENCE, BIND_CONN_TO_SESSION, DESTROY_SESSION and RECLAIM_COMPLETE (RFC 8881 §18.46, §18.34,
// §18.37, §18.51), and the slots' reply cache (§2.10.6.1).
import assert from "node:assert/strict";
import { test } from "node:test";

import { superuser } from "../../files/file-system.ts";
import { anonymousStateid } from "../../wire/nfs4/stateid.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { nameOf, one, RawSession, statusOfOne, TestServer } from "./testing/raw-client.ts";
import { user } from "./testing/raw-connection.ts";
import { close, open } from "./testing/raw-opens.ts";
import {
  getAttributes,
  getHandle,
  lookup,
  makeDirectory,
  putRoot,
  type RawOperation,
  read,
  reclaimComplete,
  remove,
} from "./testing/raw-operations.ts";
import {
  bindConnection,
  createSession,
  destroyClientId,
  destroySession,
  exchangeId,
  sequence,
  type Sequenced,
} from "./testing/raw-sessions.ts";

type Operations = readonly RawOperation<unknown>[];

test("SEQUENCE, in order, answers what it was asked with (§18.46.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const result = await session.run([putRoot], { slot: 3 });
  const answer = result.values[0] as Sequenced;
  assert.deepEqual(answer.sessionId, session.id);
  assert.equal(answer.sequence, 1);
  assert.equal(answer.slot, 3);
  assert.ok(answer.highestSlot < session.fore.slots);
  assert.equal(answer.flags, 0);
});

test("SEQUENCE, a slot past the session's, is NFS4ERR_BADSLOT (§18.46.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { fore: { slots: 4 } });
  assert.equal(nameOf((await session.run([], { slot: 3 })).status), "NFS4_OK");
  for (const slot of [4, 0xffff_ffff]) {
    assert.equal(nameOf((await session.run([], { slot })).status), "NFS4ERR_BADSLOT");
  }
});

test("SEQUENCE, more slots in use than there are, is NFS4ERR_BAD_HIGH_SLOT (§18.46.3)", async () => {
  await using server = await TestServer.start();
  const { connection, id: sessionId } = await server.client("c", { fore: { slots: 4 } });
  const asked = { sessionId, sequence: 1, slot: 1 };
  for (const highestSlot of [4, 0xffff_ffff]) {
    const status = await statusOfOne(connection, sequence({ ...asked, highestSlot }));
    assert.equal(status, "NFS4ERR_BAD_HIGH_SLOT", `${highestSlot}`);
  }
  // The slot has not moved.
  const { sequence: answered } = await one(connection, sequence({ ...asked, highestSlot: 3 }));
  assert.equal(answered, 1);
});

test("SEQUENCE, a session that isn't, is NFS4ERR_BADSESSION", async () => {
  await using server = await TestServer.start();
  const { connection, id } = await server.client("c");
  for (const at of [0, 5, 11, 15]) {
    const sessionId = Buffer.from(id);
    sessionId[at]! ^= 1;
    const asked = sequence({ sessionId, sequence: 1 });
    assert.equal(await statusOfOne(connection, asked), "NFS4ERR_BADSESSION", `byte ${at}`);
  }
});

test("SEQUENCE, neither the next number nor the last, is misordered (§2.10.6.1)", async () => {
  await using server = await TestServer.start();
  const { connection, id: sessionId, ...session } = await server.client("c");
  assert.ok(session.fore.slots > 2);
  for (const number of [0, 2, 0xffff_ffff]) {
    const asked = sequence({ sessionId, sequence: number, slot: 1 });
    assert.equal(await statusOfOne(connection, asked), "NFS4ERR_SEQ_MISORDERED", `${number}`);
  }
  for (const number of [1, 2, 3])
    await one(connection, sequence({ sessionId, sequence: number, slot: 1 }));
  for (const number of [1, 5, 0]) {
    const asked = sequence({ sessionId, sequence: number, slot: 1 });
    assert.equal(await statusOfOne(connection, asked), "NFS4ERR_SEQ_MISORDERED", `${number}`);
  }
});

test("a retransmission, reply kept, gives the same bytes and does nothing again", async () => {
  // RFC 8881 §2.10.6.1.3, also after the connection of before is gone (§2.10.6.2).
  await using server = await TestServer.start();
  const session = await server.client("c");
  const asked: Operations = [
    sequence({ sessionId: session.id, sequence: 1, slot: 5, keep: true }),
    putRoot,
    makeDirectory("once"),
    getHandle,
  ];
  const original = await session.connection.compound(asked);
  assert.equal(nameOf(original.status), "NFS4_OK");
  const again = await session.connection.compound(asked);
  await session.connection.close();
  const elsewhere = await (await server.connect()).compound(asked);
  assert.deepEqual([again.bytes, elsewhere.bytes], [original.bytes, original.bytes]);
});

test("a retransmission, the request had failed, gives the same failure", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const first = sequence({ sessionId: session.id, sequence: 1, slot: 5, keep: true });
  const original = await session.connection.compound([first, putRoot, remove("later")]);
  assert.equal(nameOf(original.status), "NFS4ERR_NOENT");
  await session.value(putRoot, makeDirectory("later"));
  const again = await session.connection.compound([first, putRoot, remove("later")]);
  assert.deepEqual(again.bytes, original.bytes);
  assert.equal(await session.status(putRoot, lookup("later")), "NFS4_OK");
});

test("a retransmission, SEQUENCE alone, is answered as before", async () => {
  // RFC 8881 §2.10.6.1.3: a lone SEQUENCE is kept whatever sa_cachethis says.
  await using server = await TestServer.start();
  const { connection, id: sessionId } = await server.client("c");
  const asked = sequence({ sessionId, sequence: 1, slot: 5 });
  const original = await connection.compound([asked]);
  assert.deepEqual((await connection.compound([asked])).bytes, original.bytes);
});

test("a retransmission, reply not kept, is NFS4ERR_RETRY_UNCACHED_REP", async () => {
  // RFC 8881 §2.10.6.1.3
  await using server = await TestServer.start();
  const { connection, id: sessionId } = await server.client("c");
  const asked: Operations = [
    sequence({ sessionId, sequence: 1, slot: 5 }),
    putRoot,
    makeDirectory("once"),
  ];
  assert.equal(nameOf((await connection.compound(asked)).status), "NFS4_OK");
  const again = await connection.compound(asked);
  assert.equal(nameOf(again.status), "NFS4ERR_RETRY_UNCACHED_REP");
  const next = [sequence({ sessionId, sequence: 2, slot: 5 }), putRoot, lookup("once")];
  assert.equal(nameOf((await connection.compound(next)).status), "NFS4_OK");
});

test("a retransmission, by another user, is NFS4ERR_SEQ_FALSE_RETRY", async () => {
  // RFC 8881 §2.10.6.1.3.1: a reply is not given to somebody else.
  await using server = await TestServer.start();
  const { connection, id: sessionId } = await server.client("c");
  const asked: Operations = [
    sequence({ sessionId, sequence: 1, slot: 5, keep: true }),
    putRoot,
    getHandle,
  ];
  connection.credential = user(1000);
  assert.equal(nameOf((await connection.compound(asked)).status), "NFS4_OK");
  connection.credential = user(1001);
  const again = await connection.compound(asked);
  assert.equal(nameOf(again.status), "NFS4ERR_SEQ_FALSE_RETRY");
});

test("a retransmission, the call still in flight, is told to wait and done once", async () => {
  // RFC 8881 §2.10.6.2: NFS4ERR_DELAY from SEQUENCE.
  await using server = await TestServer.start();
  const session = await server.client("c");
  const { files } = server;
  const durable: (() => void)[] = [];
  const arrived = new Promise<void>((resolve) => {
    files.whenDurable = (_sequence, call) => {
      durable.push(call);
      resolve();
    };
  });
  const asked: Operations = [
    sequence({ sessionId: session.id, sequence: 1, slot: 5, keep: true }),
    putRoot,
    makeDirectory("once"),
  ];
  const original = session.connection.compound(asked);
  await arrived;
  const elsewhere = await server.connect();
  const early = await elsewhere.compound(asked);
  assert.deepEqual(early.statuses.map(nameOf), ["NFS4ERR_DELAY"]);
  for (const call of durable) call();
  assert.equal(nameOf((await original).status), "NFS4_OK");
  assert.deepEqual((await elsewhere.compound(asked)).bytes, (await original).bytes);
});

test("an operation in the wrong place is refused before it does anything", async () => {
  await using server = await TestServer.start();
  const { connection, id: sessionId, clientId } = await server.client("c");
  const next = sequence({ sessionId, sequence: 1, slot: 5 });
  const cases: readonly (readonly [Operations, string])[] = [
    // §18.46.3
    [[next, sequence({ sessionId, sequence: 1, slot: 6 })], "NFS4ERR_SEQUENCE_POS"],
    [[sequence({ sessionId, sequence: 1, slot: 7 }), putRoot, next], "NFS4ERR_SEQUENCE_POS"],
    // What needs a session, without one (§2.10.2, §15.1.11).
    [[putRoot], "NFS4ERR_OP_NOT_IN_SESSION"],
    [[putRoot, next], "NFS4ERR_OP_NOT_IN_SESSION"],
    [[reclaimComplete()], "NFS4ERR_OP_NOT_IN_SESSION"],
    // §18.34.3, §18.35.3, §18.36.3, §18.37.3, §18.50.3
    [[bindConnection(sessionId, 1), putRoot], "NFS4ERR_NOT_ONLY_OP"],
    [[exchangeId({ owner: "other" }), putRoot], "NFS4ERR_NOT_ONLY_OP"],
    [[createSession({ clientId, sequence: 2 }), putRoot], "NFS4ERR_NOT_ONLY_OP"],
    [[destroyClientId(clientId), putRoot], "NFS4ERR_NOT_ONLY_OP"],
    [[destroySession(sessionId), putRoot], "NFS4ERR_NOT_ONLY_OP"],
  ];
  for (const [operations, expected] of cases) {
    const numbers = operations.map(({ number }) => number).join(", ");
    assert.equal(nameOf((await connection.compound(operations)).status), expected, numbers);
  }
  const after = sequence({ sessionId, sequence: 1, slot: 8 });
  assert.equal(await statusOfOne(connection, after), "NFS4_OK");
});

test("BIND_CONN_TO_SESSION, by direction, answers one that was asked for (§18.34.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const elsewhere = await server.connect();
  const allowed: readonly (readonly [number, readonly number[]])[] = [
    [1, [1]],
    [2, [2]],
    [3, [1, 3]],
    [7, [2, 3]],
  ];
  for (const [direction, answers] of allowed) {
    const bound = await one(elsewhere, bindConnection(session.id, direction));
    assert.deepEqual(bound.sessionId, session.id);
    assert.equal(bound.rdma, false);
    assert.ok(answers.includes(bound.direction), `${direction}: ${bound.direction}`);
  }
  const nobody = bindConnection(Buffer.alloc(16), 1);
  assert.equal(await statusOfOne(elsewhere, nobody), "NFS4ERR_BADSESSION");
});

test("a session, used on another connection, goes on there (§2.10.5)", async () => {
  await using server = await TestServer.start();
  const { id, clientId, fore } = await server.client("c");
  const elsewhere = new RawSession(await server.connect(), clientId, id, fore);
  for (const slot of [5, 6]) {
    assert.equal(nameOf((await elsewhere.run([putRoot], { slot })).status), "NFS4_OK");
  }
});

test("DESTROY_SESSION, alone, ends the session but not what the client holds", async () => {
  // RFC 8881 §2.10.2: locking state belongs to the client id.
  await using server = await TestServer.start();
  const session = await server.client("c");
  const { stateid } = await session.value(putRoot, open("f", { create: { mode: 0 } }));
  const { connection, clientId } = session;
  assert.equal(await statusOfOne(connection, destroySession(session.id)), "NFS4_OK");
  assert.equal(await session.status(putRoot), "NFS4ERR_BADSESSION");
  assert.equal(await statusOfOne(connection, destroySession(session.id)), "NFS4ERR_BADSESSION");
  const created = await one(connection, createSession({ clientId, sequence: 2 }));
  const next = new RawSession(connection, clientId, created.sessionId, created.fore);
  assert.equal(await next.status(putRoot, lookup("f"), close(stateid)), "NFS4_OK");
});

test("DESTROY_SESSION, of the session it is sent in, has to be the last (§18.37.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const own = destroySession(session.id);
  assert.equal(await session.status(own, putRoot), "NFS4ERR_NOT_ONLY_OP");
  assert.equal(await session.status(putRoot, own), "NFS4_OK");
  assert.equal(await session.status(putRoot), "NFS4ERR_BADSESSION");
});

test("a client whose connection broke, without SEQUENCE on the next one, can say goodbye", async () => {
  // Linux's does so when it unmounts after a while, and gives up on what is refused. §18.37.3 wants
  // the connection to be the session's; with SP4_NONE each SEQUENCE would make it that (§2.10.3.1).
  await using server = await TestServer.start();
  const { connection, id, clientId } = await server.client("c");
  await connection.close();
  const elsewhere = await server.connect();
  assert.equal(await statusOfOne(elsewhere, destroySession(id)), "NFS4_OK");
  assert.equal(await statusOfOne(elsewhere, destroyClientId(clientId)), "NFS4_OK");
});

test("RECLAIM_COMPLETE, by how often and for what, is taken once (§18.51.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { reclaims: true });
  const opening = open("f", { create: { mode: 0 } });
  assert.equal(await session.status(reclaimComplete(true)), "NFS4ERR_NOFILEHANDLE");
  assert.equal(await session.status(putRoot, reclaimComplete(true)), "NFS4_OK");
  assert.equal(await session.status(putRoot, opening), "NFS4ERR_GRACE");
  assert.equal(await session.status(reclaimComplete()), "NFS4_OK");
  assert.equal(await session.status(putRoot, opening), "NFS4_OK");
  assert.equal(await session.status(reclaimComplete()), "NFS4ERR_COMPLETE_ALREADY");
});

test("a request past the session's limits is refused (§2.10.6.4)", async () => {
  await using server = await TestServer.start();
  const fore = { maximumRequest: 1024, maximumReply: 1024, maximumCached: 300 };
  const session = await server.client("c", { fore: { ...fore, maximumOperations: 6 } });
  await server.files.write(superuser, server.make("f"), 0, Buffer.alloc(4096));
  const { stateid } = await session.value(putRoot, open("f"));
  const reading = (count: number): Operations => [putRoot, lookup("f"), read(stateid, 0, count)];
  const cases: readonly (readonly [Operations, boolean, string])[] = [
    [Array<typeof putRoot>(5).fill(putRoot), false, "NFS4_OK"],
    [Array<typeof putRoot>(6).fill(putRoot), false, "NFS4ERR_TOO_MANY_OPS"],
    [[putRoot, getAttributes([]), lookup("n".repeat(1100))], false, "NFS4ERR_REQ_TOO_BIG"],
    [reading(512), false, "NFS4_OK"],
    [reading(1024), false, "NFS4ERR_REP_TOO_BIG"],
    [reading(128), true, "NFS4_OK"],
    [reading(512), true, "NFS4ERR_REP_TOO_BIG_TO_CACHE"],
  ];
  for (const [operations, keep, expected] of cases) {
    assert.equal(nameOf((await session.run(operations, { keep })).status), expected);
  }
});

test("a compound of more operations than any session has, is NFS4ERR_TOO_MANY_OPS", async () => {
  // RFC 8881 §18.46.3; NFS4ERR_RESOURCE is not an error of NFSv4.1 (§15.1.16).
  await using server = await TestServer.start();
  const session = await server.client("c");
  const most = session.fore.maximumOperations;
  const full = Array<typeof putRoot>(most - 1).fill(putRoot);
  assert.equal(await session.status(...full), "NFS4_OK");
  assert.equal(await session.status(...full, putRoot), "NFS4ERR_TOO_MANY_OPS");
});

test("a session of many slots, requests on all of them at once, answers each", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const slots = Array.from({ length: session.fore.slots }, (_, slot) => slot);
  const results = await Promise.all(
    slots.map((slot) =>
      session.run([putRoot, makeDirectory(`d${slot}`), getHandle], { slot, keep: true }),
    ),
  );
  assert.deepEqual(new Set(results.map(({ status }) => status)), new Set([Status.OK]));
  const handles = results.map(({ values }) => (values.at(-1) as Buffer).toString("hex"));
  assert.equal(new Set(handles).size, slots.length);
  assert.equal(await session.status(putRoot, read(anonymousStateid, 0, 1)), "NFS4ERR_ISDIR");
});
