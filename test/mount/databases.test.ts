import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python, Python } from "../support/python.ts";

let instance: Instance;
let fileSystem: MountedFileSystem;
let one: Mount;
let other: Mount;
let file: string;
let count = 0;
const started: Python[] = [];

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  [one, other] = [await fileSystem.mount(), await fileSystem.mount()];
});
beforeEach(() => {
  count += 1;
  file = `database-${count}.sqlite`;
});
afterEach(() => endAll(...started.splice(0)));
after(() => endAll(fileSystem, instance));

function start(script: string, ...args: readonly string[]): Python {
  const program = new Python(script, args);
  started.push(program);
  return program;
}

/** SQLite with a rollback journal, which needs locks, fsync and no shared memory. */
const opened = `
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("pragma busy_timeout = 60000")
def value(query): return database.execute(query).fetchone()[0]
`;

async function setUp(mount: Mount, mode = "delete"): Promise<void> {
  const script = `${opened}
assert value("pragma journal_mode = ${mode}") == "${mode}"
database.execute("create table entries (writer text, number integer, filling blob)")
database.execute("create index by_number on entries (number)")
`;
  await python(script, mount.at(file));
}

/** Rows of each writer, and what SQLite says of the file's structure. */
async function examine(mount: Mount): Promise<{ integrity: string; rows: unknown }> {
  const script = `${opened}
import json
print(value("pragma integrity_check"))
rows = database.execute("select writer, count(*) from entries group by writer").fetchall()
print(json.dumps(dict(rows)))
`;
  const [integrity = "", rows = ""] = (await python(script, mount.at(file))).split("\n");
  return { integrity, rows: JSON.parse(rows) };
}

for (const mode of ["delete", "truncate", "persist"]) {
  test(`transactions with a journal of mode ${mode} are kept or rolled back whole`, async () => {
    await setUp(one, mode);
    const script = `${opened}
def add(writer, rows):
    for number in range(rows):
        database.execute("insert into entries values (?, ?, randomblob(2000))", (writer, number))
database.execute("pragma journal_mode = ${mode}")
database.execute("pragma cache_size = 10")
for turn in range(5):
    database.execute("begin"); add("kept", 50); database.execute("commit")
    database.execute("begin"); add("rolled back", 50); database.execute("rollback")
database.execute("delete from entries where number >= 40"); database.execute("vacuum")
`;
    await python(script, one.at(file));
    const wanted = { integrity: "ok", rows: { kept: 200 } };
    assert.deepEqual(await examine(one), wanted);
    assert.deepEqual(await examine(other), wanted);
  });
}

/** Commits transactions of ten rows until it is killed; says how many are committed. */
const endlessWriter = `${opened}
database.execute("pragma cache_size = 10")
turn = 0
while True:
    database.execute("begin immediate")
    for number in range(10):
        database.execute(
            "insert into entries values ('killed', ?, randomblob(5000))", (turn * 10 + number,))
    database.execute("commit")
    turn += 1
    print(turn, flush=True)
`;

for (const reader of ["the same mount", "another mount"]) {
  test(`a writer killed in the middle leaves what it committed, seen from ${reader}`, async () => {
    await setUp(one);
    for (const kill of [1, 2, 3]) {
      const writer = start(endlessWriter, one.at(file));
      const committed = 3 * kill;
      while (Number(await writer.line()) < committed) continue;
      await writer.end();
      const { integrity, rows } = await examine(reader === "another mount" ? other : one);
      const { killed } = rows as { killed: number };
      assert.equal(integrity, "ok");
      assert.equal(killed % 10, 0, `${killed} rows: a transaction in part`);
      assert.ok(killed >= 10 * committed, `${killed} rows after ${committed} transactions`);
    }
    const left = await readdir(one.directory);
    assert.ok(!left.includes(`${file}-journal`), "the journal was rolled back and removed");
  });
}

test("two writers on each of two mounts wait for one another and lose nothing", async () => {
  await setUp(one);
  const script = `${opened}
for turn in range(10):
    database.execute("begin immediate")
    before = value("select count(*) from entries")
    for number in range(5):
        database.execute(
            "insert into entries values (?, ?, randomblob(1000))", (sys.argv[2], before + number))
    assert value("select count(*) from entries") == before + 5
    database.execute("commit")
`;
  const writers = [
    [one, "a"],
    [one, "b"],
    [other, "c"],
    [other, "d"],
  ] as const;
  await Promise.all(writers.map(([mount, name]) => python(script, mount.at(file), name)));
  const wanted = { integrity: "ok", rows: { a: 50, b: 50, c: 50, d: 50 } };
  assert.deepEqual(await examine(one), wanted);
  assert.deepEqual(await examine(other), wanted);
  const numbers = `${opened}
print([row[0] for row in database.execute("select number from entries order by number")])
`;
  const found = JSON.parse(await python(numbers, other.at(file))) as number[];
  assert.deepEqual(
    found,
    Array.from({ length: 200 }, (_, number) => number),
  );
});

test("a transaction goes on over a restart of the server, and keeps its lock", async () => {
  await setUp(one);
  const script = `${opened}
database.execute("pragma cache_size = 10")
database.execute("begin immediate")
def add(numbers):
    for number in numbers:
        database.execute("insert into entries values ('patient', ?, randomblob(5000))", (number,))
add(range(50)); print("half", flush=True); sys.stdin.readline()
add(range(50, 100)); database.execute("commit"); print("committed", flush=True)
`;
  const writer = start(script, one.at(file));
  assert.equal(await writer.line(), "half");
  await instance.crashAndStart();
  const impatient = `${opened}
database.execute("pragma busy_timeout = 0")
try: database.execute("begin immediate")
except sqlite3.OperationalError as error: print(error)
`;
  assert.equal((await python(impatient, other.at(file))).trim(), "database is locked");
  writer.say("on");
  assert.equal(await writer.line(), "committed");
  assert.deepEqual(await examine(other), { integrity: "ok", rows: { patient: 100 } });
});

test("processes of one mount share a write-ahead log, which survives the kill of a writer", async () => {
  await setUp(one, "wal");
  const script = `${opened}
for turn in range(20):
    database.execute("begin immediate")
    for number in range(5):
        database.execute(
            "insert into entries values (?, ?, randomblob(3000))", (sys.argv[2], turn * 5 + number))
    database.execute("commit")
    assert value("select count(*) from entries") % 5 == 0
    if turn == 10: value("pragma wal_checkpoint(restart)")
`;
  await Promise.all(["a", "b", "c"].map((name) => python(script, one.at(file), name)));
  const killed = start(endlessWriter, one.at(file));
  while (Number(await killed.line()) < 5) continue;
  const reader = `${opened}
database.execute("begin")
count = value("select count(*) from entries"); print(count, flush=True); sys.stdin.readline()
assert value("select count(*) from entries") == count; print("the same", flush=True)
`;
  const reading = start(reader, one.at(file));
  const seen = Number(await reading.line());
  assert.ok(seen >= 350, `${seen} rows`);
  const committed = Number(await killed.line());
  await killed.end();
  reading.say("again");
  assert.equal(await reading.line(), "the same");
  await reading.end();
  for (const mount of [one, other]) {
    const { integrity, rows } = await examine(mount);
    const { killed: ofKilled, ...others } = rows as Record<string, number>;
    assert.equal(integrity, "ok");
    assert.deepEqual(others, { a: 100, b: 100, c: 100 });
    assert.ok(ofKilled! >= 10 * committed && ofKilled! % 10 === 0, `${ofKilled} rows`);
  }
});
