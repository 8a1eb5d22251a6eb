// LOCK, LOCKT and LOCKU (RFC 8881 §18.10 to §18.12, §9).
import assert from "node:assert/strict";
import { test } from "node:test";

import { LockType, Operation, ShareAccess } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import {
  anonymousStateid,
  bypassStateid,
  encodeStateid,
  type Stateid,
} from "../../wire/nfs4/stateid.ts";
import { nameOf, type RawSession, TestServer } from "./testing/raw-client.ts";
import { close, open } from "./testing/raw-opens.ts";
import {
  type Denied,
  lock,
  type LockArguments,
  lookup,
  plain,
  putRoot,
  type RawOperation,
  testLock,
  unlock,
} from "./testing/raw-operations.ts";

const { read, write, readBlocking, writeBlocking } = LockType;
const lastByte = 2n ** 64n - 1n;

async function opened(session: RawSession, access: number = ShareAccess.both): Promise<Stateid> {
  const asked = open("f", { access, create: { mode: 0 } });
  return (await session.value(putRoot, asked)).stateid;
}

function onFile(session: RawSession, operation: RawOperation<unknown>): Promise<string> {
  return session.status(putRoot, lookup("f"), operation);
}

/** An open file and a lock owner of it that has a first lock. */
async function owning(
  session: RawSession,
  first: Omit<LockArguments, "stateid">,
): Promise<Stateid> {
  const stateid = await opened(session);
  return session.value(putRoot, lookup("f"), lock({ newOwner: "owner", ...first, stateid }));
}

/** What of the bytes 0 to 99 a stranger finds locked, as "start-end type" from left to right. */
async function lockedRanges(stranger: RawSession): Promise<string[]> {
  const found: string[] = [];
  for (let offset = 0n; offset < 100n;) {
    const asked = testLock({ type: write, offset, length: 1n, owner: "stranger" });
    const { denied, status } = await stranger.run([putRoot, lookup("f"), asked]);
    if (status === Status.OK) {
      offset += 1n;
      continue;
    }
    const { offset: start, length, type } = denied!;
    const end = length === lastByte ? "end" : `${start + length}`;
    found.push(`${start}-${end} ${type === read ? "read" : "write"}`);
    offset = length === lastByte ? 100n : start + length;
  }
  return found;
}

interface RangeCase {
  readonly name: string;
  /** Locks, and unlocks where the type is "free": type, offset, length. */
  readonly steps: readonly (readonly ["read" | "write" | "free", bigint, bigint])[];
  readonly left: readonly string[];
}

const rangeCases: readonly RangeCase[] = [
  { name: "one", steps: [["write", 10n, 10n]], left: ["10-20 write"] },
  { name: "to the end", steps: [["read", 10n, lastByte]], left: ["10-end read"] },
  {
    name: "upgrade of all",
    steps: [
      ["read", 10n, 10n],
      ["write", 10n, 10n],
    ],
    left: ["10-20 write"],
  },
  {
    name: "upgrade in the middle splits",
    steps: [
      ["read", 10n, 30n],
      ["write", 20n, 10n],
    ],
    left: ["10-20 read", "20-30 write", "30-40 read"],
  },
  {
    name: "downgrade at the left",
    steps: [
      ["write", 10n, 30n],
      ["read", 0n, 20n],
    ],
    left: ["0-20 read", "20-40 write"],
  },
  {
    name: "neighbours merge",
    steps: [
      ["write", 10n, 10n],
      ["write", 20n, 10n],
    ],
    left: ["10-30 write"],
  },
  {
    name: "what lies between two merges them",
    steps: [
      ["read", 10n, 10n],
      ["read", 30n, 10n],
      ["read", 15n, 20n],
    ],
    left: ["10-40 read"],
  },
  {
    name: "unlock of all",
    steps: [
      ["write", 10n, 10n],
      ["free", 0n, lastByte],
    ],
    left: [],
  },
  {
    name: "unlock in the middle splits",
    steps: [
      ["write", 10n, 30n],
      ["free", 20n, 10n],
    ],
    left: ["10-20 write", "30-40 write"],
  },
  {
    name: "unlock of what is partly free",
    steps: [
      ["write", 10n, 10n],
      ["free", 15n, 50n],
    ],
    left: ["10-15 write"],
  },
  {
    name: "unlock of what isn't locked",
    steps: [
      ["write", 10n, 10n],
      ["free", 50n, 10n],
    ],
    left: ["10-20 write"],
  },
];

for (const { name, steps, left } of rangeCases) {
  test(`LOCK and LOCKU by one owner, ${name}: ${left.join(", ") || "nothing"}`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    const stranger = await server.client("stranger");
    const openStateid = await opened(session);
    let stateid: Stateid | undefined;
    for (const [type, offset, length] of steps) {
      const asked =
        type === "free"
          ? unlock(stateid!, offset, length)
          : lock({
              type: LockType[type],
              offset,
              length,
              ...(stateid ? { stateid } : { stateid: openStateid, newOwner: "owner" }),
            });
      const next: Stateid = await session.value(putRoot, lookup("f"), asked);
      // Each change of what is locked is a new version of the one stateid (§8.2.2).
      if (stateid !== undefined) assert.deepEqual(next, { ...stateid, seqid: stateid.seqid + 1 });
      else assert.equal(next.seqid, 1);
      stateid = next;
    }
    assert.deepEqual(await lockedRanges(stranger), left);
  });
}

test("LOCK and LOCKT, standing in somebody's way, name that lock and its owner", async () => {
  // RFC 8881 §18.10.2, LOCK4denied
  await using server = await TestServer.start();
  const holder = await server.client("holder");
  const other = await server.client("other");
  await owning(holder, { type: write, offset: 10n, length: 10n, newOwner: "the \0 owner\xff" });
  const stateid = await opened(other);
  const range = { type: read, offset: 15n, length: 100n };
  const asked = [
    lock({ ...range, stateid, newOwner: "mine" }),
    testLock({ ...range, owner: "mine" }),
    lock({ ...range, type: readBlocking, stateid, newOwner: "mine" }),
    lock({ ...range, type: writeBlocking, stateid, newOwner: "mine" }),
  ];
  const expected: Denied = {
    offset: 10n,
    length: 10n,
    type: write,
    clientId: holder.clientId,
    owner: "the \0 owner\xff",
  };
  for (const operation of asked) {
    const { status, denied } = await other.run([putRoot, lookup("f"), operation]);
    assert.equal(nameOf(status), "NFS4ERR_DENIED");
    assert.deepEqual(denied, expected);
  }
});

test("LOCK, denied, its length to the end, is told as all ones (§18.10.2)", async () => {
  await using server = await TestServer.start();
  const holder = await server.client("holder");
  const other = await server.client("other");
  await owning(holder, { type: read, offset: 7n });
  const asked = testLock({ type: write, owner: "mine" });
  const { denied } = await other.run([putRoot, lookup("f"), asked]);
  assert.deepEqual([denied?.offset, denied?.length, denied?.type], [7n, lastByte, read]);
});

test("LOCK, by who holds what, is given or denied", async () => {
  const cases: readonly (readonly [number, number, string])[] = [
    [read, read, "NFS4_OK"],
    [read, write, "NFS4ERR_DENIED"],
    [write, read, "NFS4ERR_DENIED"],
    [write, write, "NFS4ERR_DENIED"],
    [read, readBlocking, "NFS4_OK"],
    [writeBlocking, writeBlocking, "NFS4ERR_DENIED"],
  ];
  for (const [held, wanted, expected] of cases) {
    await using server = await TestServer.start();
    const session = await server.client("c");
    await owning(session, { type: held, offset: 0n, length: 10n });
    // Another owner of the same client is somebody else as well (§9.1.2).
    const stateid = await opened(session);
    const overlapping = { type: wanted, offset: 9n, length: 5n, stateid, newOwner: "other" };
    assert.equal(await onFile(session, lock(overlapping)), expected, `${held}, ${wanted}`);
    const beside = { ...overlapping, offset: 10n, newOwner: "beside" };
    const free = await onFile(session, lock({ ...beside, offset: 20n }));
    assert.equal(free, "NFS4_OK", `${held}, ${wanted}`);
  }
});

test("LOCK, an upgrade that another owner's read lock forbids, changes nothing", async () => {
  await using server = await TestServer.start();
  const first = await server.client("first");
  const second = await server.client("second");
  const mine = await owning(first, { type: read, offset: 0n, length: 10n });
  await owning(second, { type: read, offset: 5n, length: 10n });
  const upgrade = lock({ type: write, offset: 0n, length: 10n, stateid: mine });
  assert.equal(await onFile(first, upgrade), "NFS4ERR_DENIED");
  // The stateid is what it was before, and so is the lock.
  assert.equal(await onFile(first, unlock(mine, 50n, 1n)), "NFS4_OK");
  const third = await server.client("third");
  assert.deepEqual((await lockedRanges(third))[0], "0-10 read");
});

test("LOCK, LOCKT and LOCKU, by range, are taken or refused (§18.10.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const stateid = await owning(session, { type: read, offset: 0n, length: 1n });
  const cases: readonly (readonly [bigint, bigint, string])[] = [
    [0n, lastByte, "NFS4_OK"],
    [0n, 1n, "NFS4_OK"],
    [2n ** 40n, 2n ** 40n, "NFS4_OK"],
    [0n, 0n, "NFS4ERR_INVAL"],
    [100n, 0n, "NFS4ERR_INVAL"],
    // The end is past the last byte that there can be.
    [2n, lastByte - 1n, "NFS4ERR_INVAL"],
    [lastByte, 1n, "NFS4ERR_INVAL"],
    [2n ** 63n, 2n ** 63n, "NFS4ERR_INVAL"],
    // To where no file reaches.
    [0n, 2n ** 62n, "NFS4_OK"],
    [1n, lastByte - 1n, "NFS4_OK"],
    [2n ** 62n, 1n, "NFS4_OK"],
    [2n ** 62n, lastByte, "NFS4_OK"],
    [2n ** 63n - 1n, 1n, "NFS4_OK"],
    [lastByte - 1n, 1n, "NFS4_OK"],
  ];
  let latest = stateid;
  for (const [offset, length, expected] of cases) {
    const range = `${offset}, ${length}`;
    const free = unlock({ ...latest, seqid: 0 }, offset, length);
    assert.equal(await onFile(session, free), expected, `LOCKU ${range}`);
    const test = testLock({ type: write, offset, length, owner: "other" });
    const tested = await session.run([putRoot, lookup("f"), test]);
    assert.equal(nameOf(tested.status), expected, `LOCKT ${range}`);
    const asked = lock({ type: write, offset, length, stateid: { ...latest, seqid: 0 } });
    const taken = await session.run([putRoot, lookup("f"), asked]);
    assert.equal(nameOf(taken.status), expected, `LOCK ${range}`);
    const whole = unlock({ ...latest, seqid: 0 });
    latest = await session.value(putRoot, lookup("f"), whole);
  }
});

test("LOCK, with a stateid that doesn't fit, is refused", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("g");
  server.make("d", { type: "directory", mode: 0o755 });
  const { stateid } = await session.value(
    putRoot,
    open("f", { access: ShareAccess.read, create: { mode: 0 } }),
  );
  const locked = await session.value(
    putRoot,
    lookup("f"),
    lock({ type: read, stateid, newOwner: "owner" }),
  );
  const at = (name: string, given: LockArguments): readonly RawOperation<unknown>[] => [
    putRoot,
    lookup(name),
    lock(given),
  ];
  const newOwner = "owner";
  const bad = "NFS4ERR_BAD_STATEID";
  const cases: readonly (readonly [string, readonly RawOperation<unknown>[], string])[] = [
    [
      "write lock on a file open for reading",
      at("f", { type: write, stateid, newOwner }),
      "NFS4ERR_OPENMODE",
    ],
    ["of another file", at("g", { type: read, stateid, newOwner }), bad],
    ["of another file, a lock", at("g", { type: read, stateid: locked }), bad],
    ["anonymous", at("f", { type: read, stateid: anonymousStateid, newOwner }), bad],
    ["bypassing", at("f", { type: read, stateid: bypassStateid, newOwner }), bad],
    ["an open where a lock belongs", at("f", { type: read, stateid }), bad],
    ["a lock where an open belongs", at("f", { type: read, stateid: locked, newOwner }), bad],
    [
      "reclaim without a restart",
      at("f", { type: read, stateid: locked, reclaim: true }),
      "NFS4ERR_NO_GRACE",
    ],
    ["on a directory", at("d", { type: read, stateid, newOwner }), "NFS4ERR_ISDIR"],
    ["on nothing", [lock({ type: read, stateid, newOwner })], "NFS4ERR_NOFILEHANDLE"],
  ];
  for (const [what, operations, expected] of cases) {
    assert.equal(await session.status(...operations), expected, what);
  }
  const elsewhere = await session.status(putRoot, lookup("g"), unlock(locked));
  assert.equal(elsewhere, bad);
});

test("LOCK and LOCKT, a type that there isn't, are refused", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const stateid = await opened(session);
  for (const type of [0, 5, 0xffff_ffff]) {
    for (const asked of [lock({ type, stateid, newOwner: "o" }), testLock({ type, owner: "o" })]) {
      const status = await onFile(session, asked);
      assert.ok(["NFS4ERR_INVAL", "NFS4ERR_BADXDR"].includes(status), `${type}: ${status}`);
    }
  }
  const cut = plain(Operation.LOCKU, (writer) => encodeStateid(writer, stateid));
  assert.equal(await onFile(session, cut), "NFS4ERR_BADXDR");
});

test("LOCK by one lock owner through two opens is one stateid (§8.2.1)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const [first, second] = [
    (await session.value(putRoot, open("f", { owner: "o", create: { mode: 0 } }))).stateid,
    (await session.value(putRoot, open("f", { owner: "p" }))).stateid,
  ];
  const range = { type: write, length: 10n, newOwner: "owner" };
  const held = await session.value(putRoot, lookup("f"), lock({ ...range, stateid: first }));
  const beside = lock({ ...range, offset: 20n, stateid: second });
  const again = await session.value(putRoot, lookup("f"), beside);
  assert.deepEqual(again, { ...held, seqid: 2 });
  assert.equal(await onFile(session, close(second)), "NFS4_OK");
  const stranger = await server.client("stranger");
  assert.deepEqual(await lockedRanges(stranger), ["0-10 write", "20-30 write"]);
  assert.equal(await onFile(session, close(first)), "NFS4ERR_LOCKS_HELD");
});

test("LOCKT, the owner's own lock, is no conflict (§18.11.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const other = await server.client("other");
  await owning(session, { type: write });
  const asked = testLock({ type: write, owner: "owner" });
  assert.equal(await onFile(session, asked), "NFS4_OK");
  // The same name at another client is another owner.
  const { status } = await other.run([putRoot, lookup("f"), asked]);
  assert.equal(nameOf(status), "NFS4ERR_DENIED");
});

test("CLOSE, locks held, either frees them or is refused (§18.2.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const stranger = await server.client("stranger");
  const stateid = await opened(session);
  const asked = lock({ type: write, stateid, newOwner: "owner" });
  const locked = await session.value(putRoot, lookup("f"), asked);
  const status = await onFile(session, close(stateid));
  assert.ok(["NFS4_OK", "NFS4ERR_LOCKS_HELD"].includes(status), status);
  assert.deepEqual(await lockedRanges(stranger), status === "NFS4_OK" ? [] : ["0-end write"]);
  if (status === "NFS4_OK") return;
  await session.value(putRoot, lookup("f"), unlock(locked));
  assert.equal(await onFile(session, close(stateid)), "NFS4_OK");
  assert.equal(await onFile(session, unlock(locked)), "NFS4ERR_BAD_STATEID");
});
