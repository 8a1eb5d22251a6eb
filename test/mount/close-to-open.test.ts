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
import { python, Python } from "../support/python.ts";

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

test("names that another mount made or linked are seen at once", async () => {
  await assert.rejects(stat(`${other}/file`), { code: "ENOENT" });
  await writeFile(`${one}/file`, "");
  assert.equal((await stat(`${other}/file`)).size, 0);
  await link(`${one}/file`, `${one}/second`);
  assert.equal((await stat(`${other}/second`)).nlink, 2);
  await symlink("file", `${one}/link`);
  assert.deepEqual((await readdir(other)).sort(), ["file", "link", "second"]);
});

test("names that another mount removed or renamed can't be opened, and are gone before long", async () => {
  for (const name of ["file", "second"]) await writeFile(`${one}/${name}`, "");
  await symlink("file", `${one}/link`);
  for (const name of ["file", "second", "link"]) await stat(`${other}/${name}`);
  await unlink(`${one}/file`);
  await rename(`${one}/second`, `${one}/third`);
  for (const name of ["file", "second", "link"]) {
    await assert.rejects(open(`${other}/${name}`), { code: "ENOENT" }, name);
  }
  assert.deepEqual((await readdir(other)).sort(), ["link", "third"]);
  await eventually("no such names", async () => {
    const found = await Promise.allSettled(
      ["file", "second"].map((name) => stat(`${other}/${name}`)),
    );
    return found.every(({ status }) => status === "rejected");
  });
  await unlink(`${other}/third`);
  await assert.rejects(unlink(`${one}/third`), { code: "ENOENT" });
});

test("a name that another mount removed can be made anew with O_EXCL at once", async () => {
  await writeFile(`${one}/lock`, "");
  await stat(`${other}/lock`);
  await unlink(`${one}/lock`);
  await (await open(`${other}/lock`, "wx")).close();
  await assert.rejects(open(`${one}/lock`, "wx"), { code: "EEXIST" });
});

test("attributes that another mount changed are seen before long, and by an open at once", async () => {
  await writeFile(`${one}/file`, "12345");
  await chmod(`${one}/file`, 0o600);
  assert.equal((await stat(`${other}/file`)).mode & 0o777, 0o600);
  await chmod(`${one}/file`, 0o444);
  await writeFile(`${one}/file`, "1234567");
  const file = await open(`${other}/file`);
  const { mode, size } = await file.stat();
  assert.deepEqual([mode & 0o777, size], [0o444, 7]);
  await file.close();
  await chmod(`${one}/file`, 0o640);
  await eventually("the mode", async () => ((await stat(`${other}/file`)).mode & 0o777) === 0o640);
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

test("lines that processes on two mounts append at once are all there and whole", async () => {
  const script = `
import os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | (os.O_RDWR if sys.argv[3] == "reads" else os.O_WRONLY))
for line in range(100): os.write(file, f"{sys.argv[2]} {line} {'x' * 100}\\n".encode())
`;
  const writers = [
    ["a", one, "writes"],
    ["b", other, "writes"],
    ["c", one, "reads"],
    ["d", other, "reads"],
  ] as const;
  await Promise.all(writers.map(([name, at, how]) => python(script, `${at}/log`, name, how)));
  const lines = (await readFile(`${one}/log`, "utf8")).trimEnd().split("\n");
  for (const [name] of writers) {
    const own = lines.filter((line) => line.startsWith(`${name} `));
    const wanted = Array.from({ length: 100 }, (_, line) => `${name} ${line} ${"x".repeat(100)}`);
    assert.deepEqual(own, wanted);
  }
  assert.equal(lines.length, 400);
  assert.equal(await readFile(`${other}/log`, "utf8"), `${lines.join("\n")}\n`);
});

test("whoever opens a name that another mount replaces all the time gets one file or the next", async () => {
  await writeFile(`${one}/file`, "0");
  const enough = new AbortController();
  const replacing = (async () => {
    for (let turn = 1; !enough.signal.aborted; turn += 1) {
      await writeFile(`${one}/file.new`, String(turn));
      await rename(`${one}/file.new`, `${one}/file`);
    }
  })();
  let last = 0;
  try {
    for (let turn = 0; turn < 200; turn += 1) {
      const found = Number(await readFile(`${other}/file`, "utf8"));
      assert.ok(found >= last, `${found} after ${last}`);
      last = found;
    }
  } finally {
    enough.abort();
    await replacing;
  }
});

test("what is written, cut and read back through one mount is what another finds after the close", async () => {
  const script = `
import os, random, sys
here, there, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
file = os.open(here, os.O_RDWR | os.O_CREAT)
wanted, size = bytearray(300000), 0
for turn in range(1000):
    at, length = chance.randrange(250000), chance.randrange(1, 9000)
    bytes_ = chance.randbytes(length)
    os.pwrite(file, bytes_, at)
    wanted[at:at + length] = bytes_
    size = max(size, at + length)
    if turn % 50 == 0: assert os.fstat(file).st_size == size, turn
    if turn % 97 == 0:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        at = chance.randrange(size)
        assert os.pread(file, 5000, at) == bytes(wanted[at:min(at + 5000, size)]), turn
    if turn % 311 == 0:
        size = chance.randrange(1, size)
        os.ftruncate(file, size)
        wanted[size:] = bytes(300000 - size)
os.close(file)
for name in here, there: assert open(name, "rb").read() == bytes(wanted[:size]), name
print("same")
`;
  assert.equal((await python(script, `${one}/file`, `${other}/file`, "7")).trim(), "same");
});

test("a file that grows while another mount has it open shows its new end, without holes", async () => {
  await writeFile(`${one}/log`, "");
  const file = await open(`${other}/log`);
  let wanted = "";
  for (let line = 0; line < 3; line += 1) {
    wanted += `line ${line}\n`;
    await writeFile(`${one}/log`, wanted);
    await eventually("the new line", async () => (await file.stat()).size === wanted.length);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
    assert.equal(buffer.toString("utf8", 0, bytesRead), wanted);
  }
  await file.close();
});

test("who keeps a file open, and maps it, reads before long what another mount has changed", async () => {
  const script = `
import mmap, os, sys, time
file = os.open(sys.argv[1], os.O_RDONLY)
mapped = mmap.mmap(file, 5000, mmap.MAP_SHARED, mmap.PROT_READ)
print(os.pread(file, 3, 4000).decode(), mapped[4000:4003].decode(), flush=True)
sys.stdin.readline()
while os.pread(file, 3, 4000) == b"old" or mapped[4000:4003] == b"old": time.sleep(0.05)
print(os.pread(file, 3, 4000).decode(), mapped[4000:4003].decode(), flush=True)
`;
  await writeFile(`${one}/file`, "-".repeat(4000) + "old".padEnd(1000, "-"));
  const reader = new Python(script, [`${other}/file`]);
  try {
    assert.equal(await reader.line(), "old old");
    const file = await open(`${one}/file`, "r+");
    await file.write("new", 4000);
    await file.close();
    reader.say("on");
    assert.equal(await reader.line(), "new new");
  } finally {
    await reader.end();
  }
});
