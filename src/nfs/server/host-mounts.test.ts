// One host that mounts one file system at several directories, each through a connection of its own:
// its kernel calls itself the same each time, and must not send what is of one mount over another's
// connection, which goes when that is unmounted (RFC 8881 §2.10.5.1, decision 13).
import assert from "node:assert/strict";
import { test } from "node:test";

import { ExchangeFlag } from "../../wire/nfs4/operations.ts";
import { hostMountsLimit } from "./limits.ts";
import { emptyState, introduction } from "./testing/direct-compound.ts";
import { one, RawSession, TestServer } from "./testing/raw-client.ts";
import { open, openAgain } from "./testing/raw-opens.ts";
import {
  getHandle,
  lookup,
  putHandle,
  putRoot,
  reclaimComplete,
} from "./testing/raw-operations.ts";
import {
  createSession,
  destroyClientId,
  destroySession,
  exchangeId,
} from "./testing/raw-sessions.ts";

const host = { owner: "host" } as const;
const create = { mode: 0 };
const reclaims = { reclaims: true } as const;

/** Mounts and opens a file of that name. */
async function mountWithFile(server: TestServer, name: string): Promise<[RawSession, Buffer]> {
  const session = await server.client(host.owner);
  await session.value(putRoot, open(name, { create }));
  return [session, await session.value(putRoot, lookup(name), getHandle)];
}

test("EXCHANGE_ID, while another connection speaks for the client, is of another server and client", async () => {
  await using server = await TestServer.start();
  const answers = [];
  for (let mount = 0; mount < 3; mount += 1) {
    const session = await server.client(host.owner);
    answers.push(await one(session.connection, exchangeId(host)));
    assert.equal(answers.at(-1)!.clientId, session.clientId);
  }
  assert.equal(new Set(answers.map(({ clientId }) => clientId)).size, 3);
  assert.equal(new Set(answers.map(({ majorId }) => majorId)).size, 3);
});

test("EXCHANGE_ID, while another connection is at introducing itself, leaves that its client", async () => {
  await using server = await TestServer.start();
  const [first, second] = [await server.connect(), await server.connect()];
  const ids = [];
  for (const connection of [first, second]) ids.push(await one(connection, exchangeId(host)));
  assert.notEqual(ids[0]!.clientId, ids[1]!.clientId);
  for (const [index, connection] of [first, second].entries()) {
    const { clientId, sequence } = ids[index]!;
    await one(connection, createSession({ clientId, sequence }));
  }
});

test("EXCHANGE_ID, once the client's connection is closed, is of the client", async () => {
  await using server = await TestServer.start();
  const { connection, clientId } = await server.client(host.owner);
  await server.hangUp(connection);
  const again = await one(await server.connect(), exchangeId(host));
  assert.equal(again.clientId, clientId);
  assert.ok(again.flags & ExchangeFlag.confirmed);
});

test("a session that goes on over another connection is that one's", async () => {
  await using server = await TestServer.start();
  const first = await server.client(host.owner);
  const { id, clientId, fore } = first;
  const second = new RawSession(await server.connect(), clientId, id, fore);
  await second.run([putRoot], { slot: 1 });
  await server.hangUp(first.connection);
  const other = await one(await server.connect(), exchangeId(host));
  assert.notEqual(other.clientId, clientId);
  const same = await one(second.connection, exchangeId(host));
  assert.equal(same.clientId, clientId);
});

test("a host that restarted is the client of before, whatever connections are left", async () => {
  await using server = await TestServer.start();
  const [before] = await mountWithFile(server, "f");
  const verifier = "restart!";
  await server.client(host.owner, { verifier });
  assert.equal(await before.status(putRoot), "NFS4ERR_BADSESSION");
});

test("after a restart, each of a host's mounts reclaims what it held, in whatever order", async () => {
  await using server = await TestServer.start();
  const handles = [];
  for (const name of ["f", "g", "h"]) handles.push((await mountWithFile(server, name))[1]);
  await server.restart();
  for (const handle of handles.toReversed()) {
    const session = await server.client(host.owner, reclaims);
    assert.equal(await session.status(putHandle(handle), openAgain()), "NFS4_OK");
    await session.value(reclaimComplete());
  }
});

test("after a restart, a host's mount reclaims though the one before it is unmounted", async () => {
  await using server = await TestServer.start();
  const { connection, id, clientId } = await server.client(host.owner);
  const [, handle] = await mountWithFile(server, "f");
  await one(connection, destroySession(id));
  await one(connection, destroyClientId(clientId));
  await server.restart();
  const session = await server.client(host.owner, reclaims);
  assert.equal(await session.status(putHandle(handle), openAgain()), "NFS4_OK");
});

test("past the limit, a host's mounts are taken for its first", () => {
  const state = emptyState();
  const { verifier, principal } = introduction();
  const names = Array.from({ length: hostMountsLimit + 1 }, () => {
    const owner = state.freeMount("host", verifier, principal);
    state.introduce(introduction({ owner }))!.speaker = { isOpen: true };
    return owner;
  });
  assert.equal(new Set(names).size, hostMountsLimit);
  assert.equal(names.at(-1), "host");
});
