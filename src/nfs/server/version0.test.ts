// NFSv4.0: clients, owners and their seqids (RFC 7530 §9, §16).
import assert from "node:assert/strict";
import { test } from "node:test";

import { OpenResult } from "../../wire/nfs4/operations.ts";
import { anonymousStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import { TestServer } from "./testing/raw-client.ts";
import { user } from "./testing/raw-connection.ts";
import {
  getAttributes,
  getHandle,
  plain,
  putHandle,
  putRoot,
  read,
  reclaimComplete,
  restoreHandle,
  testLock,
  write,
} from "./testing/raw-operations.ts";
import {
  closeInSequence,
  confirmClientId,
  confirmOpen,
  lockInSequence,
  openAgainInSequence,
  openHandleInSequence,
  openInSequence,
  releaseLockOwner,
  renew,
  setClientId,
  unlockInSequence,
  Version0,
} from "./testing/raw-version0.ts";

const leaseMs = 90_000;
const create = { mode: 0 };

/** A client with a file that it has open and confirmed, by owner "owner" up to seqid 2. */
async function opened(
  client: Version0,
  name = "file",
): Promise<{ clientId: string; handle: Buffer; stateid: Stateid }> {
  const clientId = await client.introduce("client");
  const made = await client.run(
    putRoot,
    openInSequence(name, { clientId, seqid: 1, create }),
    getHandle,
  );
  const [, first, handle] = made.values as [undefined, { stateid: Stateid }, Buffer];
  const stateid = await client.value(putHandle(handle), confirmOpen(first.stateid, 2));
  return { clientId, handle, stateid };
}

test("a client id is of use once it is confirmed with what SETCLIENTID gave", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const introduced = await client.value(setClientId("client"));
  assert.equal(await client.status(renew(introduced.clientId)), "NFS4ERR_STALE_CLIENTID");
  const wrong = { ...introduced, confirmation: Buffer.alloc(8) };
  assert.equal(await client.status(confirmClientId(wrong)), "NFS4ERR_STALE_CLIENTID");
  assert.equal(await client.status(confirmClientId(introduced)), "NFS4_OK");
  assert.equal(await client.status(confirmClientId(introduced)), "NFS4_OK", "again");
  assert.equal(await client.status(renew(introduced.clientId)), "NFS4_OK");
  const next = await client.value(setClientId("client"));
  assert.equal(await client.status(confirmClientId(introduced)), "NFS4_OK", "late");
  assert.equal(await client.status(confirmClientId(next)), "NFS4_OK");
  assert.equal(await client.status(confirmClientId(introduced)), "NFS4ERR_STALE_CLIENTID");
});

test("the same client asking again keeps its id, a restarted one gets another", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const first = await client.introduce("client", "before00");
  assert.equal(await client.introduce("client", "before00"), first);
  const second = await client.introduce("client", "after000");
  assert.notEqual(second, first);
  assert.equal(await client.status(renew(first)), "NFS4ERR_EXPIRED");
});

test("somebody else's client id is in use while it holds something", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  await opened(client);
  const other = new Version0(await server.connect(user(1000)));
  assert.equal(await other.status(setClientId("client")), "NFS4ERR_CLID_INUSE");
  server.clock.advance(leaseMs * 1.1);
  assert.equal(await other.status(setClientId("client")), "NFS4_OK");
});

test("what an unconfirmed owner opened can be confirmed once", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const clientId = await client.introduce("client");
  const open = openInSequence("file", { clientId, seqid: 7, create });
  const { stateid, flags } = await client.value(putRoot, open);
  assert.equal(flags & OpenResult.confirm, OpenResult.confirm);
  const handle = await client.value(putRoot, plainLookup("file"), getHandle);
  const confirmed = await client.value(putHandle(handle), confirmOpen(stateid, 8));
  assert.equal(confirmed.seqid, stateid.seqid + 1);
  const again = confirmOpen(confirmed, 9);
  assert.equal(await client.status(putHandle(handle), again), "NFS4ERR_BAD_STATEID");
  const other = openInSequence("other", { clientId, seqid: 9, create });
  const second = await client.value(putRoot, other);
  assert.equal(second.flags & OpenResult.confirm, 0, "the owner is confirmed by now");
});

test("what an unconfirmed owner opened is of no use (§16.18.5)", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const clientId = await client.introduce("client");
  const open = openInSequence("file", { clientId, seqid: 7, create });
  const { stateid } = await client.value(putRoot, open);
  const handle = await client.value(putRoot, plainLookup("file"), getHandle);
  const elsewhere = await client.value(putRoot, getHandle);
  const uses = [
    read(stateid, 0, 1),
    write(stateid, 0, Buffer.from("x")),
    closeInSequence(stateid, 8),
  ];
  for (const use of uses) {
    const status = await client.status(putHandle(handle), use);
    assert.equal(status, "NFS4ERR_BAD_STATEID", `operation ${use.number}`);
  }
  const misplaced = await client.status(putHandle(elsewhere), confirmOpen(stateid, 8));
  assert.equal(misplaced, "NFS4ERR_BAD_STATEID", "of another file");
  const confirmed = await client.value(putHandle(handle), confirmOpen(stateid, 8));
  assert.equal(await client.status(putHandle(handle), read(confirmed, 0, 1)), "NFS4_OK");
});

function plainLookup(name: string): ReturnType<typeof plain> {
  return plain(15, (writer) => writer.byteString(name));
}

test("an OPEN that is sent again is answered as before, and opens nothing twice", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId } = await opened(client);
  const guarded = openInSequence("new", { clientId, seqid: 3, create: { mode: 1 } });
  const first = await client.run(putRoot, guarded, getHandle);
  const second = await client.run(putRoot, guarded, getHandle);
  assert.equal(first.status, 0);
  assert.deepEqual(second.values, first.values);
});

test("an owner's seqid that is neither the next nor the last is refused", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId, handle, stateid } = await opened(client);
  for (const seqid of [1, 4, 0, 0xffff_ffff]) {
    const open = openInSequence("file", { clientId, seqid });
    assert.equal(await client.status(putRoot, open), "NFS4ERR_BAD_SEQID", `OPEN with ${seqid}`);
    const close = closeInSequence(stateid, seqid);
    assert.equal(await client.status(putHandle(handle), close), "NFS4ERR_BAD_SEQID", `${seqid}`);
  }
  assert.equal(await client.status(putHandle(handle), closeInSequence(stateid, 3)), "NFS4_OK");
});

test("an owner's seqid, at its highest, goes on with zero (§9.1.7)", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const clientId = await client.introduce("client");
  const first = openInSequence("file", { clientId, seqid: 0xffff_ffff, create });
  const { stateid } = await client.value(putRoot, first);
  const handle = await client.value(putRoot, plainLookup("file"), getHandle);
  const confirmed = await client.value(putHandle(handle), confirmOpen(stateid, 0));
  const close = closeInSequence(confirmed, 1);
  assert.equal(await client.status(putHandle(handle), close), "NFS4_OK");
  assert.equal(await client.status(putHandle(handle), close), "NFS4_OK", "sent again");
});

test("a failed request takes its seqid, except where the failure is of the order", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId } = await opened(client);
  const missing = openInSequence("missing", { clientId, seqid: 3 });
  assert.equal(await client.status(putRoot, missing), "NFS4ERR_NOENT");
  const noHandle = openInSequence("file", { clientId, seqid: 4 });
  assert.equal(await client.status(noHandle), "NFS4ERR_NOFILEHANDLE");
  assert.equal(await client.status(putRoot, noHandle), "NFS4_OK");
});

test("CLOSE may be asked again", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { handle, stateid } = await opened(client);
  const close = closeInSequence(stateid, 3);
  const first = await client.value(putHandle(handle), close);
  assert.deepEqual(await client.value(putHandle(handle), close), first);
  const used = read(stateid, 0, 10);
  assert.equal(await client.status(putHandle(handle), used), "NFS4ERR_BAD_STATEID");
});

test("stateids: an older one is old, one of before a restart is stale", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId, handle, stateid } = await opened(client);
  const again = openInSequence("file", { clientId, seqid: 3 });
  const { stateid: newer } = await client.value(putRoot, again);
  const status = (given: Stateid): Promise<string> =>
    client.status(putHandle(handle), read(given, 0, 1));
  assert.equal(await status(newer), "NFS4_OK");
  assert.equal(await status(stateid), "NFS4ERR_OLD_STATEID");
  assert.equal(await status({ ...newer, seqid: newer.seqid + 1 }), "NFS4ERR_BAD_STATEID");
  // Zero is not "the latest" in this version (RFC 7530 §9.1.4.2).
  assert.equal(await status({ ...newer, seqid: 0 }), "NFS4ERR_OLD_STATEID");
  await server.restart();
  const after = new Version0(await server.connect());
  const stale = await after.status(putHandle(handle), read(newer, 0, 1));
  assert.equal(stale, "NFS4ERR_STALE_STATEID");
});

test("locks: a lock owner begins by its open, keeps its own order, and is released", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId, handle, stateid } = await opened(client);
  const begins = { openSeqid: 3, clientId, owner: "locker" };
  const first = lockInSequence({ type: 2, offset: 0, length: 10, stateid, lockSeqid: 40, begins });
  const held = await client.value(putHandle(handle), first);
  assert.deepEqual(await client.value(putHandle(handle), first), held, "sent again");
  const more = { type: 2, offset: 20, length: 10, stateid: held };
  const misordered = lockInSequence({ ...more, lockSeqid: 43 });
  assert.equal(await client.status(putHandle(handle), misordered), "NFS4ERR_BAD_SEQID");
  const next = await client.value(putHandle(handle), lockInSequence({ ...more, lockSeqid: 41 }));
  assert.equal(await client.status(releaseLockOwner(clientId, "locker")), "NFS4ERR_LOCKS_HELD");
  await client.value(putHandle(handle), unlockInSequence(next, 42));
  assert.equal(await client.status(releaseLockOwner(clientId, "locker")), "NFS4_OK");
});

test("a lock keeps clients of the other minor version out", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId, handle, stateid } = await opened(client);
  const begins = { openSeqid: 3, clientId, owner: "locker" };
  const taken = { type: 2, offset: 0, length: 10, stateid, lockSeqid: 1, begins };
  await client.value(putHandle(handle), lockInSequence(taken));
  const newer = await server.client("newer");
  const asked = await newer.run([putHandle(handle), testLock({ type: 1, owner: "me" })]);
  assert.equal(asked.denied?.owner, "locker");
});

test("the lease is kept by RENEW and by every use of a stateid", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId, handle, stateid } = await opened(client);
  for (const keep of [renew(clientId), read(stateid, 0, 1)]) {
    server.clock.advance(leaseMs * 0.9);
    assert.equal(await client.status(putHandle(handle), keep), "NFS4_OK");
  }
});

test("state past its lease is kept until somebody wants what it holds", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const { clientId, handle, stateid } = await opened(client);
  const begins = { openSeqid: 3, clientId, owner: "locker" };
  const taken = { type: 2, offset: 0, length: 10, stateid, lockSeqid: 1, begins };
  await client.value(putHandle(handle), lockInSequence(taken));
  server.clock.advance(leaseMs * 3);
  assert.equal(await client.status(putHandle(handle), read(stateid, 0, 1)), "NFS4_OK");
  server.clock.advance(leaseMs * 3);
  const other = new Version0(await server.connect());
  const otherId = await other.introduce("other");
  const open = openInSequence("file", { clientId: otherId, seqid: 1, owner: "o" });
  const first = await other.value(putRoot, open);
  const own = await other.value(putHandle(handle), confirmOpen(first.stateid, 2));
  const otherBegins = { openSeqid: 3, clientId: otherId, owner: "o" };
  const range = { type: 2, offset: 0, length: 5 };
  const wanted = { ...range, stateid: own, lockSeqid: 1, begins: otherBegins };
  assert.equal(await other.status(putHandle(handle), lockInSequence(wanted)), "NFS4_OK");
  const late = await client.status(putHandle(handle), read(stateid, 0, 1));
  assert.equal(late, "NFS4ERR_EXPIRED");
});

test("operations, attributes and errors of 4.1 are not there", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  assert.equal(await client.status(reclaimComplete()), "NFS4ERR_OP_ILLEGAL");
  const { bitmap, values } = await client.value(putRoot, getAttributes([1, 0, 1 << 11]));
  assert.deepEqual(bitmap, [1]);
  assert.equal(values.readUInt32BE(0), 2, "two words of attributes");
  assert.equal(await client.status(putRoot, restoreHandle), "NFS4ERR_RESTOREFH");
  assert.equal(await client.status(putRoot, plain(27)), "NFS4ERR_INVAL", "READLINK");
});

test("without a state, contents are read and written by permission", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  server.make("file");
  const handle = await client.value(putRoot, plainLookup("file"), getHandle);
  const bytes = Buffer.from("contents");
  await client.value(putHandle(handle), write(anonymousStateid, 0, bytes));
  const back = await client.value(putHandle(handle), read(anonymousStateid, 0, 100));
  assert.deepEqual(back.bytes, bytes);
});

test("share access of 4.1, and claims that there aren't, are refused (§16.16.4)", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const clientId = await client.introduce("client");
  server.make("file");
  const wishing = openInSequence("file", { clientId, seqid: 1, access: 3 | 0x400 });
  assert.equal(await client.status(putRoot, wishing), "NFS4ERR_INVAL");
  const byHandle = openHandleInSequence({ clientId, seqid: 2 });
  assert.equal(await client.status(putRoot, byHandle), "NFS4ERR_BADXDR");
});

test("what a client reclaimed it may reclaim again after the next restart", async () => {
  await using server = await TestServer.start();
  const { handle } = await opened(new Version0(await server.connect()));
  for (const restart of ["first", "second"]) {
    await server.restart();
    const client = new Version0(await server.connect());
    const clientId = await client.introduce("client");
    const again = openAgainInSequence({ clientId, seqid: 1 });
    assert.equal(await client.status(putHandle(handle), again), "NFS4_OK", restart);
    server.clock.advance(leaseMs * 0.9);
    assert.equal(await client.status(renew(clientId)), "NFS4_OK");
    server.clock.advance(leaseMs * 0.9);
    // Whoever asks finds the grace period at its end.
    const open = openInSequence("new", { clientId, seqid: 2, create });
    assert.equal(await client.status(putRoot, open), "NFS4_OK");
  }
});

test("a client that came back and reclaimed nothing can't after the next restart", async () => {
  await using server = await TestServer.start();
  const { handle } = await opened(new Version0(await server.connect()));
  await server.restart();
  const client = new Version0(await server.connect());
  const clientId = await client.introduce("client");
  server.clock.advance(leaseMs * 0.9);
  assert.equal(await client.status(renew(clientId)), "NFS4_OK");
  server.clock.advance(leaseMs * 0.9);
  const other = new Version0(await server.connect());
  const otherId = await other.introduce("other");
  const open = openInSequence("file", { clientId: otherId, seqid: 1 });
  await other.value(putRoot, open);
  await server.restart();
  const late = new Version0(await server.connect());
  const again = openAgainInSequence({ clientId: await late.introduce("client"), seqid: 1 });
  assert.equal(await late.status(putHandle(handle), again), "NFS4ERR_NO_GRACE");
});

test("after a restart nothing is opened before the grace period is over", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  await opened(client);
  await server.restart();
  const after = new Version0(await server.connect());
  const clientId = await after.introduce("client");
  const open = openInSequence("file", { clientId, seqid: 1 });
  assert.equal(await after.status(putRoot, open), "NFS4ERR_GRACE");
  server.clock.advance(leaseMs * 1.1);
  const late = openInSequence("file", { clientId, seqid: 2 });
  assert.equal(await after.status(putRoot, late), "NFS4_OK");
});
