// OPEN, CLOSE, OPEN_DOWNGRADE and the stateids they make (RFC 8881 §18.16, §18.2, §18.18, §8.2).
import assert from "node:assert/strict";
import { test } from "node:test";

import { superuser } from "../../files/file-system.ts";
import { Attribute } from "../../wire/nfs4/attributes.ts";
import { CreateMode, ShareAccess } from "../../wire/nfs4/operations.ts";
import {
  anonymousStateid,
  bypassStateid,
  currentStateid,
  encodeStateid,
  type Stateid,
} from "../../wire/nfs4/stateid.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { nameOf, type RawSession, TestServer } from "./testing/raw-client.ts";
import { user } from "./testing/raw-connection.ts";
import {
  close,
  downgrade,
  open,
  openAgain,
  openClaiming,
  openHandle,
  type OpenFields,
} from "./testing/raw-opens.ts";
import {
  getAttributes,
  getHandle,
  lookup,
  putRoot,
  type RawOperation,
  read,
  restoreHandle,
  saveHandle,
  setAttributes,
  type Settings,
  write,
} from "./testing/raw-operations.ts";

const bytes = Buffer.from("contents");

function size(value: number): Settings[number] {
  return [Attribute.size, (writer: XdrWriter) => writer.uint64(value)];
}

function mode(value: number): Settings[number] {
  return [Attribute.mode, (writer: XdrWriter) => writer.uint32(value)];
}

function accessTimeNow(): Settings[number] {
  return [Attribute.accessTimeSet, (writer: XdrWriter) => writer.uint32(0)];
}

async function numberOf(
  session: RawSession,
  name: string,
  attribute: number,
  readIt: (values: Buffer) => number,
): Promise<number> {
  const bitmap = attribute < 32 ? [2 ** attribute] : [0, 2 ** (attribute - 32)];
  return readIt((await session.value(putRoot, lookup(name), getAttributes(bitmap))).values);
}

function sizeOf(session: RawSession, name: string): Promise<number> {
  return numberOf(session, name, Attribute.size, (values) => Number(values.readBigUInt64BE()));
}

function modeOf(session: RawSession, name: string): Promise<number> {
  return numberOf(session, name, Attribute.mode, (values) => values.readUInt32BE());
}

test("OPEN, by claim, opens or is refused (§18.16.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  server.make("d", { type: "directory", mode: 0o755 });
  server.make("l", { type: "symlink", mode: 0o777, target: Buffer.from("f") });
  server.make("p", { type: "fifo", mode: 0o666 });
  const onFile = (claimed: number, encodeClaim: (writer: XdrWriter) => void = () => {}) => [
    putRoot,
    ...(claimed > 3 ? [lookup("f")] : []),
    openClaiming({}, claimed, encodeClaim),
  ];
  const name = (writer: XdrWriter): void => writer.byteString("f");
  const stateidAndName = (writer: XdrWriter): void => {
    encodeStateid(writer, anonymousStateid);
    name(writer);
  };
  const create = { mode: CreateMode.unchecked };
  const cases: readonly (readonly [string, readonly RawOperation<unknown>[], string])[] = [
    ["a file", [putRoot, open("f")], "NFS4_OK"],
    ["the current file", [putRoot, lookup("f"), openHandle()], "NFS4_OK"],
    ["no such name", [putRoot, open("none")], "NFS4ERR_NOENT"],
    ["a directory", [putRoot, open("d")], "NFS4ERR_ISDIR"],
    ["the current directory", [putRoot, openHandle()], "NFS4ERR_ISDIR"],
    ["a symbolic link", [putRoot, open("l")], "NFS4ERR_SYMLINK"],
    ["a fifo", [putRoot, open("p")], "NFS4ERR_WRONG_TYPE"],
    ["in a file", [putRoot, lookup("f"), open("g")], "NFS4ERR_NOTDIR"],
    ["in a symbolic link", [putRoot, lookup("l"), open("g")], "NFS4ERR_SYMLINK"],
    ["no handle", [open("f")], "NFS4ERR_NOFILEHANDLE"],
    ["no name", [putRoot, open("")], "NFS4ERR_INVAL"],
    ["a long name", [putRoot, open("n".repeat(256))], "NFS4ERR_NAMETOOLONG"],
    ["a reclaim without a restart", [putRoot, lookup("f"), openAgain()], "NFS4ERR_NO_GRACE"],
    // EFS gives no delegations that could be claimed.
    ["CLAIM_DELEGATE_CUR", onFile(2, stateidAndName), "NFS4ERR_NOTSUPP"],
    ["CLAIM_DELEGATE_PREV", onFile(3, name), "NFS4ERR_NOTSUPP"],
    ["CLAIM_DELEG_CUR_FH", onFile(5, stateidAndName), "NFS4ERR_NOTSUPP"],
    ["CLAIM_DELEG_PREV_FH", onFile(6), "NFS4ERR_NOTSUPP"],
    ["no claim", onFile(7), "NFS4ERR_BADXDR"],
    ["creating by handle", [putRoot, lookup("f"), openHandle({ create })], "NFS4ERR_INVAL"],
    ["creating in a reclaim", [putRoot, lookup("f"), openAgain({ create })], "NFS4ERR_INVAL"],
    ["no access", [putRoot, open("f", { access: 0 })], "NFS4ERR_INVAL"],
    ["unknown access", [putRoot, open("f", { access: 3 | 0x10 })], "NFS4ERR_INVAL"],
    ["an unknown wish", [putRoot, open("f", { access: 3 | 0x600 })], "NFS4ERR_INVAL"],
    ["unknown deny", [putRoot, open("f", { deny: 4 })], "NFS4ERR_INVAL"],
  ];
  for (const [what, operations, expected] of cases) {
    assert.equal(await session.status(...operations), expected, what);
  }
});

test("OPEN, denying others, is refused and opens nothing", async () => {
  // EFS has no share reservations: NFS4ERR_NOTSUPP.
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const deny of [1, 2, 3]) {
    const create = { mode: CreateMode.unchecked };
    assert.equal(await session.status(putRoot, open("f", { deny, create })), "NFS4ERR_NOTSUPP");
  }
  assert.equal(await session.status(putRoot, lookup("f")), "NFS4ERR_NOENT");
});

test("OPEN, whatever delegation is wanted, is OPEN_DELEGATE_NONE as on EFS", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  for (const want of [0, 0x100, 0x200, 0x300, 0x400, 0x500, 0x1_0100, 0x2_0100]) {
    const { delegation } = await session.value(putRoot, open("f", { access: 3 | want }));
    assert.equal(delegation, 0, `${want}`);
  }
});

interface CreateCase {
  readonly name: string;
  readonly create: OpenFields["create"];
  readonly exists: boolean;
  readonly expected: string;
  readonly size?: number;
  /** Whether attrset has the size and the mode. */
  readonly sets?: { readonly size: boolean; readonly mode: boolean };
}

const { unchecked, guarded, exclusive, exclusive41 } = CreateMode;
const both: Settings = [size(0), mode(0o600)];
const createCases: readonly CreateCase[] = [
  {
    name: "UNCHECKED4, a new file",
    create: { mode: unchecked, settings: [mode(0o600)] },
    exists: false,
    expected: "NFS4_OK",
    size: 0,
    sets: { size: false, mode: true },
  },
  {
    name: "UNCHECKED4, an old file, size 0: is cut, nothing else is set",
    create: { mode: unchecked, settings: both },
    exists: true,
    expected: "NFS4_OK",
    size: 0,
    sets: { size: true, mode: false },
  },
  {
    name: "UNCHECKED4, an old file: stays as it is",
    create: { mode: unchecked, settings: [mode(0o600)] },
    exists: true,
    expected: "NFS4_OK",
    size: 8,
    sets: { size: false, mode: false },
  },
  {
    name: "GUARDED4, a new file",
    create: { mode: guarded, settings: both },
    exists: false,
    expected: "NFS4_OK",
    size: 0,
    sets: { size: true, mode: true },
  },
  {
    name: "GUARDED4, an old file",
    create: { mode: guarded, settings: both },
    exists: true,
    expected: "NFS4ERR_EXIST",
    size: 8,
  },
  {
    name: "EXCLUSIVE4, a new file",
    create: { mode: exclusive },
    exists: false,
    expected: "NFS4_OK",
    size: 0,
  },
  {
    name: "EXCLUSIVE4, an old file",
    create: { mode: exclusive, verifier: Buffer.from("another!") },
    exists: true,
    expected: "NFS4ERR_EXIST",
    size: 8,
  },
  {
    name: "EXCLUSIVE4_1, a new file",
    create: { mode: exclusive41, verifier: Buffer.from("verifier"), settings: [mode(0o600)] },
    exists: false,
    expected: "NFS4_OK",
    size: 0,
    sets: { size: false, mode: true },
  },
  {
    name: "EXCLUSIVE4_1, an old file",
    create: { mode: exclusive41, verifier: Buffer.from("another!"), settings: [mode(0o600)] },
    exists: true,
    expected: "NFS4ERR_EXIST",
    size: 8,
  },
  {
    name: "EXCLUSIVE4_1, an old file that no exclusive create made",
    create: { mode: exclusive41, settings: [mode(0o600)] },
    exists: true,
    expected: "NFS4ERR_EXIST",
    size: 8,
  },
];

for (const given of createCases) {
  test(`OPEN creating, ${given.name}: ${given.expected} (§18.16.3)`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    if (given.exists) await server.files.write(superuser, server.make("f"), 0, bytes);
    const result = await session.run([putRoot, open("f", { create: given.create! })]);
    assert.equal(nameOf(result.status), given.expected);
    assert.equal(await sizeOf(session, "f"), given.size);
    if (given.sets === undefined) return;
    const { set } = result.values.at(-1) as { set: readonly number[] };
    const hasSize = ((set[0] ?? 0) & (1 << Attribute.size)) !== 0;
    const hasMode = ((set[1] ?? 0) & (1 << (Attribute.mode - 32))) !== 0;
    assert.deepEqual({ size: hasSize, mode: hasMode }, given.sets);
    assert.equal(await modeOf(session, "f"), given.sets.mode ? 0o600 : 0o666);
  });
}

test("OPEN with EXCLUSIVE4_1, the same verifier again, is the same file", async () => {
  // RFC 8881 §18.16.3: how a client knows that its create succeeded when the reply was lost.
  await using server = await TestServer.start();
  const session = await server.client("c", { credential: user(1000) });
  server.files.setAttributes(superuser, server.files.root, { mode: 0o777 });
  const settings = [mode(0)];
  for (const createMode of [exclusive, exclusive41]) {
    const name = `f${createMode}`;
    const asked = (verifier: string): RawOperation<{ stateid: Stateid }> =>
      open(name, { create: { mode: createMode, verifier: Buffer.from(verifier), settings } });
    await session.value(putRoot, asked("verifier"), getHandle);
    const first = await session.value(putRoot, lookup(name), getHandle);
    // Also without any right to the file by its mode.
    const again = await session.value(putRoot, asked("verifier"), getHandle);
    assert.deepEqual(again, first);
    assert.equal(await session.status(putRoot, asked("another!")), "NFS4ERR_EXIST");
  }
});

test("OPEN with EXCLUSIVE4_1, somebody else's verifier, gives no right to the file", async () => {
  await using server = await TestServer.start();
  server.files.setAttributes(superuser, server.files.root, { mode: 0o777 });
  const create = { mode: exclusive41, verifier: Buffer.from("verifier"), settings: [mode(0)] };
  const owner = await server.client("c", { credential: user(1000) });
  await owner.value(putRoot, open("f", { create }));
  const other = await server.client("other", { credential: user(1001) });
  assert.equal(await other.status(putRoot, open("f", { create })), "NFS4ERR_ACCESS");
});

test("OPEN with EXCLUSIVE4_1, an attribute that it can't set, is refused", async () => {
  // RFC 8881 §18.16.3: cva_attrs has to be within suppattr_exclcreat.
  await using server = await TestServer.start();
  const session = await server.client("c");
  const create = { mode: exclusive41, settings: [accessTimeNow()] };
  assert.equal(await session.status(putRoot, open("f", { create })), "NFS4ERR_INVAL");
  assert.equal(await session.status(putRoot, lookup("f")), "NFS4ERR_NOENT");
});

test("OPEN, an unknown way to create, is malformed and creates nothing", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const cases: readonly OpenFields[] = [{ create: { mode: 4 } }, { openType: 2 }];
  for (const fields of cases) {
    assert.equal(await session.status(putRoot, open("f", fields)), "NFS4ERR_BADXDR");
  }
  assert.equal(await session.status(putRoot, lookup("f")), "NFS4ERR_NOENT");
});

test("OPEN creating, tells how its directory changed", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const made = await session.value(putRoot, open("f", { create: { mode: unchecked } }));
  assert.equal(made.change.atomic, true);
  assert.ok(made.change.after > made.change.before);
  const again = await session.value(putRoot, open("f", { create: { mode: unchecked } }));
  assert.equal(again.change.before, made.change.after);
  assert.equal(again.change.after, again.change.before);
});

test("OPEN, without the right to, is NFS4ERR_ACCESS", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { credential: user(1000) });
  server.make("read", { mode: 0o444 });
  server.make("write", { mode: 0o222 });
  server.make("run", { mode: 0o111 });
  const cases: readonly (readonly [string, number, string])[] = [
    ["read", ShareAccess.read, "NFS4_OK"],
    ["read", ShareAccess.write, "NFS4ERR_ACCESS"],
    ["read", ShareAccess.both, "NFS4ERR_ACCESS"],
    ["write", ShareAccess.write, "NFS4_OK"],
    ["write", ShareAccess.read, "NFS4ERR_ACCESS"],
    ["run", ShareAccess.read, "NFS4_OK"],
    ["run", ShareAccess.write, "NFS4ERR_ACCESS"],
  ];
  for (const [name, access, expected] of cases) {
    assert.equal(await session.status(putRoot, open(name, { access })), expected, name);
  }
  const create = { mode: unchecked };
  assert.equal(await session.status(putRoot, open("new", { create })), "NFS4ERR_ACCESS");
});

test("OPEN, again by the same owner, widens the same stateid (§9.11)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const first = await session.value(putRoot, open("f", { access: ShareAccess.read }));
  const second = await session.value(putRoot, open("f", { access: ShareAccess.write }));
  assert.deepEqual(second.stateid, { ...first.stateid, seqid: 2 });
  assert.equal(
    await session.status(putRoot, lookup("f"), write(second.stateid, 0, bytes)),
    "NFS4_OK",
  );
  const other = await session.value(putRoot, open("f", { owner: "another" }));
  assert.notEqual(other.stateid.other2, first.stateid.other2);
});

test("READ and WRITE, by how the file is open, are allowed or NFS4ERR_OPENMODE", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  server.make("g");
  const opened = async (access: number): Promise<Stateid> =>
    (await session.value(putRoot, open("f", { access, owner: `${access}` }))).stateid;
  const reading = await opened(ShareAccess.read);
  const writing = await opened(ShareAccess.write);
  const cases: readonly (readonly [string, RawOperation<unknown>, string])[] = [
    ["f", write(writing, 0, bytes), "NFS4_OK"],
    ["f", write(reading, 0, bytes), "NFS4ERR_OPENMODE"],
    ["f", read(reading, 0, 8), "NFS4_OK"],
    // Clients read around what they write (§9.1.2).
    ["f", read(writing, 0, 8), "NFS4_OK"],
    ["f", write(anonymousStateid, 0, bytes), "NFS4_OK"],
    ["f", read(anonymousStateid, 0, 8), "NFS4_OK"],
    ["f", read(bypassStateid, 0, 8), "NFS4_OK"],
    // Of another file (§8.2.4).
    ["g", read(reading, 0, 8), "NFS4ERR_BAD_STATEID"],
    ["g", write(writing, 0, bytes), "NFS4ERR_BAD_STATEID"],
    ["g", setAttributes(writing, [size(0)]), "NFS4ERR_BAD_STATEID"],
    ["g", close(writing), "NFS4ERR_BAD_STATEID"],
    ["g", downgrade(writing, ShareAccess.write), "NFS4ERR_BAD_STATEID"],
  ];
  for (const [name, operation, expected] of cases) {
    const status = await session.status(putRoot, lookup(name), operation);
    assert.equal(status, expected, `operation ${operation.number}`);
  }
});

test("READ, open for writing by who may not read, is NFS4ERR_OPENMODE (§9.1.2)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { credential: user(1000) });
  server.make("f", { mode: 0o222 });
  const { stateid } = await session.value(putRoot, open("f", { access: ShareAccess.write }));
  const reading = read(stateid, 0, 8);
  assert.equal(await session.status(putRoot, lookup("f"), reading), "NFS4ERR_OPENMODE");
});

test("the current stateid stands for the one of this compound (§16.2.3.1.2)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const opening = open("f", { create: { mode: unchecked } });
  const compound = [putRoot, opening, write(currentStateid, 0, bytes), close(currentStateid)];
  assert.equal(await session.status(...compound), "NFS4_OK");
  server.make("g");
  const moved = [putRoot, opening, putRoot, lookup("g"), close(currentStateid)];
  assert.equal(await session.status(...moved), "NFS4ERR_BAD_STATEID");
  const restored = [putRoot, opening, saveHandle, putRoot, restoreHandle, close(currentStateid)];
  assert.equal(await session.status(...restored), "NFS4_OK");
});
