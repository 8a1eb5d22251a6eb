// One host that mounts one file system through two access points, or as two principals: its kernel
// calls itself the same each time, and must not take the one mount's connection for the other
// (RFC 8881 §2.10.5.1, §2.10.5.4).
import assert from "node:assert/strict";
import { test } from "node:test";

import { LockType } from "../../wire/nfs4/operations.ts";
import { one, type RawSession, TestServer } from "./testing/raw-client.ts";
import { open, openAgain } from "./testing/raw-opens.ts";
import {
  getHandle,
  lock,
  lookup,
  putHandle,
  putRoot,
  reclaimComplete,
} from "./testing/raw-operations.ts";
import { exchangeId } from "./testing/raw-sessions.ts";
import { Version0 } from "./testing/raw-version0.ts";

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
    answers.push(await one(await server.connect(), exchangeId({ owner: "host" })));
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
