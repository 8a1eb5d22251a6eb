// One host that mounts one file system through two access points, or as two principals: its kernel
// calls itself the same each time, and must not take the one mount's connection for the other
// (RFC 8881 §2.10.5.1, §2.10.5.4).
import assert from "node:assert/strict";
import { test } from "node:test";

import { LockType } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { hangUpMs } from "./limits.ts";
import { nameOf, one, RawSession, statusOfOne, TestServer } from "./testing/raw-client.ts";
import { close, open, openAgain } from "./testing/raw-opens.ts";
import {
  getHandle,
  lock,
  lookup,
  makeDirectory,
  putHandle,
  putRoot,
  type RawOperation,
  read,
  reclaimComplete,
} from "./testing/raw-operations.ts";
import {
  bindConnection,
  createSession,
  destroyClientId,
  destroySession,
  exchangeId,
} from "./testing/raw-sessions.ts";
import {
  callOf,
  closeInSequence,
  confirmClientId,
  confirmOpen,
  openInSequence,
  releaseLockOwner,
  renew,
  setClientId,
  Version0,
} from "./testing/raw-version0.ts";

const create = { mode: 0 };
const views = ["fsap-1", "fsap-2"] as const;

function mounted(server: TestServer, view: string, reclaims = false): Promise<RawSession> {
  server.view = view;
  return server.client("host", { reclaims });
}

test("EXCHANGE_ID, through another view, is of another server and another client", async () => {
  await using server = await TestServer.start();
  const answers = [];
  for (const view of [...views, "fsap-1"]) {
    server.view = view;
    const connection = await server.connect();
    answers.push(await one(connection, exchangeId({ owner: "host" })));
    await server.hangUp(connection);
  }
  const [first, second, again] = answers;
  assert.notEqual(first!.majorId, second!.majorId);
  assert.notEqual(first!.clientId, second!.clientId);
  assert.equal(again!.majorId, first!.majorId);
});

test("SETCLIENTID, through another view, is another client", async () => {
  await using server = await TestServer.start();
  const ids = [];
  for (const view of views) {
    server.view = view;
    ids.push(await new Version0(await server.connect()).introduce("host"));
  }
  assert.notEqual(ids[0], ids[1]);
});

test("a mount through another view ends nothing of the first, and its locks keep it out", async () => {
  await using server = await TestServer.start();
  const first = await mounted(server, views[0]);
  const { stateid } = await first.value(putRoot, open("f", { create }));
  const asked = lock({ type: LockType.write, stateid, newOwner: "owner" });
  await first.value(putRoot, lookup("f"), asked);
  const second = await mounted(server, views[1]);
  assert.equal(await first.status(putRoot), "NFS4_OK");
  const opened = await second.value(putRoot, open("f"));
  const wanted = lock({ type: LockType.write, stateid: opened.stateid, newOwner: "owner" });
  assert.equal(await second.status(putRoot, lookup("f"), wanted), "NFS4ERR_DENIED");
});

test("after a restart, each view's mount reclaims what is its own", async () => {
  await using server = await TestServer.start();
  const handles = [];
  for (const view of views) {
    const session = await mounted(server, view);
    await session.value(putRoot, open(view, { create }));
    handles.push(await session.value(putRoot, lookup(view), getHandle));
  }
  await server.restart();
  for (const [index, view] of views.entries()) {
    const session = await mounted(server, view, true);
    assert.equal(await session.status(putHandle(handles[index]!), openAgain()), "NFS4_OK", view);
    await session.value(reclaimComplete());
  }
});

test("a session, through another view than its client's, isn't there", async () => {
  await using server = await TestServer.start();
  const first = await mounted(server, views[0]);
  const { stateid } = await first.value(putRoot, open("f", { create }));
  server.view = views[1];
  const elsewhere = await server.connect();
  const { id, clientId, fore } = first;
  const borrowed = new RawSession(elsewhere, clientId, id, fore);
  const cases: readonly (readonly [RawOperation<unknown>, string])[] = [
    [bindConnection(id, 1), "NFS4ERR_BADSESSION"],
    [destroySession(id), "NFS4ERR_BADSESSION"],
    [createSession({ clientId, sequence: 2 }), "NFS4ERR_STALE_CLIENTID"],
    [destroyClientId(clientId), "NFS4ERR_STALE_CLIENTID"],
  ];
  const used = await borrowed.run([putRoot, lookup("f"), close(stateid)], { slot: 1 });
  assert.equal(nameOf(used.status), "NFS4ERR_BADSESSION");
  const second = await mounted(server, views[1]);
  for (const [operation, expected] of cases) {
    const what = `operation ${operation.number}`;
    assert.equal(await statusOfOne(elsewhere, operation), expected, what);
    if (expected === "NFS4ERR_BADSESSION" && operation.number !== bindConnection(id, 1).number) {
      assert.equal(await second.status(operation), expected, `${what} in a session`);
    }
  }
  assert.equal(await first.status(putRoot, lookup("f"), close(stateid)), "NFS4_OK");
  // Another connection of the same view may go on with it.
  server.view = views[0];
  const again = new RawSession(await server.connect(), clientId, id, fore);
  assert.equal((await again.run([putRoot], { slot: 1 })).status, 0);
  await first.value(destroySession(id));
  assert.equal(await statusOfOne(elsewhere, destroyClientId(clientId)), "NFS4ERR_STALE_CLIENTID");
  assert.equal(await statusOfOne(first.connection, destroyClientId(clientId)), "NFS4_OK");
});

// Otherwise the kernel would take everything that it holds for lost, and the tunnel would not dial
// again when its certificate has been renewed.
test("a connection that may not mount, used for another view's session, is closed", async () => {
  await using server = await TestServer.start();
  const { id, clientId, fore } = await mounted(server, views[0]);
  server.view = "expired";
  server.permissions.mount = false;
  const stranger = new RawSession(await server.connect(), clientId, id, fore);
  const binding = await server.connect();
  const unanswered = [
    stranger.run([putRoot], { slot: 1 }),
    binding.compound([bindConnection(id, 1)]),
  ].map((reply) => assert.rejects(reply, /hung up/));
  const leaving = await server.connect();
  assert.equal(await statusOfOne(leaving, destroySession(id)), "NFS4ERR_BADSESSION");
  assert.equal(await statusOfOne(leaving, exchangeId({ owner: "host" })), "NFS4_OK");
  server.clock.advance(hangUpMs);
  await Promise.all(unanswered);
  server.view = views[0];
  server.permissions.mount = true;
  const renewed = new RawSession(await server.connect(), clientId, id, fore);
  assert.equal((await renewed.run([putRoot], { slot: 1 })).status, 0);
});

test("a client id of NFSv4.0 and its stateids, through another view, aren't there", async () => {
  await using server = await TestServer.start();
  server.view = views[0];
  const first = new Version0(await server.connect());
  const introduced = await first.value(setClientId("host"));
  server.view = views[1];
  const elsewhere = new Version0(await server.connect());
  const confirming = confirmClientId(introduced);
  assert.equal(await elsewhere.status(confirming), "NFS4ERR_STALE_CLIENTID");
  await first.value(confirming);
  const { clientId } = introduced;
  const opening = openInSequence("f", { clientId, seqid: 1, create });
  assert.equal(await elsewhere.status(putRoot, opening), "NFS4ERR_STALE_CLIENTID");
  const { stateid } = await first.value(putRoot, opening);
  const handle = await first.value(putRoot, lookup("f"), getHandle);
  const onFile = putHandle(handle);
  assert.equal(await elsewhere.status(onFile, confirmOpen(stateid, 2)), "NFS4ERR_BAD_STATEID");
  const confirmed = await first.value(onFile, confirmOpen(stateid, 2));
  const uses: readonly (readonly [RawOperation<unknown>, string])[] = [
    [renew(clientId), "NFS4ERR_STALE_CLIENTID"],
    [releaseLockOwner(clientId, "owner"), "NFS4ERR_STALE_CLIENTID"],
    [read(confirmed, 0, 1), "NFS4ERR_BAD_STATEID"],
    [closeInSequence(confirmed, 3), "NFS4ERR_BAD_STATEID"],
  ];
  for (const [operation, expected] of uses) {
    const what = `operation ${operation.number}`;
    assert.equal(await elsewhere.status(onFile, operation), expected, what);
  }
  assert.equal(await first.status(onFile, closeInSequence(confirmed, 3)), "NFS4_OK");
});

test("a request of NFSv4.0, the same through two views, is no retransmission", async () => {
  await using server = await TestServer.start();
  const record = callOf(4711, [putRoot, makeDirectory("d")]);
  const statuses = [];
  for (const view of views) {
    server.view = view;
    const reply = await (await server.connect()).exchange(4711, record);
    statuses.push(reply.readUInt32BE(24));
  }
  assert.deepEqual(statuses, [Status.OK, Status.EXIST]);
});
