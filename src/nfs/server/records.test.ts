// What a client is told that it holds, it may reclaim after a crash that comes right after the
// answer: the records of who may are durable before it (RFC 8881 §8.4.2.1, RFC 7530 §9.6.3.4).
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import { LockType } from "../../wire/nfs4/operations.ts";
import { nameOf, TestServer } from "./testing/raw-client.ts";
import type { RawConnection } from "./testing/raw-connection.ts";
import { open, openAgain } from "./testing/raw-opens.ts";
import {
  getHandle,
  lock,
  lookup,
  putHandle,
  putRoot,
  reclaimComplete,
} from "./testing/raw-operations.ts";
import { confirmOpen, openInSequence, Version0 } from "./testing/raw-version0.ts";

const create = { mode: 0 };
const leaseMs = 90_000;

/** The records' durability is the test's from here on; calling what comes back lets it be. */
function heldBack({ records }: TestServer): () => void {
  const held: (() => void)[] = [];
  records.whenDurable = (call) => {
    held.push(call);
  };
  return () => {
    for (const call of held.splice(0)) call();
  };
}

/** Whether an answer has come, once one to a later request on the same connection has. */
async function isAnswered(answer: Promise<unknown>, connection: RawConnection): Promise<boolean> {
  let came = false;
  void answer.then(() => {
    came = true;
  });
  await connection.compound([putRoot, getHandle], { minorVersion: 0 });
  await nextTurn();
  return came;
}

test("RECLAIM_COMPLETE, and what is opened meanwhile, wait for the client's record", async () => {
  await using server = await TestServer.start();
  server.make("f");
  const session = await server.client("c", { reclaims: true });
  const other = await server.client("other");
  const release = heldBack(server);
  const said = session.run([reclaimComplete()]);
  assert.equal(await isAnswered(said, session.connection), false);
  const opened = session.run([putRoot, open("f")], { slot: 1 });
  assert.equal(await isAnswered(opened, session.connection), false);
  // Nobody else's requests wait, and no others of its own.
  assert.equal(await other.status(putRoot, lookup("f")), "NFS4_OK");
  assert.equal(nameOf((await session.run([putRoot, lookup("f")], { slot: 2 })).status), "NFS4_OK");
  release();
  assert.deepEqual(
    [nameOf((await said).status), nameOf((await opened).status)],
    ["NFS4_OK", "NFS4_OK"],
  );
  const handle = await session.value(putRoot, lookup("f"), getHandle);
  await server.restart();
  const again = await server.client("c", { reclaims: true });
  assert.equal(await again.status(putHandle(handle), openAgain()), "NFS4_OK");
});

test("OPEN_CONFIRM of NFSv4.0 waits for the client's record, also of a second owner", async () => {
  await using server = await TestServer.start();
  const client = new Version0(await server.connect());
  const clientId = await client.introduce("c");
  const onFile = putHandle(await handleOf(server, client, "f"));
  const opened = [];
  for (const owner of ["first", "second"]) {
    const opening = openInSequence("f", { clientId, seqid: 1, owner });
    opened.push((await client.value(putRoot, opening)).stateid);
  }
  const release = heldBack(server);
  const confirmed = opened.map((stateid) => client.value(onFile, confirmOpen(stateid, 2)));
  for (const answer of confirmed) {
    assert.equal(await isAnswered(answer, client.connection), false);
  }
  release();
  await Promise.all(confirmed);
});

test("a lock that somebody else has lost waits until that one can't reclaim it", async () => {
  await using server = await TestServer.start();
  server.make("f");
  const wanted = { type: LockType.write, newOwner: "owner" };
  const [first, second] = [await server.client("first"), await server.client("second")];
  const lost = await first.value(putRoot, open("f"));
  await first.value(putRoot, lookup("f"), lock({ ...wanted, stateid: lost.stateid }));
  const { stateid } = await second.value(putRoot, open("f"));
  server.clock.advance(leaseMs * 0.6);
  await second.value(putRoot);
  const release = heldBack(server);
  server.clock.advance(leaseMs * 0.5);
  const taken = second.run([putRoot, lookup("f"), lock({ ...wanted, stateid })]);
  assert.equal(await isAnswered(taken, second.connection), false);
  release();
  assert.equal(nameOf((await taken).status), "NFS4_OK");
});

test("a client that comes back after its lease is told so once it may reclaim again", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  await session.value(putRoot, open("f", { create }));
  server.clock.advance(leaseMs * 2);
  const release = heldBack(server);
  const back = session.run([putRoot]);
  assert.equal(await isAnswered(back, session.connection), false);
  release();
  assert.equal(nameOf((await back).status), "NFS4_OK");
});

async function handleOf(server: TestServer, client: Version0, name: string): Promise<Buffer> {
  server.make(name);
  return client.value(putRoot, lookup(name), getHandle);
}
