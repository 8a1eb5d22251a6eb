import assert from "node:assert/strict";
import { mkdir, open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { eventually } from "../support/eventually.ts";
import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { Python } from "../support/python.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

let instance: Instance;
let fileSystem: MountedFileSystem;
let mount: Mount;
let file: string;
let count = 0;
/**
 * What a test started beside the instance. What is open while the server is away is open in these:
 * a process that starts another waits until the other has closed its copies.
 */
const started: { end(): Promise<void> }[] = [];

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  mount = await fileSystem.mount();
});
beforeEach(() => {
  count += 1;
  file = `file-${count}`;
});
afterEach(() => endAll(...started.splice(0)));
after(() => endAll(fileSystem, instance));

function start(script: string, ...args: readonly string[]): Python {
  const program = new Python(script, args);
  started.push(program);
  return program;
}

/**
 * Writes records of 1000 bytes, each with its number, and says how far it got; `fsync` after each
 * when told so. Ends with what it reads back through the same descriptor.
 */
const recordsScript = `
import os, sys
name, how, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = os.open(name, os.O_RDWR | os.O_CREAT)
def record(number): return f"{number:999}\\n".encode()
for number in range(records):
    os.write(file, record(number))
    if how == "fsync": os.fsync(file)
    print(number, flush=True)
    if sys.stdin.readline().strip() == "enough": break
for at in range(number + 1):
    found = os.pread(file, 1000, at * 1000)
    assert found == record(at), (at, found[-20:], os.fstat(file).st_size)
assert os.fstat(file).st_size == (number + 1) * 1000
os.close(file)
print("whole", flush=True)
`;

/** The contents that the records make. */
function records(length: number): string {
  return Array.from({ length }, (_, number) => `${String(number).padStart(999)}\n`).join("");
}

/** Lets the program write up to a record. */
async function writeUntil(program: Python, last: number): Promise<void> {
  for (;;) {
    const number = Number(await program.line());
    if (number === last) return;
    program.say("on");
  }
}

for (const how of ["fsync", "no fsync"]) {
  test(`a writer with ${how} doesn't notice that the server was killed, and nothing is lost`, async () => {
    const other = await fileSystem.mount();
    const program = start(recordsScript, mount.at(file), how, "300");
    for (const last of [99, 199]) {
      await writeUntil(program, last);
      const restarted = instance.crashAndStart();
      program.say("on");
      await restarted;
    }
    await writeUntil(program, 299);
    program.say("enough");
    assert.equal(await program.line(), "whole");
    assert.equal(await readFile(other.at(file), "utf8"), records(300));
  });
}

test("files that are unpacked while the server is killed are as the archive has them", async () => {
  const script = `
import os, sys
os.chdir(sys.argv[1])
def unpack(number, how, text):
    file = os.open(f"file-{number}", os.O_WRONLY | how, 0o600)
    os.write(file, text)
    os.utime(file, (1, number)); os.fchown(file, 1000, 1000 + number); os.fchmod(file, 0o4640)
    os.close(file)
def check(number, text):
    found = os.stat(f"file-{number}")
    assert open(f"file-{number}", "rb").read() == text, number
    assert (found.st_mtime, found.st_gid, found.st_mode & 0o7777) == (number, 1000 + number, 0o4640), number
for turn, how in enumerate([os.O_CREAT | os.O_EXCL, os.O_TRUNC]):
    texts = [b"%d %d " % (turn, number) * (400 // (turn + 1)) for number in range(120)]
    for number, text in enumerate(texts):
        unpack(number, how, text)
        if number % 50 == 10: print(number, flush=True)
    for number, text in enumerate(texts): check(number, text)
print("whole", flush=True)
`;
  await mkdir(mount.at(file));
  const program = start(script, mount.at(file));
  for (const number of ["10", "60", "110", "10", "60", "110"]) {
    assert.equal(await program.line(), number);
    await instance.crashAndStart();
  }
  assert.equal(await program.line(), "whole");
});

test("what was written and not yet synchronised is read back after the server was killed", async () => {
  const program = start(recordsScript, mount.at(file), "no fsync", "50");
  await writeUntil(program, 49);
  await instance.crashAndStart();
  program.say("enough");
  assert.equal(await program.line(), "whole");
  assert.equal((await stat(mount.at(file))).size, 50_000);
});

test("a mapped file keeps what was written to it while the server was away", async () => {
  const script = `
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 1 << 20)
with mmap.mmap(file, 1 << 20) as memory:
    memory[0:5] = b"begin"; print("mapped", flush=True); sys.stdin.readline()
    memory[-3:] = b"end"; memory.flush(); os.fsync(file)
print("flushed", flush=True)
`;
  const program = start(script, mount.at(file));
  assert.equal(await program.line(), "mapped");
  await instance.moor.end("SIGKILL");
  program.say("on");
  await instance.moor.up();
  assert.equal(await program.line(), "flushed");
  const bytes = await readFile(mount.at(file));
  assert.equal(bytes.toString("latin1", 0, 5), "begin");
  assert.equal(bytes.toString("latin1", 2 ** 20 - 3), "end");
});

test("names are made, moved and removed once, however often the server is killed", async () => {
  // What was done and not answered is asked of the restarted server again, as no NFS server of EFS's
  // kind keeps its replies on disk (RFC 8881 §2.10.6.5). Nothing tells a directory that was made so
  // from somebody else's: of each kill one mkdir may learn it.
  const script = `
import os, sys
os.chdir(sys.argv[1])
done_before = 0
def create(name): os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
for number in range(200):
    try: os.mkdir(f"directory-{number}")
    except FileExistsError: done_before += 1
    os.rename(f"directory-{number}", f"renamed-{number}")
    create(f"file-{number}")
    os.link(f"file-{number}", f"link-{number}")
    os.unlink(f"file-{number}")
    if number % 50 == 0: print(number, flush=True)
print(done_before, flush=True)
`;
  await mkdir(mount.at(file));
  const program = start(script, mount.at(file));
  const kills = ["0", "50", "100"];
  for (const number of kills) {
    assert.equal(await program.line(), number);
    await instance.crashAndStart();
  }
  assert.equal(await program.line(), "150");
  assert.ok(Number(await program.line()) <= kills.length);
  const wanted = Array.from({ length: 200 }, (_, number) => number);
  assert.deepEqual(
    (await readdir(mount.at(file))).sort(),
    wanted.flatMap((number) => [`link-${number}`, `renamed-${number}`]).sort(),
  );
});

test("an unlinked open file survives the server, and is gone when it is closed", async () => {
  const script = `
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.write(file, b"before"); os.unlink(sys.argv[1])
print("unlinked", flush=True); sys.stdin.readline()
os.write(file, b" and after"); os.fsync(file)
print(os.pread(file, 100, 0).decode(), os.fstat(file).st_nlink, flush=True)
`;
  const program = start(script, mount.at(file));
  assert.equal(await program.line(), "unlinked");
  await instance.crashAndStart();
  program.say("on");
  assert.equal(await program.line(), "before and after 0");
});

/** Takes a lock, and gives it up when told so. */
const lockScript = `
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
lock = fcntl.lockf if sys.argv[2] == "fcntl" else fcntl.flock
try: lock(file, fcntl.LOCK_EX | (0 if sys.argv[3] == "wait" else fcntl.LOCK_NB))
except BlockingIOError: print("refused", flush=True)
else:
    print("locked", flush=True); sys.stdin.readline()
    lock(file, fcntl.LOCK_UN); print("unlocked", flush=True)
`;

for (const kind of ["fcntl", "flock"]) {
  test(`a ${kind} lock is still held after the server was killed, and still waited for`, async () => {
    const other = await fileSystem.mount();
    const holder = start(lockScript, mount.at(file), kind, "try");
    assert.equal(await holder.line(), "locked");
    const waiting = start(lockScript, other.at(file), kind, "wait");
    await instance.crashAndStart();
    const trying = start(lockScript, other.at(file), kind, "try");
    assert.equal(await trying.line(), "refused");
    holder.say("on");
    assert.equal(await holder.line(), "unlocked");
    assert.equal(await waiting.line(), "locked");
  });
}

test("cut connections are made again, and neither writers nor locks notice", async () => {
  const proxy = await TcpProxy.start(fileSystem.address, instance.nfsPort);
  started.push(proxy);
  const through = await fileSystem.mount({
    options: ["tls", "iam", "mounttargetip=127.0.0.1"],
    port: proxy.port,
  });
  const holder = start(lockScript, through.at(`${file}-lock`), "fcntl", "try");
  assert.equal(await holder.line(), "locked");
  const program = start(recordsScript, through.at(file), "fsync", "300");
  for (const last of [50, 100, 150, 200, 250]) {
    await writeUntil(program, last);
    const { accepted } = proxy;
    program.say("on");
    proxy.cut();
    await eventually("another connection", () => proxy.accepted > accepted);
  }
  await writeUntil(program, 299);
  program.say("enough");
  assert.equal(await program.line(), "whole");
  assert.equal(await readFile(mount.at(file), "utf8"), records(300));
  const trying = start(lockScript, mount.at(`${file}-lock`), "fcntl", "try");
  assert.equal(await trying.line(), "refused");
  await holder.end();
  await through.end();
});

test("an application waits while the server is away, and goes on when it is back", async () => {
  await writeFile(mount.at(file), "contents");
  const script = `
import os, sys
print("starting", flush=True); sys.stdin.readline()
print(open(sys.argv[1]).read(), os.path.basename(sys.argv[1]) in os.listdir(sys.argv[2]), flush=True)
`;
  const program = start(script, mount.at(file), mount.directory);
  assert.equal(await program.line(), "starting");
  await instance.moor.end("SIGKILL");
  program.say("on");
  await instance.moor.up();
  assert.equal(await program.line(), "contents True");
});

/** Does one thing with a file when told so, and says when it is done. */
const waiterScript = `
import os, subprocess, sys
name, what = sys.argv[1:]
file = os.open(name, os.O_RDWR | os.O_CREAT)
if what != "start": os.write(file, b"written")
print("ready", flush=True); sys.stdin.readline()
if what == "look up": os.path.exists(name + "-missing")
if what == "read": os.pread(file, 4096, 1 << 20)
if what == "fsync": os.fsync(file)
if what == "start": subprocess.run(["true"])
print("done", flush=True); sys.stdin.readline()
`;

test("with the server dead a process is killed like any other, whatever it waits for", async () => {
  const waiting: Python[] = [];
  for (const what of ["look up", "read", "fsync", "nothing"]) {
    const program = start(waiterScript, mount.at(`${file}-${what}`), what);
    assert.equal(await program.line(), "ready");
    waiting.push(program);
  }
  await instance.moor.end("SIGKILL");
  try {
    for (const program of waiting) program.say("on");
    assert.equal(await waiting.pop()!.line(), "done");
    // Returns when they are gone and what they had open is closed.
    await Promise.all(started.splice(0).map((program) => program.end()));
  } finally {
    await instance.moor.up();
  }
  assert.equal(await readFile(mount.at(`${file}-fsync`), "utf8"), "written");
});

test("with the server dead a process that has written nothing starts others", async () => {
  const program = start(waiterScript, mount.at(file), "start");
  assert.equal(await program.line(), "ready");
  await instance.moor.end("SIGKILL");
  try {
    program.say("on");
    assert.equal(await program.line(), "done");
  } finally {
    await instance.moor.up();
  }
});

test("large reads and writes through a connection that is cut all the time are whole", async () => {
  const proxy = await TcpProxy.start(fileSystem.address, instance.nfsPort);
  started.push(proxy);
  const through = await fileSystem.mount({
    options: ["tls", "iam", "mounttargetip=127.0.0.1"],
    port: proxy.port,
  });
  const script = `
import hashlib, os, random, sys
chance = random.Random(int(sys.argv[2]))
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
wanted = hashlib.sha256()
for part in range(48):
    piece = chance.randbytes(1 << 20)
    wanted.update(piece); os.write(file, piece)
    if part % 16 == 15: print("cut", flush=True)
os.fsync(file)
for how in "buffered", "evicted":
    if how == "evicted": os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    found = hashlib.sha256()
    for part in range(48):
        found.update(os.pread(file, 1 << 20, part << 20))
        if how == "evicted" and part % 16 == 7: print("cut", flush=True)
    assert found.digest() == wanted.digest(), how
print("whole", flush=True)
`;
  const program = start(script, through.at(file), "11");
  let cuts = 0;
  for (;;) {
    const line = await program.line();
    if (line === "whole") break;
    proxy.cut();
    cuts += 1;
  }
  assert.equal(cuts, 6);
  await through.end();
});

test("lines that are appended while the server is killed are each there once", async () => {
  const script = `
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for line in range(300):
    os.write(file, f"line {line}\\n".encode())
    if line % 100 == 50: print(line, flush=True)
print("done", flush=True)
`;
  const program = start(script, mount.at(file));
  for (const line of ["50", "150", "250"]) {
    assert.equal(await program.line(), line);
    await instance.crashAndStart();
  }
  assert.equal(await program.line(), "done");
  const wanted = Array.from({ length: 300 }, (_, line) => `line ${line}\n`).join("");
  assert.equal(await readFile(mount.at(file), "utf8"), wanted);
});

test("umount of a directory in use says so, and --lazy takes it away", async () => {
  const used = await fileSystem.mount();
  const kept = await open(used.at(file), "w");
  const refused = await used.unmount();
  assert.notEqual(refused.exitCode, 0);
  assert.match(refused.stderr, /is in use; end what uses it, or add --lazy/);
  await kept.write("still here");
  assert.equal((await used.unmount("--lazy")).exitCode, 0);
  assert.equal(await used.isMounted(), false);
  await kept.write(" and now");
  await kept.close();
  assert.equal(await readFile(mount.at(file), "utf8"), "still here and now");
  await eventually("the end of its process", () => !used.isServed);
  const again = await used.unmount();
  assert.match(again.stderr, /Nothing is mounted on/);
});

// From here on clients are left behind that won't reclaim: opens wait for them after a restart.

test("when a mount's process is killed, whoever uses the mount is told so, and it is taken away", async () => {
  const doomed = await fileSystem.mount();
  const script = `
import errno, os, sys, threading
print("busy", flush=True)
def work(name, done):
    try:
        file = os.open(name, os.O_RDWR | os.O_CREAT)
        while True:
            os.pwrite(file, b"x" * 200000, 0); os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED); os.pread(file, 200000, 0)
    except OSError as error: done.append(errno.errorcode[error.errno])
done = []
threads = [threading.Thread(target=work, args=(f"{sys.argv[1]}-{number}", done)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*sorted(set(done)), flush=True)
`;
  const program = start(script, doomed.at(file));
  assert.equal(await program.line(), "busy");
  await eventually(
    "all files",
    async () =>
      (await readdir(mount.directory)).filter((name) => name.startsWith(`${file}-`)).length === 8,
  );
  await doomed.kill();
  for (const code of (await program.line()).split(" ")) {
    assert.match(code, /^(ECONNABORTED|ENOTCONN|EIO)$/);
  }
  await doomed.end();
  assert.equal(await doomed.isMounted(), false);
});

test("with the server dead a mount is refused, and umount takes a mount away", async () => {
  const gone = await fileSystem.mount();
  await writeFile(gone.at(file), "contents");
  await instance.moor.end("SIGKILL");
  try {
    const refused = await fileSystem.mountRefused({
      options: ["tls", "iam", `mounttargetip=${fileSystem.address}`],
    });
    assert.equal(refused.stderr, "moor: b'mount.nfs4: Connection refused'\n");
    assert.equal((await gone.unmount()).exitCode, 0);
    assert.equal(await gone.isMounted(), false);
    await eventually("the end of its process", () => !gone.isServed);
  } finally {
    await instance.moor.up();
  }
  // Not by opening it: the server waits for the one that is gone to reclaim first.
  assert.equal((await stat(mount.at(file))).size, "contents".length);
});

test("umount -f ends what waits for a dead server", async () => {
  const forced = await fileSystem.mount();
  const script = `
import errno, os, sys
print("ready", flush=True); sys.stdin.readline()
try: print(os.stat(sys.argv[1] + "-missing"), flush=True)
except OSError as error: print(errno.errorcode[error.errno], flush=True)
sys.stdin.readline()
`;
  const program = start(script, forced.at(file));
  assert.equal(await program.line(), "ready");
  await instance.moor.end("SIGKILL");
  try {
    program.say("on");
    await forced.force();
    assert.match(await program.line(), /^(ECONNABORTED|ENOTCONN|EIO)$/);
    await program.end();
    await forced.end();
  } finally {
    await instance.moor.up();
  }
});
