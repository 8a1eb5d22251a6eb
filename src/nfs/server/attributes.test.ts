// GETATTR, SETATTR, VERIFY and NVERIFY (RFC 8881 §18.7, §18.30, §18.31, §18.15, §5).
import assert from "node:assert/strict";
import { test } from "node:test";

import { superuser } from "../../files/file-system.ts";
import { fileSizeLimit } from "../../files/limits.ts";
import { Attribute, bitmapOf, decodeBitmap } from "../../wire/nfs4/attributes.ts";
import {
  CreateMode,
  FileTypeNumber,
  LockType,
  Operation,
  ShareAccess,
} from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { anonymousStateid, encodeStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { nameOf, type RawSession, TestServer } from "./testing/raw-client.ts";
import { user } from "./testing/raw-connection.ts";
import { open } from "./testing/raw-opens.ts";
import {
  create,
  getAttributes,
  lock,
  lookup,
  makeDirectory,
  plain,
  putRoot,
  setAttributes,
  type Settings,
  verify,
} from "./testing/raw-operations.ts";

type Setting = Settings[number];

/** Attributes of RFC 8881 §5.8 that this server doesn't have: acl, hidden, quotas, dacl and more. */
const absent = [12, 14, 21, 24, 25, 32, 38, 39, 40, 46, 49, 50, 56, 57, 58, 62, 76, 80, 95];
const writeOnly = [Attribute.accessTimeSet, Attribute.modifyTimeSet];

/** A bitmap4 also of attributes past the third word. */
function bitmapWith(attributes: readonly number[]): number[] {
  const bitmap = Array<number>(8).fill(0);
  for (const attribute of attributes) {
    const word = attribute >>> 5;
    bitmap[word] = (bitmap[word]! | (1 << (attribute & 31))) >>> 0;
  }
  return bitmap;
}

function numbersOf(bitmap: readonly number[]): number[] {
  return bitmap.flatMap((word, index) =>
    Array.from({ length: 32 }, (_, bit) => index * 32 + bit).filter(
      (number) => (word & (1 << (number & 31))) !== 0,
    ),
  );
}

async function supported(session: RawSession): Promise<number[]> {
  const { values } = await session.value(putRoot, getAttributes([1]));
  return numbersOf(decodeBitmap(new XdrReader(values)));
}

test("GETATTR, what every server has to have, has it (§5.6)", async () => {
  await using server = await TestServer.start();
  const numbers = new Set(await supported(await server.client("c")));
  const required = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 19, 75];
  assert.deepEqual(
    required.filter((number) => !numbers.has(number)),
    [],
  );
  assert.deepEqual(
    absent.filter((number) => numbers.has(number)),
    [],
  );
});

test("GETATTR, whether times can be set, says that they can (§5.8.2.2)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const { values } = await session.value(putRoot, getAttributes(bitmapOf([15])));
  assert.deepEqual(values, Buffer.from([0, 0, 0, 1]));
});

test("GETATTR, all at once, is each by itself one after the other (§5.5)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const readable = (await supported(session)).filter(
    (number) => !writeOnly.some((other) => other === number),
  );
  const alone: Buffer[] = [];
  for (const number of readable) {
    const { bitmap, values } = await session.value(putRoot, getAttributes(bitmapOf([number])));
    assert.deepEqual(numbersOf(bitmap), [number]);
    assert.ok(values.length > 0 && values.length % 4 === 0, `attribute ${number}`);
    alone.push(values);
  }
  const all = await session.value(putRoot, getAttributes(bitmapOf(readable)));
  assert.deepEqual(numbersOf(all.bitmap), readable);
  assert.deepEqual(all.values, Buffer.concat(alone));
});

test("GETATTR, attributes that there aren't, leaves them out (§18.7.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const asked = getAttributes(bitmapWith([Attribute.type, ...absent, 200, 255]));
  const { bitmap, values } = await session.value(putRoot, asked);
  assert.deepEqual(numbersOf(bitmap), [Attribute.type]);
  assert.equal(values.length, 4);
  const none = await session.value(putRoot, getAttributes([]));
  assert.deepEqual([none.bitmap, none.values.length], [[], 0]);
});

test("GETATTR, what can only be set, is NFS4ERR_INVAL (§18.7.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const number of writeOnly) {
    const asked = getAttributes(bitmapOf([Attribute.type, number]));
    assert.equal(await session.status(putRoot, asked), "NFS4ERR_INVAL");
  }
  assert.equal(await session.status(getAttributes([1])), "NFS4ERR_NOFILEHANDLE");
});

const words =
  (...values: readonly number[]) =>
  (writer: XdrWriter): void => {
    for (const value of values) writer.uint32(value);
  };

const text =
  (value: string) =>
  (writer: XdrWriter): void =>
    writer.byteString(value);

const size = (value: number): Setting => [Attribute.size, (writer) => writer.uint64(value)];
const mode = (value: number): Setting => [Attribute.mode, words(value)];

interface SetCase {
  readonly name: string;
  readonly settings: Settings;
  readonly expected: string;
}

const setCases: readonly SetCase[] = [
  { name: "nothing", settings: [], expected: "NFS4_OK" },
  { name: "a size", settings: [size(100)], expected: "NFS4_OK" },
  { name: "a mode", settings: [mode(0o7777)], expected: "NFS4_OK" },
  {
    name: "owners",
    settings: [
      [36, text("1000")],
      [37, text("1001")],
    ],
    expected: "NFS4_OK",
  },
  { name: "the time now", settings: [[48, words(0)]], expected: "NFS4_OK" },
  { name: "a time", settings: [[54, words(1, 0, 5, 999_999_999)]], expected: "NFS4_OK" },
  {
    name: "a time before 1970",
    settings: [[54, words(1, 0xffff_ffff, 1, 0)]],
    expected: "NFS4_OK",
  },
  {
    name: "everything",
    settings: [
      size(7),
      mode(0o640),
      [36, text("1")],
      [37, text("2")],
      [48, words(0)],
      [54, words(0)],
    ],
    expected: "NFS4_OK",
  },
  // An attribute that can only be read (§5.5, §18.30.3).
  { name: "a type", settings: [[Attribute.type, words(1)]], expected: "NFS4ERR_INVAL" },
  { name: "a change", settings: [[Attribute.change, words(0, 1)]], expected: "NFS4ERR_INVAL" },
  { name: "a link count", settings: [[Attribute.links, words(1)]], expected: "NFS4ERR_INVAL" },
  { name: "a lease time", settings: [[Attribute.leaseTime, words(9)]], expected: "NFS4ERR_INVAL" },
  {
    name: "a size and a link count",
    settings: [size(1), [Attribute.links, words(1)]],
    expected: "NFS4ERR_INVAL",
  },
  // One that isn't there.
  { name: "an ACL", settings: [[12, words(0)]], expected: "NFS4ERR_ATTRNOTSUPP" },
  { name: "hidden", settings: [[25, words(1)]], expected: "NFS4ERR_ATTRNOTSUPP" },
  { name: "a backup time", settings: [[49, words(0, 0, 0)]], expected: "NFS4ERR_ATTRNOTSUPP" },
  {
    name: "a size and a masked mode",
    settings: [size(1), [74, words(0, 0)]],
    expected: "NFS4ERR_ATTRNOTSUPP",
  },
  { name: "an unknown one", settings: [[95, words(1)]], expected: "NFS4ERR_ATTRNOTSUPP" },
  // Values that can't be.
  { name: "a mode of a file type", settings: [mode(0o100644)], expected: "NFS4ERR_INVAL" },
  { name: "a name as owner", settings: [[36, text("root@x")]], expected: "NFS4ERR_BADOWNER" },
  {
    name: "an owner past 32 bits",
    settings: [[36, text("4294967296")]],
    expected: "NFS4ERR_BADOWNER",
  },
  { name: "a negative owner", settings: [[37, text("-1")]], expected: "NFS4ERR_BADOWNER" },
  {
    name: "too many nanoseconds",
    settings: [[54, words(1, 0, 5, 1e9)]],
    expected: "NFS4ERR_INVAL",
  },
  { name: "too large", settings: [size(fileSizeLimit + 1)], expected: "NFS4ERR_FBIG" },
  // Values that are no XDR.
  { name: "an unknown way to set a time", settings: [[48, words(2)]], expected: "NFS4ERR_BADXDR" },
  { name: "half a size", settings: [[Attribute.size, words(0)]], expected: "NFS4ERR_BADXDR" },
  {
    name: "more than a mode",
    settings: [[Attribute.mode, words(1, 2)]],
    expected: "NFS4ERR_BADXDR",
  },
];

for (const { name, settings, expected } of setCases) {
  test(`SETATTR, ${name}: ${expected} (§18.30.3)`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    const { change } = server.make("f");
    const asked = setAttributes(anonymousStateid, settings);
    const result = await session.run([putRoot, lookup("f"), asked]);
    assert.equal(nameOf(result.status), expected);
    const after = server.files.lookup(superuser, server.files.root, "f") as { change: number };
    if (result.status !== Status.OK) assert.equal(after.change, change);
    else {
      const set = numbersOf(result.values.at(-1) as number[]);
      const numbers = settings.map(([number]) => number);
      assert.deepEqual(set, numbers);
      if (numbers.length > 0) assert.ok(after.change > change);
    }
  });
}

/** What EFS says that it doesn't have (facts §2.5), and what it may be set to. */
const refusedByEfs: readonly (readonly [string, Setting])[] = [
  ["acl", [12, words(0)]],
  ["archive", [14, words(1)]],
  ["files_avail", [21, words(0, 1)]],
  ["files_free", [22, words(0, 1)]],
  ["files_total", [23, words(0, 1)]],
  ["fs_locations", [24, words(0, 0)]],
  ["mimetype", [32, text("text")]],
  ["quota_avail_hard", [38, words(0, 1)]],
  ["quota_avail_soft", [39, words(0, 1)]],
  ["quota_used", [40, words(0, 1)]],
  ["time_backup", [49, words(0, 0, 0)]],
];

for (const [name, setting] of refusedByEfs) {
  test(`SETATTR, CREATE and OPEN, ${name}, are NFS4ERR_ATTRNOTSUPP as on EFS`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    server.make("f");
    const changing = setAttributes(anonymousStateid, [setting]);
    assert.equal(await session.status(putRoot, lookup("f"), changing), "NFS4ERR_ATTRNOTSUPP");
    const creating = create(FileTypeNumber.directory, "d", [setting]);
    assert.equal(await session.status(putRoot, creating), "NFS4ERR_ATTRNOTSUPP");
    const opening = open("g", { create: { mode: CreateMode.unchecked, settings: [setting] } });
    assert.equal(await session.status(putRoot, opening), "NFS4ERR_ATTRNOTSUPP");
    for (const made of ["d", "g"]) {
      assert.equal(await session.status(putRoot, lookup(made)), "NFS4ERR_NOENT");
    }
  });
}

test("SETATTR, what was set, is what GETATTR gives", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const settings: Settings = [
    size(12_345),
    mode(0o640),
    [36, text("1000")],
    [37, text("1001")],
    [48, words(1, 0, 5, 999_999_999)],
    [54, words(1, 0xffff_ffff, 0xffff_fff0, 1)],
  ];
  await session.value(putRoot, lookup("f"), setAttributes(anonymousStateid, settings));
  const asked = bitmapOf([4, 33, 36, 37, 47, 53]);
  const { values } = await session.value(putRoot, lookup("f"), getAttributes(asked));
  const reader = new XdrReader(values);
  assert.deepEqual(
    {
      size: reader.uint53(),
      mode: reader.uint32(),
      owner: reader.byteString(99),
      group: reader.byteString(99),
      accessed: [reader.int64(), reader.uint32()],
      modified: [reader.int64(), reader.uint32()],
      left: reader.remaining,
    },
    {
      size: 12_345,
      mode: 0o640,
      owner: "1000",
      group: "1001",
      accessed: [5, 999_999_999],
      modified: [-16, 1],
      left: 0,
    },
  );
});

test("SETATTR, a size where there is none, is refused", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("d", { type: "directory", mode: 0o755 });
  server.make("p", { type: "fifo", mode: 0o644 });
  for (const name of ["d", "p"]) {
    const asked = setAttributes(anonymousStateid, [size(0)]);
    const status = await session.status(putRoot, lookup(name), asked);
    const allowed = ["NFS4ERR_INVAL", "NFS4ERR_ISDIR", "NFS4ERR_WRONG_TYPE"];
    assert.ok(allowed.includes(status), `${name}: ${status}`);
  }
});

test("SETATTR, a size, by stateid, is set or refused (§18.30.3, §8.2.4)", async () => {
  await using server = await TestServer.start();
  const owner = await server.client("c", { credential: user(1000) });
  server.files.setAttributes(superuser, server.files.root, { mode: 0o777 });
  const opened = async (name: string, access: number): Promise<Stateid> => {
    const asked = open(name, {
      access,
      owner: `${access}`,
      create: { mode: 0, settings: [mode(0o600)] },
    });
    return (await owner.value(putRoot, asked)).stateid;
  };
  const writing = await opened("f", ShareAccess.write);
  const reading = await opened("f", ShareAccess.read);
  const other = await opened("g", ShareAccess.both);
  const locking = lock({ type: LockType.write, stateid: writing, newOwner: "l" });
  const locked = await owner.value(putRoot, lookup("f"), locking);
  // By its mode nobody may write the file any more: what is open stays open (§18.30.3).
  const readOnly = setAttributes(anonymousStateid, [mode(0o400)]);
  await owner.value(putRoot, lookup("f"), readOnly);
  const cases: readonly (readonly [string, Stateid, string])[] = [
    ["open for writing", writing, "NFS4_OK"],
    ["locked", locked, "NFS4_OK"],
    ["the latest", { ...writing, seqid: 0 }, "NFS4_OK"],
    ["open for reading", reading, "NFS4ERR_OPENMODE"],
    ["of another file", other, "NFS4ERR_BAD_STATEID"],
    ["of nobody", { ...writing, other2: 9999 }, "NFS4ERR_BAD_STATEID"],
    ["none", anonymousStateid, "NFS4ERR_ACCESS"],
  ];
  for (const [index, [what, stateid, expected]] of cases.entries()) {
    const asked = setAttributes(stateid, [size(index + 10)]);
    assert.equal(await owner.status(putRoot, lookup("f"), asked), expected, what);
  }
  // Without a size the stateid isn't looked at.
  const asked = setAttributes({ ...writing, other2: 9999 }, [mode(0o600)]);
  assert.equal(await owner.status(putRoot, lookup("f"), asked), "NFS4_OK");
});

test("SETATTR, by somebody else, is NFS4ERR_PERM or NFS4ERR_ACCESS", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { credential: user(1000) });
  server.make("f", { mode: 0o644 });
  const cases: readonly (readonly [Settings, string])[] = [
    [[mode(0o777)], "NFS4ERR_PERM"],
    [[[36, text("1000")]], "NFS4ERR_PERM"],
    [[[54, words(1, 0, 5, 0)]], "NFS4ERR_PERM"],
    [[[54, words(0)]], "NFS4ERR_ACCESS"],
    [[size(0)], "NFS4ERR_ACCESS"],
  ];
  for (const [settings, expected] of cases) {
    const asked = setAttributes(anonymousStateid, settings);
    assert.equal(await session.status(putRoot, lookup("f"), asked), expected);
  }
});

test("VERIFY and NVERIFY, by what is compared, go on or stop (§18.31.3, §18.15.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const { VERIFY, NVERIFY } = Operation;
  const compared = bitmapOf([Attribute.type, Attribute.size, Attribute.owner, Attribute.mode]);
  const same = await session.value(putRoot, getAttributes(compared));
  const other = { ...same, values: Buffer.from(same.values) };
  other.values[3]! ^= 1;
  const longer = { ...same, values: Buffer.concat([same.values, Buffer.alloc(4)]) };
  const single = (number: number, values: Buffer = Buffer.alloc(4)): typeof same => ({
    bitmap: bitmapWith([number]),
    values,
  });
  const cases: readonly (readonly [string, typeof same, string, string])[] = [
    ["the same", same, "NFS4_OK", "NFS4ERR_SAME"],
    ["another type", other, "NFS4ERR_NOT_SAME", "NFS4_OK"],
    ["nothing", { bitmap: [], values: Buffer.alloc(0) }, "NFS4_OK", "NFS4ERR_SAME"],
    ["what there isn't", single(12), "NFS4ERR_ATTRNOTSUPP", "NFS4ERR_ATTRNOTSUPP"],
    ["far too high", single(200), "NFS4ERR_ATTRNOTSUPP", "NFS4ERR_ATTRNOTSUPP"],
    ["what can only be set", single(48), "NFS4ERR_INVAL", "NFS4ERR_INVAL"],
    ["an error of READDIR", single(11), "NFS4ERR_INVAL", "NFS4ERR_INVAL"],
  ];
  for (const [what, given, verified, differing] of cases) {
    assert.equal(await session.status(putRoot, verify(VERIFY, given)), verified, what);
    assert.equal(await session.status(putRoot, verify(NVERIFY, given)), differing, what);
  }
  // Values that are not what the bitmap says are not the same, or no XDR; never the same.
  const broken = await session.status(putRoot, verify(VERIFY, longer));
  assert.ok(["NFS4ERR_NOT_SAME", "NFS4ERR_BADXDR"].includes(broken), broken);
  // A compound that finds a difference doesn't do what follows.
  await session.run([putRoot, verify(VERIFY, other), makeDirectory("d")]);
  assert.equal(await session.status(putRoot, lookup("d")), "NFS4ERR_NOENT");
  assert.equal(await session.status(verify(VERIFY, same)), "NFS4ERR_NOFILEHANDLE");
});

test("SETATTR, cut off in the middle, is NFS4ERR_BADXDR and still has its bitmap", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const cut = plain(Operation.SETATTR, (writer) => {
    encodeStateid(writer, anonymousStateid);
    writer.uint32(1);
  });
  assert.equal(await session.status(putRoot, cut), "NFS4ERR_BADXDR");
});
