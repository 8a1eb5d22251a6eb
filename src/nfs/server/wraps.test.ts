// Numbers of 32 bits that come to their end: stateids' sequence numbers (RFC 8881 §8.2.2), slots'
// (§2.10.6.1), CREATE_SESSION's (§18.36.4), and the server's own ids.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ShareAccess } from "../../wire/nfs4/operations.ts";
import { currentStateid } from "../../wire/nfs4/stateid.ts";
import type { FileSystemState } from "./state/file-system-state.ts";
import type { Session } from "./state/session.ts";
import { emptyState, introduced, runDirectly, sessionOf } from "./testing/direct-compound.ts";
import { nameOf } from "./testing/raw-client.ts";
import { close, downgrade, open, type Opened } from "./testing/raw-opens.ts";
import {
  getHandle,
  lock,
  lookup,
  makeDirectory,
  putRoot,
  type RawOperation,
  read,
  unlock,
} from "./testing/raw-operations.ts";
import { createSession, sequence } from "./testing/raw-sessions.ts";

const highest = 0xffff_ffff;
const create = { mode: 0 };

/** Runs the operations as the slot's next request, and gives the last one's value. */
function next<T>(
  state: FileSystemState,
  session: Session,
  ...operations: [...RawOperation<unknown>[], RawOperation<T>]
): T {
  const { sequence: last } = session.slots[0]!;
  const first = sequence({ sessionId: session.id, sequence: (last + 1) >>> 0, keep: true });
  const result = runDirectly(state, [first, ...operations]);
  assert.equal(nameOf(result.status), "NFS4_OK");
  return result.values.at(-1) as T;
}

test("a stateid's sequence number, at its highest, goes on with one (§8.2.2)", () => {
  const state = emptyState();
  const client = introduced(state);
  const session = sessionOf(state, client);
  const { both } = ShareAccess;
  const { stateid } = next(state, session, putRoot, open("f", { create, access: both }));
  const held = client.states.get(stateid.other2)!;
  held.seqid = highest;
  const again = next(state, session, putRoot, open("f", { access: both }));
  assert.deepEqual(again.stateid, { ...stateid, seqid: 1 });
  held.seqid = highest - 1;
  const narrowing = downgrade(currentStateid, both);
  const narrowed = next(state, session, putRoot, open("f", { access: both }), narrowing);
  assert.deepEqual(narrowed, { ...stateid, seqid: 1 });
});

test("a lock's stateid, at its highest sequence number, goes on with one (§8.2.2)", () => {
  const state = emptyState();
  const client = introduced(state);
  const session = sessionOf(state, client);
  const { stateid } = next(state, session, putRoot, open("f", { create }));
  const first = lock({ type: 2, stateid, newOwner: "o" });
  const taken = next(state, session, putRoot, lookup("f"), first);
  const latest = { ...taken, seqid: highest };
  for (const step of [lock({ type: 1, stateid: latest }), unlock(latest)]) {
    client.states.get(taken.other2)!.seqid = highest;
    const after = next(state, session, putRoot, lookup("f"), step);
    assert.deepEqual(after, { ...taken, seqid: 1 });
  }
});

test("stateids of before and after the wrap are told apart (§8.2.2)", () => {
  const state = emptyState();
  const client = introduced(state);
  const session = sessionOf(state, client);
  const { stateid } = next(state, session, putRoot, open("f", { create }));
  const held = client.states.get(stateid.other2)!;
  const cases: readonly (readonly [latest: number, given: number, expected: string])[] = [
    [2, highest, "NFS4ERR_OLD_STATEID"],
    [2, 1, "NFS4ERR_OLD_STATEID"],
    [2, 3, "NFS4ERR_BAD_STATEID"],
    [highest, highest - 1, "NFS4ERR_OLD_STATEID"],
    [highest, 1, "NFS4ERR_BAD_STATEID"],
    [highest, 0, "NFS4_OK"],
    [highest, highest, "NFS4_OK"],
  ];
  for (const [latest, seqid, expected] of cases) {
    held.seqid = latest;
    const first = sequence({ sessionId: session.id, sequence: session.slots[0]!.sequence + 1 });
    const asked = read({ ...stateid, seqid }, 0, 1);
    const { status } = runDirectly(state, [first, putRoot, lookup("f"), asked]);
    assert.equal(nameOf(status), expected, `${seqid} where ${latest} is the latest`);
  }
});

test("a slot's sequence number, at its highest, goes on with zero (§2.10.6.1)", () => {
  const state = emptyState();
  const session = sessionOf(state, introduced(state));
  next(state, session, putRoot, makeDirectory("before"));
  session.slots[0]!.sequence = highest;
  const { id: sessionId } = session;
  const wrapped = [
    sequence({ sessionId, sequence: 0, keep: true }),
    putRoot,
    makeDirectory("once"),
  ];
  const original = runDirectly(state, wrapped);
  assert.equal(nameOf(original.status), "NFS4_OK");
  assert.deepEqual(runDirectly(state, wrapped).bytes, original.bytes, "a retransmission");
  const misordered = runDirectly(state, [sequence({ sessionId, sequence: highest }), putRoot]);
  assert.equal(nameOf(misordered.status), "NFS4ERR_SEQ_MISORDERED");
  next(state, session, putRoot, getHandle);
  assert.equal(session.slots[0]!.sequence, 1);
});

test("CREATE_SESSION's sequence number, at its highest, goes on with zero (§18.36.4)", () => {
  const state = emptyState();
  const client = introduced(state);
  client.sequence = highest;
  const id = Buffer.alloc(8);
  id.writeUInt32BE(state.instance, 0);
  id.writeUInt32BE(client.number, 4);
  const clientId = id.toString("hex");
  const asked = [highest, 0, 0, 1].map((number) => {
    const { bytes, status } = runDirectly(state, [createSession({ clientId, sequence: number })]);
    assert.equal(nameOf(status), "NFS4_OK", `${number}`);
    return bytes;
  });
  assert.deepEqual(asked[2], asked[1], "a retransmission");
  assert.equal(client.sessions.size, 3);
});

test("ids of stateids begin again at their end, and skip those that are in use", () => {
  const state = emptyState();
  const client = introduced(state);
  const session = sessionOf(state, client);
  const opened = (name: string): Opened["stateid"] =>
    next(state, session, putRoot, open(name, { create })).stateid;
  const first = opened("first");
  client.lastState = highest - 1;
  const numbers = ["second", "third", "fourth"].map((name) => opened(name).other2);
  assert.deepEqual(numbers, [highest, first.other2 + 1, first.other2 + 2]);
  const asked = [putRoot, lookup("first"), close(first)] as const;
  next(state, session, ...asked);
});
