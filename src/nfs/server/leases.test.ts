// Leases and what happens when they run out (RFC 8881 §8.3, §8.4.3).
import assert from "node:assert/strict";
import { test } from "node:test";

import { LockType } from "../../wire/nfs4/operations.ts";
import type { Stateid } from "../../wire/nfs4/stateid.ts";
import { nameOf, one, type RawSession, statusOfOne, TestServer } from "./testing/raw-client.ts";
import { open } from "./testing/raw-opens.ts";
import { getAttributes, lock, lookup, putRoot, testLock } from "./testing/raw-operations.ts";
import { createSession, exchangeId } from "./testing/raw-sessions.ts";

const leaseTimeBitmap = [1 << 10];

async function leaseMs(session: RawSession): Promise<number> {
  const { values } = await session.value(putRoot, getAttributes(leaseTimeBitmap));
  return values.readUInt32BE(0) * 1000;
}

/** The file "f" opened and wholly locked by the session's client. */
async function locked(session: RawSession, owner: string): Promise<Stateid> {
  const opened = await session.value(putRoot, open("f", { create: { mode: 0 } }));
  const { stateid } = opened;
  const type = LockType.write;
  return session.value(putRoot, lookup("f"), lock({ type, stateid, newOwner: owner }));
}

test("a client that holds nothing, away for longer than its lease, is forgotten", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.clock.advance((await leaseMs(session)) * 2);
  assert.equal(await session.status(putRoot), "NFS4ERR_BADSESSION");
  const again = createSession({ clientId: session.clientId, sequence: 2 });
  assert.equal(await statusOfOne(session.connection, again), "NFS4ERR_STALE_CLIENTID");
});

test("a client that sends SEQUENCE before its lease runs out keeps its session (§8.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const lease = await leaseMs(session);
  for (let time = 0; time < 5; time += 1) {
    server.clock.advance(lease - 1000);
    assert.equal(await session.status(), "NFS4_OK");
  }
});

test("an introduction that is never confirmed is forgotten after the lease", async () => {
  await using server = await TestServer.start();
  const session = await server.client("other");
  const lease = await leaseMs(session);
  const { connection } = session;
  // At once, whenever the server looks for what has run out.
  for (const [awayMs, expected] of [
    [lease, "NFS4_OK"],
    [lease + 1, "NFS4ERR_STALE_CLIENTID"],
    [4 * lease, "NFS4ERR_STALE_CLIENTID"],
  ] as const) {
    const { clientId, sequence } = await one(connection, exchangeId({ owner: `away ${awayMs}` }));
    server.clock.advance(awayMs);
    const late = createSession({ clientId, sequence });
    assert.equal(await statusOfOne(connection, late), expected, `${awayMs}`);
  }
});

test("a lock, its client's lease run out and nobody wanting it, is still there (§8.4.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const stateid = await locked(session, "l");
  server.clock.advance(60 * 60_000);
  const type = LockType.read;
  assert.equal(await session.status(putRoot, lookup("f"), lock({ type, stateid })), "NFS4_OK");
});

test("a lock, its client's lease run out, gives way to another client (§8.4.3)", async () => {
  await using server = await TestServer.start();
  const holder = await server.client("holder");
  await locked(holder, "l");
  const other = await server.client("other");
  const { stateid } = await other.value(putRoot, open("f"));
  const wanted = lock({ type: LockType.write, stateid, newOwner: "o" });
  const lease = await leaseMs(other);
  server.clock.advance(lease - 1000);
  assert.equal(await other.status(putRoot, lookup("f"), wanted), "NFS4ERR_DENIED");
  server.clock.advance(lease);
  assert.equal(await other.status(putRoot, lookup("f"), wanted), "NFS4_OK");
  // What was taken from it must not look as if it were still held (§8.4.3).
  assert.notEqual(await holder.status(putRoot), "NFS4_OK");
});

test("LOCKT, the holder's lease run out, sees no lock", async () => {
  await using server = await TestServer.start();
  const holder = await server.client("holder");
  await locked(holder, "l");
  const other = await server.client("other");
  const asked = testLock({ type: LockType.write, owner: "o" });
  const before = await other.run([putRoot, lookup("f"), asked]);
  assert.equal(nameOf(before.status), "NFS4ERR_DENIED");
  server.clock.advance((await leaseMs(other)) + 1000);
  const after = await other.run([putRoot, lookup("f"), asked]);
  assert.equal(nameOf(after.status), "NFS4_OK");
});

test("an open file, its client away for more than a day, is let go", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  await session.value(putRoot, open("f", { create: { mode: 0 } }));
  server.clock.advance(25 * 60 * 60_000);
  assert.equal(await session.status(putRoot), "NFS4ERR_BADSESSION");
});
