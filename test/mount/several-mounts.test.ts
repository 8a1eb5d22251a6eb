// What programs of several mounts do to the same files at once, beyond opens after closes.
import assert from "node:assert/strict";
import { mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";

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
const started: Python[] = [];

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
afterEach(() => endAll(...started.splice(0)));
after(() => endAll(fileSystem, instance));

function start(script: string, ...args: readonly string[]): Python {
  const program = new Python(script, args);
  started.push(program);
  return program;
}

const lockings = {
  flock: "fcntl.flock(file, fcntl.LOCK_EX if locked else fcntl.LOCK_UN)",
  fcntl: "fcntl.lockf(file, fcntl.LOCK_EX if locked else fcntl.LOCK_UN)",
  "no lock": "pass",
};
for (const [how, locking] of Object.entries(lockings)) {
  test(`lines that two mounts append at once under ${how} are all there and whole`, async () => {
    const script = `
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def lock(locked): ${locking}
for line in range(100):
    text = f"{sys.argv[2]} {line} {'x' * (line * 37 % 300)}\\n".encode()
    lock(True)
    assert os.write(file, text) == len(text)
    lock(False)
`;
    const writers = [
      [one, "a"],
      [one, "b"],
      [other, "c"],
      [other, "d"],
    ] as const;
    await Promise.all(writers.map(([at, name]) => python(script, `${at}/log`, name)));
    for (const at of [one, other]) {
      const lines = (await readFile(`${at}/log`, "utf8")).trimEnd().split("\n");
      for (const [, writer] of writers) {
        const own = lines.filter((line) => line.startsWith(`${writer} `));
        const wanted = Array.from({ length: 100 }, (_, line) => {
          return `${writer} ${line} ${"x".repeat((line * 37) % 300)}`;
        });
        assert.deepEqual(own, wanted);
      }
      assert.equal(lines.length, 400);
    }
  });
}

test("an append goes to the end that another mount's write or truncation has made", async () => {
  const script = `
import os, sys
here, there = sys.argv[1:]
file = os.open(here, os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(file, b"first ")
with open(there, "ab") as second: second.write(b"second ")
os.write(file, b"third ")
print(os.pread(file, 100, 0), open(there, "rb").read())
os.truncate(there, 6)
os.write(file, b"fourth ")
print(os.pread(file, 100, 0), open(there, "rb").read())
`;
  const [longer, shorter] = ["first second third ", "first fourth "];
  const wanted = [longer, shorter].map((text) => `b'${text}' b'${text}'\n`).join("");
  assert.equal(await python(script, `${one}/log`, `${other}/log`), wanted);
});

test("what is written through a shared mapping is another mount's after msync and close", async () => {
  const script = `
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
with mmap.mmap(file, 0) as memory:
    for at, text in [(0, b"begin"), (5000, b"middle"), (len(memory) - 3, b"end")]:
        memory[at:at + len(text)] = text
    memory.flush()
os.close(file)
`;
  const size = 100_000;
  await writeFile(`${one}/mapped`, Buffer.alloc(size, "-"));
  assert.equal((await readFile(`${other}/mapped`)).length, size);
  await python(script, `${one}/mapped`);
  const wanted = Buffer.alloc(size, "-");
  for (const [at, text] of [
    [0, "begin"],
    [5000, "middle"],
    [size - 3, "end"],
  ] as const) {
    wanted.write(text, at);
  }
  assert.deepEqual(await readFile(`${other}/mapped`), wanted);
});

test("a mapping of a file that another mount changed is made anew by an open", async () => {
  const script = `
import mmap, os, sys
for _ in sys.stdin:
    file = os.open(sys.argv[1], os.O_RDONLY)
    with mmap.mmap(file, 0, prot=mmap.PROT_READ) as memory: print(memory[:].decode(), flush=True)
    os.close(file)
`;
  const reader = start(script, `${other}/mapped`);
  for (const contents of ["first", "other", "and longer"]) {
    await writeFile(`${one}/mapped`, contents);
    reader.say("again");
    assert.equal(await reader.line(), contents);
  }
});

test("a file that two mounts have open outlives its name until both have closed it", async () => {
  const [here, there] = [await open(`${one}/file`, "w+"), await open(`${other}/file`, "r+")];
  try {
    await here.write("by the first");
    await here.sync();
    await unlink(`${other}/file`);
    assert.deepEqual(await readdir(one), []);
    await there.write("by the other", 0);
    await there.close();
    assert.equal((await here.stat()).nlink, 0);
    await here.write(", then the first", 12);
    await here.sync();
    const found = Buffer.alloc(100);
    const { bytesRead } = await here.read(found, 0, 100, 0);
    assert.equal(found.toString("latin1", 0, bytesRead), "by the other, then the first");
  } finally {
    await here.close();
  }
});

test("a rename over a file that another mount has open leaves its contents to that", async () => {
  await writeFile(`${one}/file`, "replaced");
  const kept = await open(`${other}/file`, "r+");
  try {
    for (const round of ["first", "second"]) {
      await writeFile(`${one}/new`, round);
      await rename(`${one}/new`, `${one}/file`);
      assert.equal(await readFile(`${other}/file`, "utf8"), round);
    }
    await kept.write("still here");
    await kept.sync();
    const found = Buffer.alloc(100);
    const { bytesRead } = await kept.read(found, 0, 100, 0);
    assert.equal(found.toString("latin1", 0, bytesRead), "still here");
    assert.equal(await readFile(`${one}/file`, "utf8"), "second");
  } finally {
    await kept.close();
  }
});

/** What each of four programs on two mounts succeeds in, when all try the same. */
async function contend(step: string): Promise<number> {
  const script = `
import os, sys
os.chdir(sys.argv[1])
succeeded = 0
for turn in range(100):
    try: ${step}
    except (FileExistsError, FileNotFoundError): continue
    succeeded += 1
print(succeeded)
`;
  const programs = [one, other, one, other].map((at) => python(script, at));
  const succeeded = await Promise.all(programs);
  return succeeded.reduce((sum, each) => sum + Number(each), 0);
}

test("of programs on two mounts that take the same name, or take it away, one succeeds", async () => {
  await writeFile(`${one}/origin`, "");
  const steps = [
    `os.close(os.open(f"file {turn}", os.O_WRONLY | os.O_CREAT | os.O_EXCL))`,
    `os.link("origin", f"link {turn}")`,
    `os.mkdir(f"directory {turn}")`,
    `os.rename(f"file {turn}", f"moved {turn} {os.getpid()}")`,
    `os.unlink(f"link {turn}")`,
    `os.rmdir(f"directory {turn}")`,
  ];
  for (const step of steps) assert.equal(await contend(step), 100, step);
  assert.equal((await stat(`${other}/origin`)).nlink, 1);
  const left = (await readdir(other)).filter((name) => name !== "origin");
  const turns = new Set(left.map((name) => /^moved (\d+) \d+$/.exec(name)?.[1]));
  assert.deepEqual([left.length, turns.size], [100, 100]);
});

test("a listing on one mount has every name that stays, whatever another does meanwhile", async () => {
  const changing = `
import os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
turn = 0
while True:
    name = f"{os.getpid()} {turn}"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT))
    os.rename(name, f"moved {name}")
    os.unlink(f"moved {name}")
    turn += 1
`;
  const listing = `
import os, sys
staying = {f"staying {number} {'x' * 100}" for number in range(500)}
for name in staying: os.symlink("x", f"{sys.argv[1]}/{name}")
print("made", flush=True); sys.stdin.readline()
for turn in range(20):
    names = os.listdir(sys.argv[1])
    assert len(names) == len(set(names)), "repeated"
    assert staying <= set(names), "lost"
print("agreed", flush=True)
`;
  const lister = start(listing, one);
  assert.equal(await lister.line(), "made");
  const changers = [one, other].map((at) => start(changing, at));
  for (const changer of changers) assert.equal(await changer.line(), "ready");
  lister.say("on");
  assert.equal(await lister.line(), "agreed");
});
