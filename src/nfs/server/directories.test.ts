// READDIR (RFC 8881 §18.23).
import assert from "node:assert/strict";
import { test } from "node:test";

import { superuser } from "../../files/file-system.ts";
import { Attribute, bitmapOf } from "../../wire/nfs4/attributes.ts";
import { type RawSession, TestServer } from "./testing/raw-client.ts";
import { user } from "./testing/raw-connection.ts";
import { lookup, putRoot, readDirectory } from "./testing/raw-operations.ts";

const wanted = bitmapOf([Attribute.type, Attribute.fileId, Attribute.size]);

/** All entries, in pages of `maximum` bytes; `between` runs after each page. */
async function listed(
  session: RawSession,
  maximum: number,
  between: (soFar: readonly string[]) => void = () => {},
): Promise<string[]> {
  const names: string[] = [];
  let cookie = 0;
  let verifier: Uint8Array = Buffer.alloc(8);
  for (;;) {
    const asked = readDirectory({ cookie, verifier, maximum, wanted });
    const page = await session.value(putRoot, asked);
    assert.ok(page.length <= maximum, `${page.length} bytes`);
    names.push(...page.entries.map(({ name }) => name));
    if (page.atEnd) return names;
    assert.ok(page.entries.length > 0);
    cookie = page.entries.at(-1)!.cookie;
    verifier = page.verifier;
    between(names);
  }
}

test("READDIR, in pages of any size, gives each entry once", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const made = Array.from({ length: 150 }, (_, index) => `${"n".repeat(index)}${index}`);
  for (const name of made) server.make(name);
  for (const maximum of [256, 300, 1000, 4096, 1024 * 1024]) {
    const names = await listed(session, maximum);
    assert.deepEqual(names.toSorted(), made.toSorted(), `${maximum}`);
  }
});

test("READDIR, the directory changes meanwhile, loses and repeats nothing that stays", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const stays = Array.from({ length: 60 }, (_, index) => `stays ${index}`);
  const goes = Array.from({ length: 60 }, (_, index) => `goes ${index}`);
  for (const [index, name] of stays.entries()) {
    server.make(name);
    server.make(goes[index]!);
  }
  const { root } = server.files;
  let round = 0;
  const names = await listed(session, 400, (soFar) => {
    round += 1;
    // One that was given goes, one that wasn't yet, and others come, also by another name.
    const given = goes.find((name) => soFar.includes(name));
    const coming = goes.findLast((name) => !soFar.includes(name));
    for (const name of [given, coming]) {
      if (name === undefined) continue;
      goes.splice(goes.indexOf(name), 1);
      assert.equal(server.files.remove(superuser, root, name, "file"), undefined);
    }
    server.make(`comes ${round}`);
    const moved = server.files.rename(superuser, root, `comes ${round}`, root, `moved ${round}`);
    assert.equal(moved, undefined);
  });
  assert.ok(round > 10);
  const kept = names.filter((name) => name.startsWith("stays"));
  assert.deepEqual(kept.toSorted(), stays.toSorted());
  assert.equal(new Set(names).size, names.length);
});

test("READDIR, no room for one entry, is NFS4ERR_TOOSMALL (§18.23.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const maximum of [0, 15]) {
    const asked = readDirectory({ maximum });
    assert.equal(await session.status(putRoot, asked), "NFS4ERR_TOOSMALL", `${maximum}`);
  }
  const empty = await session.value(putRoot, readDirectory({ maximum: 16 }));
  assert.deepEqual([empty.entries.length, empty.atEnd], [0, true]);
  server.make("a name of some length");
  const whole = await session.value(putRoot, readDirectory({ wanted }));
  assert.equal(whole.entries.length, 1);
  const { length } = whole;
  assert.equal(
    await session.status(putRoot, readDirectory({ maximum: length, wanted })),
    "NFS4_OK",
  );
  const less = readDirectory({ maximum: length - 1, wanted });
  assert.equal(await session.status(putRoot, less), "NFS4ERR_TOOSMALL");
});

test("READDIR, a cookie that never was, or with another verifier, is refused", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const name of ["a", "b", "c"]) server.make(name);
  const { entries } = await session.value(putRoot, readDirectory());
  const { cookie } = entries[0]!;
  const foreign = Buffer.alloc(8, 0xff);
  // 0, 1 and 2 are never an entry's cookie (§18.23.3).
  assert.ok(entries.every((entry) => entry.cookie > 2));
  const cases: readonly (readonly [Parameters<typeof readDirectory>[0], string])[] = [
    [{ cookie: 1 }, "NFS4ERR_BAD_COOKIE"],
    [{ cookie: 2 }, "NFS4ERR_BAD_COOKIE"],
    [{ cookie: Infinity }, "NFS4ERR_BAD_COOKIE"],
    [{ cookie, verifier: foreign }, "NFS4ERR_NOT_SAME"],
    [{ cookie }, "NFS4_OK"],
  ];
  for (const [given, expected] of cases) {
    assert.equal(await session.status(putRoot, readDirectory(given)), expected);
  }
});

test("READDIR, by where and for what, lists or says why not", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { credential: user(1000) });
  server.make("f");
  server.make("l", { type: "symlink", mode: 0o777, target: Buffer.from("d") });
  server.make("closed", { type: "directory", mode: 0o711 });
  const plain = readDirectory();
  const writeOnly = readDirectory({ wanted: bitmapOf([Attribute.modifyTimeSet]) });
  const cases: readonly (readonly [string, string])[] = [
    ["f", "NFS4ERR_NOTDIR"],
    ["l", "NFS4ERR_NOTDIR"],
    ["closed", "NFS4ERR_ACCESS"],
  ];
  for (const [name, expected] of cases) {
    assert.equal(await session.status(putRoot, lookup(name), plain), expected, name);
  }
  assert.equal(await session.status(plain), "NFS4ERR_NOFILEHANDLE");
  assert.equal(await session.status(putRoot, writeOnly), "NFS4ERR_INVAL");
  const { entries } = await session.value(putRoot, plain);
  // "." and ".." are not told (§18.23.3).
  assert.deepEqual(entries.map(({ name }) => name).toSorted(), ["closed", "f", "l"]);
});
