// The process that serves a mount is killed: what it held, what it wrote, and the mount after it.
import assert from "node:assert/strict";
import { readFile, readdir, stat } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python, Python } from "../support/python.ts";

let instance: Instance;
let fileSystem: MountedFileSystem;
let doomed: Mount;
let other: Mount;
const started: Python[] = [];

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  [doomed, other] = [await fileSystem.mount(), await fileSystem.mount()];
});
afterEach(() => endAll(...started.splice(0)));
after(() => endAll(fileSystem, instance));

function start(script: string, ...args: readonly string[]): Python {
  const program = new Python(script, args);
  started.push(program);
  return program;
}

/** Takes a lock and keeps it, or says that it is somebody else's. */
const locker = `
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
lock = {"fcntl": fcntl.lockf, "flock": fcntl.flock}[sys.argv[2]]
try: lock(file, fcntl.LOCK_EX | (0 if sys.argv[3] == "wait" else fcntl.LOCK_NB))
except BlockingIOError: print("refused", flush=True)
else: print("locked", flush=True); sys.stdin.read()
`;

/** Commits ten transactions of ten rows, and stops in the middle of the next. */
const databaseWriter = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("pragma cache_size = 10")
database.execute("create table entries (number integer, filling blob)")
def add(turn, rows):
    database.execute("begin immediate")
    for row in range(rows):
        values = (turn * 10 + row,)
        database.execute("insert into entries values (?, randomblob(5000))", values)
for turn in range(10): add(turn, 10); database.execute("commit")
database.execute("update entries set filling = randomblob(5000)")
add(10, 200); database.execute("delete from entries where number < 50")
print("half", flush=True)
sys.stdin.read()
`;

/** Waits as long as it takes until the database can be read. */
const databaseReader = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=300, isolation_level=None)
print(database.execute("pragma integrity_check").fetchone()[0])
print([row[0] for row in database.execute("select number from entries order by number")])
`;

const fileWriter = `
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.write(file, b"synchronised "); os.fsync(file); os.write(file, b"written")
unlinked = os.open(sys.argv[1] + "-unlinked", os.O_RDWR | os.O_CREAT)
os.write(unlinked, b"x" * 1000000); os.unlink(sys.argv[1] + "-unlinked")
print("done", flush=True)
sys.stdin.read()
try: os.write(file, b"more")
except OSError as error: print(error.strerror, flush=True)
`;

test("what a killed mount held is given up after its lease, and what it wrote is there", async () => {
  const database = "database.sqlite";
  const writer = start(fileWriter, doomed.at("file"));
  assert.equal(await writer.line(), "done");
  const databaseProgram = start(databaseWriter, doomed.at(database));
  assert.equal(await databaseProgram.line(), "half");
  for (const kind of ["fcntl", "flock"]) {
    assert.equal(await start(locker, doomed.at(kind), kind, "try").line(), "locked");
  }

  await doomed.kill();
  await assert.rejects(readdir(doomed.directory), /ENOTCONN|ECONNABORTED/);
  assert.match(await writer.finished(), /endpoint is not connected|connection abort/);
  await databaseProgram.end();
  assert.match(await readFile(other.at("file"), "utf8"), /^synchronised /);

  // It may only be slow, as far as the server knows.
  const waiting = ["fcntl", "flock"].map((kind) => start(locker, other.at(kind), kind, "wait"));
  for (const kind of ["fcntl", "flock"]) {
    assert.equal(await start(locker, other.at(kind), kind, "try").line(), "refused");
  }
  const [integrity, numbers = ""] = (await python(databaseReader, other.at(database))).split("\n");
  assert.equal(integrity, "ok");
  assert.deepEqual(
    JSON.parse(numbers),
    Array.from({ length: 100 }, (_, number) => number),
  );
  await assert.rejects(stat(other.at(`${database}-journal`)), { code: "ENOENT" });
  for (const program of waiting) assert.equal(await program.line(), "locked");
});

test("after a mount's process was killed its directory can be mounted on again", async () => {
  const { directory } = doomed;
  assert.equal((await doomed.unmount()).exitCode, 0);
  const again = await fileSystem.mount({ directory });
  assert.match(await readFile(again.at("file"), "utf8"), /^synchronised /);
  assert.equal((await again.unmount()).exitCode, 0);
});
