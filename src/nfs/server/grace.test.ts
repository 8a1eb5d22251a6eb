// The server's restart: who may reclaim what, and until when (RFC 8881 §8.4.2, §18.51).
import assert from "node:assert/strict";
import { test } from "node:test";

import { superuser } from "../../files/file-system.ts";
import { Attribute } from "../../wire/nfs4/attributes.ts";
import { LockType, ShareAccess } from "../../wire/nfs4/operations.ts";
import type { Stateid } from "../../wire/nfs4/stateid.ts";
import { type RawSession, statusOfOne, TestServer } from "./testing/raw-client.ts";
import { user } from "./testing/raw-connection.ts";
import { close, open, openAgain } from "./testing/raw-opens.ts";
import {
  getHandle,
  lock,
  lookup,
  putHandle,
  putRoot,
  read,
  reclaimComplete,
  remove,
  testLock,
  type Settings,
  testStateids,
  write,
} from "./testing/raw-operations.ts";
import { createSession, destroyClientId, destroySession } from "./testing/raw-sessions.ts";

const { both } = ShareAccess;
const graceMs = 90_000;
const reclaims = { reclaims: true } as const;

/** The file opened and locked, with its handle. */
async function holding(session: RawSession, name: string): Promise<Buffer> {
  const { stateid } = await session.value(putRoot, open(name, { create: { mode: 0 } }));
  const asked = lock({ type: LockType.write, stateid, newOwner: "owner" });
  await session.value(putRoot, lookup(name), asked);
  return session.value(putRoot, lookup(name), getHandle);
}

async function reopened(session: RawSession, handle: Buffer): Promise<Stateid> {
  return (await session.value(putHandle(handle), openAgain())).stateid;
}

function relock(stateid: Stateid): ReturnType<typeof lock> {
  return lock({ type: LockType.write, stateid, newOwner: "owner", reclaim: true });
}

test("after a restart, what was held before can be reclaimed by its handle", async () => {
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await server.restart();
  const session = await server.client("a", reclaims);
  const stateid = await reopened(session, handle);
  assert.equal(await session.status(putHandle(handle), read(stateid, 0, 1)), "NFS4_OK");
  assert.equal(await session.status(putHandle(handle), relock(stateid)), "NFS4_OK");
  await session.value(reclaimComplete());
  const other = await server.client("other");
  const asked = testLock({ type: LockType.read, owner: "other" });
  assert.equal((await other.run([putHandle(handle), asked])).denied?.owner, "owner");
});

test("after a restart, ids of before are unknown (§8.4.2.1)", async () => {
  await using server = await TestServer.start();
  const before = await server.client("a");
  const { stateid } = await before.value(putRoot, open("f", { create: { mode: 0 } }));
  await server.restart();
  const session = await server.client("a", reclaims);
  const { connection } = session;
  assert.equal(await statusOfOne(connection, destroySession(before.id)), "NFS4ERR_BADSESSION");
  const stale = createSession({ clientId: before.clientId, sequence: 2 });
  assert.equal(await statusOfOne(connection, stale), "NFS4ERR_STALE_CLIENTID");
  const used = await session.status(putRoot, lookup("f"), read(stateid, 0, 1));
  assert.equal(used, "NFS4ERR_BAD_STATEID");
  const [tested] = await session.value(testStateids([stateid]));
  assert.notEqual(tested, 0);
});

test("in the grace period, only reclaims take state, and only by who had some (§8.4.2)", async () => {
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await server.restart();
  const known = await server.client("a", reclaims);
  const stranger = await server.client("stranger");
  const opening = open("g", { create: { mode: 0 } });
  const asked = testLock({ type: LockType.read, owner: "o" });
  for (const session of [known, stranger]) {
    assert.equal(await session.status(putRoot, opening), "NFS4ERR_GRACE");
    assert.equal(await session.status(putHandle(handle), asked), "NFS4ERR_GRACE");
  }
  const foreign = await stranger.status(putHandle(handle), openAgain());
  assert.ok(["NFS4ERR_NO_GRACE", "NFS4ERR_RECLAIM_BAD"].includes(foreign), foreign);
  const stateid = await reopened(known, handle);
  const newLock = lock({ type: LockType.write, stateid, newOwner: "owner" });
  assert.equal(await known.status(putHandle(handle), newLock), "NFS4ERR_GRACE");
  assert.equal(await stranger.status(putRoot, lookup("g")), "NFS4ERR_NOENT");
});

test("the grace period ends when everybody has reclaimed, and not before (§18.51.3)", async () => {
  await using server = await TestServer.start();
  const first = await holding(await server.client("a"), "f");
  const second = await holding(await server.client("b"), "g");
  await server.restart();
  const stranger = await server.client("stranger");
  const opening = open("h", { create: { mode: 0 } });
  const a = await server.client("a", reclaims);
  await reopened(a, first);
  await a.value(reclaimComplete());
  assert.equal(await stranger.status(putRoot, opening), "NFS4ERR_GRACE");
  assert.equal(await a.status(putRoot, opening), "NFS4ERR_GRACE");
  // Whoever said that it has everything can't reclaim more.
  assert.equal(await a.status(putHandle(first), openAgain()), "NFS4ERR_NO_GRACE");
  const b = await server.client("b", reclaims);
  const stateid = await reopened(b, second);
  await b.value(reclaimComplete());
  assert.equal(await b.status(putHandle(second), relock(stateid)), "NFS4ERR_NO_GRACE");
  for (const session of [a, b, stranger]) {
    assert.equal(await session.status(putRoot, opening), "NFS4_OK");
  }
});

test("the grace period ends after a lease, whoever has not come back", async () => {
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await server.restart();
  const stranger = await server.client("stranger");
  const opening = open("g", { create: { mode: 0 } });
  server.clock.advance(graceMs - 1000);
  assert.equal(await stranger.status(putRoot, opening), "NFS4ERR_GRACE");
  server.clock.advance(1000);
  assert.equal(await stranger.status(putRoot, opening), "NFS4_OK");
  const late = await server.client("a", reclaims);
  assert.equal(await late.status(putHandle(handle), openAgain()), "NFS4ERR_NO_GRACE");
});

test("the grace period goes on while clients reclaim, for a second lease at most", async () => {
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await holding(await server.client("away"), "g");
  await server.restart();
  const session = await server.client("a", reclaims);
  const stranger = await server.client("stranger");
  const opening = open("h", { create: { mode: 0 } });
  const reclaimed = (): Promise<string> => session.status(putHandle(handle), openAgain());
  let nowMs = graceMs - 1000;
  server.clock.advance(nowMs);
  for (const stepMs = 1900; nowMs < 2 * graceMs; nowMs += stepMs) {
    assert.equal(await reclaimed(), "NFS4_OK", `after ${nowMs} ms`);
    assert.equal(await stranger.status(putRoot, opening), "NFS4ERR_GRACE", `after ${nowMs} ms`);
    server.clock.advance(stepMs);
  }
  assert.equal(await reclaimed(), "NFS4ERR_NO_GRACE");
  assert.equal(await stranger.status(putRoot, opening), "NFS4_OK");
});

test("a client that reclaimed takes nothing new before RECLAIM_COMPLETE (§18.51.3)", async () => {
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await server.restart();
  const session = await server.client("a", reclaims);
  const stateid = await reopened(session, handle);
  // Somebody else's grace period is over, its own isn't.
  server.clock.advance(graceMs - 1000);
  assert.equal(await session.status(), "NFS4_OK");
  server.clock.advance(2000);
  const asked = lock({ type: LockType.write, stateid, newOwner: "owner" });
  assert.equal(await session.status(putHandle(handle), asked), "NFS4ERR_GRACE");
  assert.equal(await session.status(putRoot, open("f")), "NFS4ERR_GRACE");
  await session.value(reclaimComplete());
  assert.equal(await session.status(putHandle(handle), asked), "NFS4_OK");
});

test("after a restart, nobody had state: there is no grace period", async () => {
  await using server = await TestServer.start();
  const session = await server.client("a");
  await session.value(putRoot, open("f", { create: { mode: 0 } }));
  const { stateid } = await session.value(putRoot, open("f"));
  await session.value(putRoot, lookup("f"), close(stateid));
  await statusOfOne(session.connection, destroySession(session.id));
  const goodbye = destroyClientId(session.clientId);
  assert.equal(await statusOfOne(session.connection, goodbye), "NFS4_OK");
  await server.restart();
  const next = await server.client("b");
  assert.equal(await next.status(putRoot, open("f", { access: both })), "NFS4_OK");
});

test("a client whose lock went to another one can't reclaim it after a restart", async () => {
  // RFC 8881 §8.4.2.1, the first edge condition.
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  const other = await server.client("b");
  server.clock.advance(graceMs + 60_000);
  const again = await server.client("b");
  assert.equal(await other.status(putRoot), "NFS4ERR_BADSESSION");
  const { stateid } = await again.value(putRoot, open("f"));
  const taken = lock({ type: LockType.write, stateid, newOwner: "owner" });
  assert.equal(await again.status(putRoot, lookup("f"), taken), "NFS4_OK");
  await server.restart();
  await server.client("b", reclaims);
  const late = await server.client("a", reclaims);
  const status = await late.status(putHandle(handle), openAgain());
  assert.ok(["NFS4ERR_NO_GRACE", "NFS4ERR_RECLAIM_BAD"].includes(status), status);
});

test("a client that missed the grace period can't reclaim after the next restart", async () => {
  // RFC 8881 §8.4.2.1, the second edge condition.
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await server.restart();
  await server.client("b");
  server.clock.advance(graceMs + 1000);
  const fresh = await server.client("c");
  assert.equal(await fresh.status(putRoot, open("f")), "NFS4_OK");
  await server.restart();
  const late = await server.client("a", reclaims);
  const status = await late.status(putHandle(handle), openAgain());
  assert.ok(["NFS4ERR_NO_GRACE", "NFS4ERR_RECLAIM_BAD"].includes(status), status);
});

test("a file that its mode keeps its owner out of, open since it was made, is reclaimed", async () => {
  await using server = await TestServer.start();
  server.files.setAttributes(superuser, server.files.root, { mode: 0o777 });
  const mode: Settings[number] = [Attribute.mode, (writer) => writer.uint32(0o444)];
  const created = open("f", { create: { mode: 0, settings: [mode] } });
  const before = await server.client("a", { credential: user(1000) });
  await before.value(putRoot, created);
  const handle = await before.value(putRoot, lookup("f"), getHandle);
  await (await server.client("b", { credential: user(1001) })).value(putRoot, lookup("f"));
  await server.restart();
  const session = await server.client("a", { ...reclaims, credential: user(1000) });
  const stateid = await reopened(session, handle);
  const writing = write(stateid, 0, Buffer.from("x"));
  assert.equal(await session.status(putHandle(handle), writing), "NFS4_OK");
  const other = await server.client("b", { ...reclaims, credential: user(1001) });
  assert.equal(await other.status(putHandle(handle), openAgain()), "NFS4ERR_ACCESS");
});

test("a client that reclaimed may reclaim again after the next restart", async () => {
  // Also one that said so only after the grace period had run out.
  for (const isLate of [false, true]) {
    await using server = await TestServer.start();
    const handle = await holding(await server.client("a"), "f");
    await server.restart();
    const session = await server.client("a", reclaims);
    await reopened(session, handle);
    if (isLate) server.clock.advance(graceMs - 1000);
    await session.status();
    if (isLate) server.clock.advance(2000);
    await session.value(reclaimComplete());
    await (await server.client("other")).value(putRoot, open("g", { create: { mode: 0 } }));
    await server.restart();
    const again = await server.client("a", reclaims);
    assert.equal(await again.status(putHandle(handle), openAgain()), "NFS4_OK", `late: ${isLate}`);
  }
});

test("a client that never said that it has everything can't reclaim what others may have", async () => {
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await server.restart();
  await server.client("a", reclaims);
  server.clock.advance(graceMs + 1000);
  const other = await server.client("b");
  const { stateid } = await other.value(putRoot, open("f"));
  const taken = lock({ type: LockType.write, stateid, newOwner: "owner" });
  assert.equal(await other.status(putRoot, lookup("f"), taken), "NFS4_OK");
  await server.restart();
  const late = await server.client("a", reclaims);
  assert.equal(await late.status(putHandle(handle), openAgain()), "NFS4ERR_NO_GRACE");
});

test("a reclaimed lock that somebody else has reclaimed is NFS4ERR_RECLAIM_CONFLICT", async () => {
  // RFC 8881 §18.10.3: one of the two can't have had it before.
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  const other = await server.client("b");
  await other.value(putRoot, open("f", { create: { mode: 0 } }));
  await server.restart();
  const first = await server.client("a", reclaims);
  const second = await server.client("b", reclaims);
  const stateid = await reopened(first, handle);
  assert.equal(await first.status(putHandle(handle), relock(stateid)), "NFS4_OK");
  const claimed = relock(await reopened(second, handle));
  assert.equal(await second.status(putHandle(handle), claimed), "NFS4ERR_RECLAIM_CONFLICT");
});

test("a removed file that was open survives a restart until it is not reclaimed", async () => {
  for (const comesBack of [true, false]) {
    await using server = await TestServer.start();
    const session = await server.client("a");
    const handle = await holding(session, "f");
    await session.value(putRoot, remove("f"));
    await server.restart();
    const again = await server.client("a", reclaims);
    const stateid = comesBack ? await reopened(again, handle) : undefined;
    await again.value(reclaimComplete());
    const expected = comesBack ? "NFS4_OK" : "NFS4ERR_STALE";
    assert.equal(await again.status(putHandle(handle)), expected);
    if (stateid === undefined) continue;
    await again.value(putHandle(handle), close(stateid));
    assert.equal(await again.status(putHandle(handle)), "NFS4ERR_STALE");
  }
});

test("handles stay what they are over a restart", async () => {
  await using server = await TestServer.start();
  const handle = await holding(await server.client("a"), "f");
  await server.restart();
  const session = await server.client("a", reclaims);
  assert.deepEqual(await session.value(putRoot, lookup("f"), getHandle), handle);
  assert.deepEqual(await session.value(putHandle(handle), getHandle), handle);
});
