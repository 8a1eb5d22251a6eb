// How much a client may hold: EFS's limits with their errors (facts §2.6), and what the server
// forgets by itself. Names, links, sizes and depth stand with their operations.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeClock } from "../../base/fake-clock.ts";
import { fileSizeLimit, locksPerFileLimit } from "../../files/limits.ts";
import { LockType } from "../../wire/nfs4/operations.ts";
import { anonymousStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import {
  clientsLimit,
  idleOwnersLimit,
  leaseSeconds,
  locksPerClientLimit,
  opensPerClientLimit,
} from "./limits.ts";
import type { FileSystemState } from "./state/file-system-state.ts";
import { Owners } from "./state/owner.ts";
import type { Session } from "./state/session.ts";
import {
  emptyState,
  introduced,
  introduction,
  runDirectly,
  sessionOf,
} from "./testing/direct-compound.ts";
import { nameOf, TestServer } from "./testing/raw-client.ts";
import { close, open, type Opened } from "./testing/raw-opens.ts";
import {
  lock,
  lookup,
  putRoot,
  type RawOperation,
  unlock,
  write,
} from "./testing/raw-operations.ts";
import { sequence } from "./testing/raw-sessions.ts";

const create = { mode: 0 };
/** Operations of a compound besides SEQUENCE and those that lead to the file. */
const batch = 60;

/** Runs the operations as the next request of the session's first slot. */
function run(
  state: FileSystemState,
  session: Session,
  operations: readonly RawOperation<unknown>[],
): { readonly status: string; readonly values: readonly unknown[] } {
  const first = sequence({ sessionId: session.id, sequence: session.slots[0]!.sequence + 1 });
  const { status, values } = runDirectly(state, [first, ...operations]);
  return { status: nameOf(status), values };
}

/** A lock of one byte with one free byte after it, so that none merge. */
function lockAt(index: number, stateid: Stateid): RawOperation<Stateid> {
  return lock({ type: LockType.write, offset: BigInt(index * 2), length: 1n, stateid });
}

/** As many locks as the file may have, but for the first; the lock owner has that one already. */
function lockAll(state: FileSystemState, session: Session, name: string, owned: Stateid): void {
  for (let index = 1; index < locksPerFileLimit;) {
    const asked: RawOperation<unknown>[] = [];
    for (; index < locksPerFileLimit && asked.length < batch; index += 1) {
      asked.push(lockAt(index, owned));
    }
    assert.equal(run(state, session, [putRoot, lookup(name), ...asked]).status, "NFS4_OK");
  }
}

function openedAndLocked(state: FileSystemState, session: Session, name: string): Stateid {
  const opened = run(state, session, [putRoot, open(name, { create })]).values.at(-1) as Opened;
  const { stateid } = opened;
  const first = lock({
    type: LockType.write,
    offset: 0n,
    length: 1n,
    stateid,
    newOwner: "owner",
  });
  const { status, values } = run(state, session, [putRoot, lookup(name), first]);
  assert.equal(status, "NFS4_OK");
  return { ...(values.at(-1) as Stateid), seqid: 0 };
}

test("open files of a client, past 65,536, are NFS4ERR_DQUOT, and others' are not", () => {
  const state = emptyState();
  const session = sessionOf(state, introduced(state));
  const opening = (index: number): RawOperation<unknown>[] => [
    putRoot,
    open("f", { create, owner: String(index) }),
  ];
  for (let index = 0; index < opensPerClientLimit; index += batch / 2) {
    const asked: RawOperation<unknown>[] = [];
    for (let at = index; at < Math.min(index + batch / 2, opensPerClientLimit); at += 1) {
      asked.push(...opening(at));
    }
    assert.equal(run(state, session, asked).status, "NFS4_OK");
  }
  assert.equal(run(state, session, opening(opensPerClientLimit)).status, "NFS4ERR_DQUOT");
  // The same again is no other open file.
  const again = run(state, session, opening(0));
  assert.equal(again.status, "NFS4_OK");
  const other = sessionOf(state, introduced(state, "other"));
  assert.equal(run(state, other, opening(0)).status, "NFS4_OK");
  const { stateid } = again.values.at(-1) as Opened;
  assert.equal(run(state, session, [putRoot, lookup("f"), close(stateid)]).status, "NFS4_OK");
  assert.equal(run(state, session, opening(opensPerClientLimit)).status, "NFS4_OK");
});

test("locks on a file, past 512 of all clients, are NFS4ERR_DQUOT", () => {
  const state = emptyState();
  const session = sessionOf(state, introduced(state));
  const other = sessionOf(state, introduced(state, "other"));
  const owned = openedAndLocked(state, session, "f");
  lockAll(state, session, "f", owned);
  const foreign = run(state, other, [putRoot, open("f")]).values.at(-1) as Opened;
  const wanted = lock({
    type: LockType.write,
    offset: 2000n,
    length: 1n,
    stateid: foreign.stateid,
    newOwner: "other",
  });
  const onFile = [putRoot, lookup("f")];
  const asked = [...onFile, wanted];
  assert.equal(run(state, other, asked).status, "NFS4ERR_DQUOT");
  assert.equal(run(state, session, [...onFile, unlock(owned, 0n, 1n)]).status, "NFS4_OK");
  assert.equal(run(state, other, asked).status, "NFS4_OK");
});

test("locks of a client, past 65,536 on all files, are NFS4ERR_DQUOT, and others' are not", () => {
  const state = emptyState();
  const client = introduced(state);
  const session = sessionOf(state, client);
  const files = locksPerClientLimit / locksPerFileLimit;
  let last: Stateid | undefined;
  for (let index = 0; index < files; index += 1) {
    last = openedAndLocked(state, session, `f${index}`);
    lockAll(state, session, `f${index}`, last);
  }
  const opened = run(state, session, [putRoot, open("more", { create })]).values.at(-1) as Opened;
  const more = lock({ type: LockType.read, stateid: opened.stateid, newOwner: "owner" });
  const asked = [putRoot, lookup("more"), more];
  assert.equal(run(state, session, asked).status, "NFS4ERR_DQUOT");
  const other = sessionOf(state, introduced(state, "other"));
  openedAndLocked(state, other, "more");
  // All of a file's locks at once.
  const unlocking = [putRoot, lookup(`f${files - 1}`), unlock(last!)];
  assert.equal(run(state, session, unlocking).status, "NFS4_OK");
  assert.equal(client.lockedRanges, locksPerClientLimit - locksPerFileLimit);
  const own = openedAndLocked(state, session, "own");
  assert.equal(run(state, session, [putRoot, lookup("own"), unlock(own)]).status, "NFS4_OK");
  assert.equal(client.lockedRanges, locksPerClientLimit - locksPerFileLimit);
});

test("clients past the limit have to wait, until the lease of one has run out", () => {
  const clock = new FakeClock();
  const state = emptyState(clock);
  const first = introduced(state, "first");
  run(state, sessionOf(state, first), [putRoot, open("f", { create })]);
  clock.advance(1);
  for (let index = 1; index < clientsLimit; index += 1) introduced(state, `${index}`);
  const come = (): boolean => state.introduce(introduction({ owner: "more" })) !== undefined;
  assert.equal(come(), false);
  clock.advance(leaseSeconds * 1000);
  assert.equal(come(), true);
  assert.equal(state.client(first.number), undefined);
  assert.equal([...state.clients()].length, clientsLimit);
});

test("a file larger than EFS has them is NFS4ERR_FBIG", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const bytes = Buffer.from("contents");
  for (const offset of [fileSizeLimit - bytes.length + 1, fileSizeLimit, 2 ** 63, Infinity]) {
    const asked = write(anonymousStateid, offset, bytes);
    const status = await session.status(putRoot, lookup("f"), asked);
    assert.equal(status, "NFS4ERR_FBIG", `${offset}`);
  }
  const last = write(anonymousStateid, fileSizeLimit, Buffer.alloc(0));
  assert.equal(await session.status(putRoot, lookup("f"), last), "NFS4_OK", "nothing is written");
});

test("an owner of NFSv4.0 holds what it opened and locked, until it is closed", () => {
  const state = emptyState();
  const client = state.introduce(introduction({ minorVersion: 0 }))!;
  const [opener, locker] = [client.openOwners.of("opener"), client.lockOwners.of("locker")];
  const inode = state.files.root;
  const opened = state.open(client, { owner: "opener", uid: 0, inode, access: 3 })!;
  state.open(client, { owner: "opener", uid: 0, inode, access: 1 });
  state.lockOf(opened, "locker");
  assert.deepEqual([opener.held, locker.held], [1, 1]);
  state.freeLock(state.lockOf(opened, "locker"));
  assert.deepEqual([opener.held, locker.held], [1, 0]);
  state.lockOf(opened, "locker");
  state.close(opened);
  assert.deepEqual([opener.held, locker.held], [0, 0]);
});

test("owners of NFSv4.0 without a stateid are forgotten, the oldest first, and no others", () => {
  const owners = new Owners();
  const holding = ["a", "b", "c"].map((name) => owners.of(name));
  for (const owner of holding) owner.held = 1;
  const confirmed = owners.of("idle");
  for (let index = 0; index < idleOwnersLimit * 2; index += 1) owners.of(`${index}`);
  assert.ok(owners.size <= idleOwnersLimit + 1, `${owners.size} are kept`);
  for (const [index, name] of ["a", "b", "c"].entries()) {
    assert.equal(owners.get(name), holding[index]);
  }
  assert.notEqual(owners.of("idle"), confirmed);
  assert.notEqual(owners.get(`${idleOwnersLimit * 2 - 1}`), undefined);
});

test("owners of NFSv4.0 that all hold something are all kept", () => {
  const owners = new Owners();
  for (let index = 0; index < idleOwnersLimit * 2; index += 1) owners.of(`${index}`).held = 1;
  assert.equal(owners.size, idleOwnersLimit * 2);
});
