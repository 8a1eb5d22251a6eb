// LOOKUP, LOOKUPP, CREATE, REMOVE, RENAME, LINK, READLINK and SECINFO (RFC 8881 §18.13, §18.14,
// §18.4, §18.25, §18.26, §18.9, §18.24, §18.29).
import assert from "node:assert/strict";
import { test } from "node:test";

import { linkLimit, symbolicLinkLimit } from "../../files/limits.ts";
import { superuser } from "../../files/file-system.ts";
import { Attribute } from "../../wire/nfs4/attributes.ts";
import { FileTypeNumber, Operation } from "../../wire/nfs4/operations.ts";
import { TestServer } from "./testing/raw-client.ts";
import { user } from "./testing/raw-connection.ts";
import { open } from "./testing/raw-opens.ts";
import {
  create,
  getHandle,
  link,
  lookup,
  lookupParent,
  makeDirectory,
  plain,
  putHandle,
  putRoot,
  type RawOperation,
  readLink,
  remove,
  rename,
  restoreHandle,
  saveHandle,
  type Settings,
} from "./testing/raw-operations.ts";
import { Version0 } from "./testing/raw-version0.ts";

type Operations = readonly RawOperation<unknown>[];

/** What every operation says to a name that no file can have (RFC 8881 §14.5, §15.1). */
const refusedNames: readonly (readonly [string, string, string])[] = [
  ["an empty name", "", "NFS4ERR_INVAL"],
  ["the directory itself", ".", "NFS4ERR_BADNAME"],
  ["the directory above", "..", "NFS4ERR_BADNAME"],
  ["a path", "a/b", "NFS4ERR_BADCHAR"],
  ["a slash", "/", "NFS4ERR_BADCHAR"],
  ["a NUL", "a\0b", "NFS4ERR_BADCHAR"],
  ["256 bytes", "n".repeat(256), "NFS4ERR_NAMETOOLONG"],
  ["5,000 bytes", "n".repeat(5000), "NFS4ERR_NAMETOOLONG"],
];

const named: readonly (readonly [string, (name: string) => Operations])[] = [
  ["LOOKUP", (name) => [putRoot, lookup(name)]],
  ["OPEN", (name) => [putRoot, open(name)]],
  ["OPEN creating", (name) => [putRoot, open(name, { create: { mode: 0 } })]],
  ["CREATE", (name) => [putRoot, makeDirectory(name)]],
  ["REMOVE", (name) => [putRoot, remove(name)]],
  ["RENAME from", (name) => [putRoot, saveHandle, rename(name, "to")]],
  ["RENAME to", (name) => [putRoot, saveHandle, rename("f", name)]],
  ["LINK", (name) => [putRoot, lookup("f"), saveHandle, putRoot, link(name)]],
  ["SECINFO", (name) => [putRoot, securityOf(name)]],
];

function securityOf(name: string): RawOperation<number[]> {
  return {
    number: Operation.SECINFO,
    encode: (writer) => writer.byteString(name),
    decode: (reader) => reader.array(8, (item) => item.uint32()),
  };
}

for (const [operation, compoundOf] of named) {
  test(`${operation}, names that can't be, are refused and change nothing`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    server.make("f");
    const before = server.files.root.change;
    for (const [what, name, expected] of refusedNames) {
      assert.equal(await session.status(...compoundOf(name)), expected, what);
    }
    assert.equal(server.files.root.change, before);
  });

  test(`${operation}, a name of 255 bytes, is like any other`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    server.make("f");
    const name = "n".repeat(255);
    const makes = ["OPEN creating", "CREATE", "RENAME to", "LINK"].includes(operation);
    if (!makes) server.make(name);
    assert.equal(await session.status(...compoundOf(name)), "NFS4_OK");
  });

  test(`${operation}, no current file handle, is NFS4ERR_NOFILEHANDLE`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    const last = compoundOf("x").at(-1)!;
    assert.equal(await session.status(last), "NFS4ERR_NOFILEHANDLE");
  });
}

test("LOOKUP and LOOKUPP, by where they start, find or say why not", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { credential: user(1000) });
  server.make("f");
  server.make("l", { type: "symlink", mode: 0o777, target: Buffer.from("d") });
  server.make("closed", { type: "directory", mode: 0o700 });
  server.make("d", { type: "directory", mode: 0o755 });
  const cases: readonly (readonly [string, Operations, string])[] = [
    ["a name that there isn't", [putRoot, lookup("none")], "NFS4ERR_NOENT"],
    ["below a file", [putRoot, lookup("f"), lookup("x")], "NFS4ERR_NOTDIR"],
    ["through a symbolic link", [putRoot, lookup("l"), lookup("x")], "NFS4ERR_SYMLINK"],
    ["in a closed directory", [putRoot, lookup("closed"), lookup("x")], "NFS4ERR_ACCESS"],
    ["above a directory", [putRoot, lookup("d"), lookupParent, lookup("d")], "NFS4_OK"],
    ["above the root", [putRoot, lookupParent], "NFS4ERR_NOENT"],
    ["above a file", [putRoot, lookup("f"), lookupParent], "NFS4ERR_NOTDIR"],
    ["above nothing", [lookupParent], "NFS4ERR_NOFILEHANDLE"],
    ["a failure leaves no later operation", [putRoot, lookup("none"), putRoot], "NFS4ERR_NOENT"],
  ];
  for (const [what, operations, expected] of cases) {
    assert.equal(await session.status(...operations), expected, what);
  }
});

test("a path a thousand directories deep can be made and walked, and no deeper one", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const step = session.fore.maximumOperations - 3;
  let handle = await session.value(putRoot, getHandle);
  const root = handle;
  for (let depth = 0; depth < 1000; depth += step) {
    const making = Array.from({ length: Math.min(step, 1000 - depth) }, () => makeDirectory("d"));
    handle = await session.value(putHandle(handle), ...making, getHandle);
  }
  const deepest = handle;
  handle = root;
  for (let depth = 0; depth < 1000; depth += step) {
    const walking = Array.from({ length: Math.min(step, 1000 - depth) }, () => lookup("d"));
    handle = await session.value(putHandle(handle), ...walking, getHandle);
  }
  assert.deepEqual(handle, deepest);
  const deeper = await session.status(putHandle(deepest), makeDirectory("d"));
  assert.equal(deeper, "NFS4ERR_NAMETOOLONG");
});

test("CREATE, by type, makes it or is refused (§18.4.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const target = (length: number) => (writer: { byteString(text: string): void }) =>
    writer.byteString("t".repeat(length));
  const device = (writer: { uint64(value: number): void }): void => writer.uint64(0);
  const { symlink } = FileTypeNumber;
  const cases: readonly (readonly [string, RawOperation<unknown>, string])[] = [
    ["directory", create(FileTypeNumber.directory, "d"), "NFS4_OK"],
    ["fifo", create(FileTypeNumber.fifo, "p"), "NFS4_OK"],
    ["socket", create(FileTypeNumber.socket, "s"), "NFS4_OK"],
    ["link", create(symlink, "l", [], target(symbolicLinkLimit)), "NFS4_OK"],
    ["link to nothing", create(symlink, "e", [], target(0)), "NFS4ERR_INVAL"],
    ["long link", create(symlink, "x", [], target(symbolicLinkLimit + 1)), "NFS4ERR_NAMETOOLONG"],
    // Regular files are OPEN's.
    ["file", create(FileTypeNumber.file, "x"), "NFS4ERR_BADTYPE"],
    ["block device", create(FileTypeNumber.blockDevice, "x", [], device), "NFS4ERR_NOTSUPP"],
    [
      "character device",
      create(FileTypeNumber.characterDevice, "x", [], device),
      "NFS4ERR_NOTSUPP",
    ],
    ["attribute directory", create(FileTypeNumber.attributeDirectory, "x"), "NFS4ERR_BADTYPE"],
    ["named attribute", create(FileTypeNumber.namedAttribute, "x"), "NFS4ERR_BADTYPE"],
    ["unknown", create(99, "x"), "NFS4ERR_BADTYPE"],
    ["what there is", create(FileTypeNumber.directory, "d"), "NFS4ERR_EXIST"],
  ];
  for (const [what, operation, expected] of cases) {
    assert.equal(await session.status(putRoot, operation), expected, what);
  }
  const { length } = await session.value(putRoot, lookup("l"), readLink);
  assert.equal(length, symbolicLinkLimit);
  assert.equal(await session.status(putRoot, lookup("x")), "NFS4ERR_NOENT");
});

test("CREATE makes what it made the current file, and tells the change (§18.4.4)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const { change } = await session.value(putRoot, makeDirectory("d"));
  assert.equal(change.atomic, true);
  assert.ok(change.before < change.after);
  assert.equal(change.after, server.files.root.change);
  const made = await session.value(putRoot, makeDirectory("e"), getHandle);
  assert.deepEqual(await session.value(putRoot, lookup("e"), getHandle), made);
});

test("REMOVE, by what the name is, removes it or says why not (§18.25.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  server.make("l", { type: "symlink", mode: 0o777, target: Buffer.from("full") });
  server.make("empty", { type: "directory", mode: 0o755 });
  const full = server.make("full", { type: "directory", mode: 0o755 });
  server.files.create(superuser, full, "inner", { type: "file", mode: 0o644 });
  const cases: readonly (readonly [Operations, string])[] = [
    [[putRoot, remove("f")], "NFS4_OK"],
    [[putRoot, remove("f")], "NFS4ERR_NOENT"],
    [[putRoot, remove("empty")], "NFS4_OK"],
    [[putRoot, remove("full")], "NFS4ERR_NOTEMPTY"],
    [[putRoot, lookup("l"), remove("inner")], "NFS4ERR_NOTDIR"],
    [[putRoot, remove("l")], "NFS4_OK"],
    [[putRoot, lookup("full"), remove("inner")], "NFS4_OK"],
    [[putRoot, remove("full")], "NFS4_OK"],
  ];
  for (const [index, [operations, expected]] of cases.entries()) {
    assert.equal(await session.status(...operations), expected, `case ${index}`);
  }
});

interface RenameCase {
  readonly name: string;
  readonly from: readonly string[];
  readonly source: string;
  readonly to: readonly string[];
  readonly target: string;
  readonly expected: readonly string[];
}

const [noent, exist] = [["NFS4ERR_NOENT"], ["NFS4ERR_EXIST"]];
const renameCases: readonly RenameCase[] = [
  { name: "a file", from: [], source: "f", to: ["d"], target: "g", expected: ["NFS4_OK"] },
  { name: "a directory", from: [], source: "e", to: ["d"], target: "g", expected: ["NFS4_OK"] },
  { name: "file over file", from: [], source: "f", to: [], target: "g", expected: ["NFS4_OK"] },
  { name: "over itself", from: [], source: "f", to: [], target: "f", expected: ["NFS4_OK"] },
  { name: "over a link of its", from: [], source: "f", to: [], target: "h", expected: ["NFS4_OK"] },
  { name: "over empty", from: [], source: "e", to: ["d"], target: "empty", expected: ["NFS4_OK"] },
  { name: "nothing", from: [], source: "none", to: [], target: "g", expected: noent },
  { name: "file over directory", from: [], source: "f", to: [], target: "e", expected: exist },
  { name: "directory over file", from: [], source: "e", to: [], target: "f", expected: exist },
  {
    name: "over a full directory",
    from: [],
    source: "e",
    to: [],
    target: "d",
    expected: ["NFS4ERR_EXIST", "NFS4ERR_NOTEMPTY"],
  },
  {
    name: "into itself",
    from: [],
    source: "d",
    to: ["d", "empty"],
    target: "x",
    expected: ["NFS4ERR_INVAL"],
  },
  {
    name: "in a file",
    from: ["f"],
    source: "x",
    to: [],
    target: "y",
    expected: ["NFS4ERR_NOTDIR"],
  },
  {
    name: "to a file",
    from: [],
    source: "g",
    to: ["f"],
    target: "y",
    expected: ["NFS4ERR_NOTDIR"],
  },
];

for (const { name, from, source, to, target, expected } of renameCases) {
  test(`RENAME, ${name}: ${expected.join(" or ")} (§18.26.3)`, async () => {
    await using server = await TestServer.start();
    const session = await server.client("c");
    const file = server.make("f");
    server.make("g");
    server.files.link(superuser, file, server.files.root, "h");
    const directory = server.make("d", { type: "directory", mode: 0o755 });
    server.make("e", { type: "directory", mode: 0o755 });
    const inner = { type: "directory", mode: 0o755 } as const;
    server.files.create(superuser, directory, "empty", inner);
    const status = await session.status(
      putRoot,
      ...from.map(lookup),
      saveHandle,
      putRoot,
      ...to.map(lookup),
      rename(source, target),
    );
    assert.ok(expected.includes(status), status);
    if (status !== "NFS4_OK") return;
    assert.equal(await session.status(putRoot, ...to.map(lookup), lookup(target)), "NFS4_OK");
    // Two names of one file, renamed over each other, both stay (§18.26.3).
    const stays = name === "over itself" || name === "over a link of its";
    const left = await session.status(putRoot, ...from.map(lookup), lookup(source));
    assert.equal(left, stays ? "NFS4_OK" : "NFS4ERR_NOENT");
  });
}

test("LINK, by what is linked where, links or says why not (§18.9.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  server.make("d", { type: "directory", mode: 0o755 });
  const of = (name: string, ...then: Operations): Operations => [
    putRoot,
    lookup(name),
    saveHandle,
    ...then,
  ];
  const cases: readonly (readonly [string, Operations, string])[] = [
    ["a file", of("f", putRoot, link("g")), "NFS4_OK"],
    ["over what there is", of("f", putRoot, link("g")), "NFS4ERR_EXIST"],
    ["over itself", of("f", putRoot, link("f")), "NFS4ERR_EXIST"],
    ["a directory", of("d", putRoot, link("x")), "NFS4ERR_ISDIR"],
    ["in a file", of("f", link("x")), "NFS4ERR_NOTDIR"],
    ["nothing saved", [putRoot, link("x")], "NFS4ERR_NOFILEHANDLE"],
  ];
  for (const [what, operations, expected] of cases) {
    assert.equal(await session.status(...operations), expected, what);
  }
  for (let links = 2; links < linkLimit; links += 1) {
    await session.value(...of("f", putRoot), link(`l${links}`));
  }
  const onceMore = await session.status(...of("f", putRoot, link("more")));
  assert.equal(onceMore, "NFS4ERR_MLINK");
});

test("READLINK, of what is no symbolic link, is NFS4ERR_WRONG_TYPE (§18.24.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  for (const operations of [[putRoot], [putRoot, lookup("f")]]) {
    assert.equal(await session.status(...operations, readLink), "NFS4ERR_WRONG_TYPE");
  }
});

test("SAVEFH and RESTOREFH, of nothing, are NFS4ERR_NOFILEHANDLE (§18.27, §18.28)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  assert.equal(await session.status(saveHandle), "NFS4ERR_NOFILEHANDLE");
  assert.equal(await session.status(putRoot, restoreHandle), "NFS4ERR_NOFILEHANDLE");
  assert.equal(await session.status(getHandle), "NFS4ERR_NOFILEHANDLE");
});

function securityWithoutName(style: number): RawOperation<number[]> {
  return {
    number: Operation.SECINFO_NO_NAME,
    encode: (writer) => writer.uint32(style),
    decode: (reader) => reader.array(8, (item) => item.uint32()),
  };
}

test("SECINFO and SECINFO_NO_NAME, by where they start, tell or say why not", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  server.make("d", { type: "directory", mode: 0o755 });
  server.make("l", { type: "symlink", mode: 0o777, target: Buffer.from("d") });
  const cases: readonly (readonly [string, Operations, string])[] = [
    ["in a file", [putRoot, lookup("f"), securityOf("x")], "NFS4ERR_NOTDIR"],
    ["no handle", [securityOf("f")], "NFS4ERR_NOFILEHANDLE"],
    ["of no handle", [securityWithoutName(0)], "NFS4ERR_NOFILEHANDLE"],
    ["of a file", [putRoot, lookup("f"), securityWithoutName(0)], "NFS4_OK"],
    ["above a directory", [putRoot, lookup("d"), securityWithoutName(1)], "NFS4_OK"],
    ["above a file", [putRoot, lookup("f"), securityWithoutName(1)], "NFS4ERR_NOTDIR"],
    ["of another style", [putRoot, securityWithoutName(2)], "NFS4ERR_INVAL"],
  ];
  for (const [what, operations, expected] of cases) {
    assert.equal(await session.status(...operations), expected, what);
  }
  // NFSv4.0 leaves the file handle where it is (RFC 7530 §16.31.4).
  const older = new Version0(session.connection);
  assert.equal(await older.status(putRoot, securityOf("f"), getHandle), "NFS4_OK");
});

test("SECINFO and SECINFO_NO_NAME use the current file handle up (§2.6.3.1.1.8)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const withoutName = securityWithoutName;
  // AUTH_SYS
  assert.deepEqual(await session.value(putRoot, securityOf("f")), [1]);
  assert.deepEqual(await session.value(putRoot, withoutName(0)), [1]);
  for (const asked of [securityOf("f"), withoutName(0)]) {
    assert.equal(await session.status(putRoot, asked, getHandle), "NFS4ERR_NOFILEHANDLE");
  }
  assert.equal(await session.status(putRoot, withoutName(1)), "NFS4ERR_NOENT");
  assert.equal(await session.status(putRoot, securityOf("none")), "NFS4ERR_NOENT");
  assert.equal(await session.status(plain(Operation.PUTPUBFH), lookup("f")), "NFS4_OK");
});

test("whatever changes a name, the connection may only read, is NFS4ERR_ROFS", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  server.permissions.write = false;
  const changing = new Set(["OPEN creating", "CREATE", "RENAME to", "LINK"]);
  for (const [operation, compoundOf] of named) {
    if (!changing.has(operation)) continue;
    assert.equal(await session.status(...compoundOf("x")), "NFS4ERR_ROFS", operation);
  }
  assert.equal(await session.status(putRoot, remove("f")), "NFS4ERR_ROFS");
});

test("CREATE, a size where there is none, doesn't say that it was set", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const settings: Settings = [
    [Attribute.size, (writer) => writer.uint64(5)],
    [Attribute.mode, (writer) => writer.uint32(0o700)],
  ];
  const { set } = await session.value(putRoot, create(FileTypeNumber.directory, "d", settings));
  assert.deepEqual(set, [0, 1 << (Attribute.mode & 31)]);
});
