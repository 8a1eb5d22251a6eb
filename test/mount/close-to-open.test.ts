import assert from "node:assert/strict";
import {
  chmod,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";

import { eventually } from "../support/eventually.ts";
import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python } from "../support/python.ts";

let instance: Instance;
let fileSystem: MountedFileSystem;
let oneMount: Mount;
let otherMount: Mount;
/** One directory, as the two mounts show it. */
let one: string;
let other: string;
let count = 0;

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  [oneMount, otherMount] = [await fileSystem.mount(), await fileSystem.mount()];
});
beforeEach(async () => {
  count += 1;
  one = oneMount.at(`test-${count}`);
  other = otherMount.at(`test-${count}`);
  await mkdir(one);
});
after(() => endAll(fileSystem, instance));

test("what one mount wrote and closed, another reads after its open, every time", async () => {
  for (const contents of ["first", "other", "longer than before", "short", ""]) {
    await writeFile(`${one}/file`, contents);
    assert.equal(await readFile(`${other}/file`, "utf8"), contents);
  }
});

test("an open after another mount's close shows all of it, though it was looked at before", async () => {
  await writeFile(`${one}/file`, "before");
  // Whatever the second mount may remember, it remembers now.
  await stat(`${other}/file`);
  assert.equal(await readFile(`${other}/file`, "utf8"), "before");
  const listing = `
import os, sys
with os.scandir(sys.argv[1]) as entries: print([entry.stat().st_size for entry in entries])
`;
  assert.equal((await python(listing, other)).trim(), "[6]");
  await writeFile(`${one}/file`, "and after, longer");
  assert.equal(await readFile(`${other}/file`, "utf8"), "and after, longer");
});

test("bytes changed in place are seen by the next open, at the same size", async () => {
  await writeFile(`${one}/file`, "a".repeat(10_000));
  assert.equal((await readFile(`${other}/file`))[5000], 0x61);
  const file = await open(`${one}/file`, "r+");
  await file.write("b", 5000);
  await file.close();
  assert.equal((await readFile(`${other}/file`))[5000], 0x62);
});

test("a name that was listed leads an open to the file that has it now", async () => {
  await writeFile(`${one}/log`, "old");
  const list = `import os, sys; print([entry.stat().st_size for entry in os.scandir(sys.argv[1])])`;
  assert.equal((await python(list, other)).trim(), "[3]");
  await rename(`${one}/log`, `${one}/log.1`);
  await writeFile(`${one}/log`, "newer");
  assert.equal(await readFile(`${other}/log`, "utf8"), "newer");
  assert.deepEqual((await readdir(other)).sort(), ["log", "log.1"]);
});

test("what is opened by a name is what has the name now, whoever gave it", async () => {
  await writeFile(`${one}/log`, "old");
  assert.equal(await readFile(`${other}/log`, "utf8"), "old");
  await rename(`${one}/log`, `${one}/log.1`);
  await writeFile(`${one}/log`, "new");
  assert.equal(await readFile(`${other}/log`, "utf8"), "new");
  assert.equal(await readFile(`${other}/log.1`, "utf8"), "old");
});

test("a file that replaced another is opened by those who had the other open", async () => {
  await writeFile(`${one}/file`, "old");
  const kept = await open(`${other}/file`);
  await writeFile(`${one}/file.new`, "new");
  await rename(`${one}/file.new`, `${one}/file`);
  assert.equal(await readFile(`${other}/file`, "utf8"), "new");
  assert.equal(await kept.readFile("utf8"), "old");
  await kept.close();
});

test("names that another mount made, linked, renamed and removed are seen at once", async () => {
  await assert.rejects(stat(`${other}/file`), { code: "ENOENT" });
  await writeFile(`${one}/file`, "");
  assert.equal((await stat(`${other}/file`)).size, 0);
  await link(`${one}/file`, `${one}/second`);
  assert.equal((await stat(`${other}/second`)).nlink, 2);
  await symlink("file", `${one}/link`);
  await unlink(`${one}/file`);
  await assert.rejects(stat(`${other}/file`), { code: "ENOENT" });
  await assert.rejects(open(`${other}/file`), { code: "ENOENT" });
  await assert.rejects(open(`${other}/link`), { code: "ENOENT" });
  await rename(`${one}/second`, `${one}/third`);
  await assert.rejects(open(`${other}/second`), { code: "ENOENT" });
  assert.deepEqual((await readdir(other)).sort(), ["link", "third"]);
  await unlink(`${other}/third`);
  await assert.rejects(unlink(`${one}/third`), { code: "ENOENT" });
});

test("attributes that another mount changed are seen by name", async () => {
  await writeFile(`${one}/file`, "12345");
  await chmod(`${one}/file`, 0o600);
  assert.equal((await stat(`${other}/file`)).mode & 0o777, 0o600);
  await chmod(`${one}/file`, 0o444);
  await writeFile(`${one}/file`, "1234567");
  const { mode, size } = await stat(`${other}/file`);
  assert.deepEqual([mode & 0o777, size], [0o444, 7]);
});

test("attributes of an open file and of a directory are seen before long", async () => {
  await writeFile(`${one}/file`, "12345");
  const file = await open(`${other}/file`);
  await stat(other);
  await writeFile(`${one}/file`, "1234567");
  await chmod(one, 0o751);
  await eventually("the new size", async () => (await file.stat()).size === 7);
  await eventually("the new mode", async () => ((await stat(other)).mode & 0o777) === 0o751);
  await file.close();
});

test("a file that another mount removed can't be found, and its reader is told", async () => {
  await writeFile(`${one}/file`, "contents");
  const file = await open(`${other}/file`);
  await unlink(`${one}/file`);
  assert.equal(await file.readFile("utf8"), "contents");
  assert.equal((await file.stat()).nlink, 0);
  await file.close();
});

test("who locks a file sees what others wrote under their lock, without opening it anew", async () => {
  const script = `
import fcntl, os, sys
here, there = [os.open(name, os.O_RDWR | os.O_CREAT) for name in sys.argv[1:]]
for turn in range(1, 30):
    for own, size in [(here, 100), (there, 200)]:
        fcntl.lockf(own, fcntl.LOCK_EX)
        assert os.fstat(own).st_size == len(os.pread(own, 10000, 0)), "size"
        found = os.pread(own, 10000, 0)
        assert turn == 1 or found == expected, (turn, found)
        expected = os.urandom(size)
        os.ftruncate(own, 0); os.pwrite(own, expected, 0)
        fcntl.lockf(own, fcntl.LOCK_UN)
print("agreed")
`;
  assert.equal((await python(script, `${one}/file`, `${other}/file`)).trim(), "agreed");
});
