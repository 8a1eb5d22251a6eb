import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python, Python } from "../support/python.ts";

let instance: Instance;
let fileSystem: MountedFileSystem;
let one: Mount;
let other: Mount;
/** Name of a file that only this test uses. */
let file: string;
let count = 0;
const lockers: Python[] = [];

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  [one, other] = [await fileSystem.mount(), await fileSystem.mount()];
});
beforeEach(() => {
  count += 1;
  file = `file-${count}`;
});
afterEach(() => endAll(...lockers.splice(0)));
after(() => endAll(fileSystem, instance));

/**
 * Does what the lines say to one file and answers each with a line. Ranges are a start and a
 * length, 0 for "to the end of the file".
 */
const lockerScript = `
import errno, fcntl, os, signal, struct, sys
kinds = {"read": fcntl.F_RDLCK, "write": fcntl.F_WRLCK, "unlock": fcntl.F_UNLCK}
flocks = {"read": fcntl.LOCK_SH, "write": fcntl.LOCK_EX, "unlock": fcntl.LOCK_UN}
class Alarm(Exception): pass
def alarmed(*_): raise Alarm()
signal.signal(signal.SIGALRM, alarmed)
files = [os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)]
def fcntl_lock(command, kind, start, length):
    lock = struct.pack("hhqqi4x", kinds[kind], os.SEEK_SET, int(start), int(length), 0)
    return struct.unpack("hhqqi4x", fcntl.fcntl(files[-1], command, lock))
def test(kind, start, length):
    found, _, start, length, _ = fcntl_lock(fcntl.F_GETLK, kind, start, length)
    names = {number: name for name, number in kinds.items()}
    return "free" if found == fcntl.F_UNLCK else f"{names[found]} {start} {length}"
def set_lock(command, *args):
    fcntl_lock(command, *args)
    return "granted"
def flock(kind, wait):
    fcntl.flock(files[-1], flocks[kind] | (0 if wait else fcntl.LOCK_NB))
    return "granted"
def reopen(mode):
    files.append(os.open(sys.argv[1], os.O_RDONLY if mode == "read" else os.O_RDWR))
    return "opened"
def close(index):
    os.close(files.pop(int(index)))
    return "closed"
def interrupted(*args):
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try: set_lock(fcntl.F_SETLKW, *args)
    except Alarm: return "interrupted"
commands = {
    "test": test, "reopen": reopen, "close": close, "interrupted": interrupted,
    "lock": lambda *args: set_lock(fcntl.F_SETLK, *args),
    "wait": lambda *args: set_lock(fcntl.F_SETLKW, *args),
    "flock": lambda kind: flock(kind, False), "flock-wait": lambda kind: flock(kind, True),
}
print("ready", flush=True)
for line in sys.stdin:
    name, *args = line.split()
    try: answer = commands[name](*args)
    except OSError as error: answer = errno.errorcode[error.errno]
    print(answer, flush=True)
`;

async function locker(mount: Mount, name = file): Promise<Python> {
  const started = new Python(lockerScript, [mount.at(name)]);
  lockers.push(started);
  assert.equal(await started.line(), "ready");
  return started;
}

async function tell(who: Python, line: string): Promise<string> {
  who.say(line);
  return who.line();
}

/** What each of two processes, on different mounts, is told in turn, and has to answer. */
const conversations: Record<string, readonly ["a" | "b", string, string][]> = {
  "a write lock keeps other mounts out of its bytes only": [
    ["a", "lock write 10 10", "granted"],
    ["b", "lock write 0 10", "granted"],
    ["b", "lock write 20 0", "granted"],
    ["b", "lock read 19 1", "EAGAIN"],
    ["b", "test read 0 0", "write 10 10"],
    ["a", "test write 10 10", "free"],
    ["a", "test read 0 0", "write 0 10"],
  ],
  "read locks stand beside each other, and a write lock has to be alone": [
    ["a", "lock read 0 0", "granted"],
    ["b", "lock read 0 0", "granted"],
    ["b", "lock write 0 0", "EAGAIN"],
    ["a", "unlock", "granted"],
    ["b", "lock write 0 0", "granted"],
    ["a", "lock read 5 1", "EAGAIN"],
  ],
  "unlocking the middle of a lock keeps its ends": [
    ["a", "lock write 0 100", "granted"],
    ["a", "lock unlock 40 20", "granted"],
    ["b", "lock write 40 20", "granted"],
    ["b", "lock write 39 1", "EAGAIN"],
    ["b", "test write 60 1", "write 60 40"],
  ],
  "a lock is downgraded and upgraded in place": [
    ["a", "lock write 0 0", "granted"],
    ["a", "lock read 0 0", "granted"],
    ["b", "lock read 0 0", "granted"],
    ["b", "lock unlock 0 0", "granted"],
    ["a", "lock write 0 0", "granted"],
    ["b", "lock read 0 0", "EAGAIN"],
  ],
  "closing any descriptor of the file gives up the process's fcntl locks": [
    ["a", "lock write 0 0", "granted"],
    ["a", "reopen write", "opened"],
    ["a", "close 1", "closed"],
    ["b", "lock write 0 0", "granted"],
  ],
  "two descriptors of one process don't stand in each other's way": [
    ["a", "lock write 0 10", "granted"],
    ["a", "reopen write", "opened"],
    ["a", "lock write 5 10", "granted"],
    ["b", "test write 0 0", "write 0 15"],
    ["a", "lock unlock 0 0", "granted"],
    ["b", "lock write 0 0", "granted"],
  ],
  "flock keeps other mounts out of the whole file": [
    ["a", "flock read", "granted"],
    ["b", "flock read", "granted"],
    ["b", "flock write", "EAGAIN"],
    ["a", "flock unlock", "granted"],
    ["b", "flock write", "granted"],
    ["a", "flock read", "EAGAIN"],
    ["b", "close 0", "closed"],
    ["a", "flock write", "granted"],
  ],
  "two descriptors of one process stand in each other's way for flock": [
    ["a", "flock write", "granted"],
    ["a", "reopen write", "opened"],
    ["a", "flock write", "EAGAIN"],
    ["a", "close 0", "closed"],
    ["a", "flock write", "granted"],
    ["b", "flock write", "EAGAIN"],
  ],
  "a descriptor without the right to write gets no write lock": [
    ["a", "reopen read", "opened"],
    ["a", "lock write 0 0", "EBADF"],
    ["a", "lock read 0 0", "granted"],
    ["b", "lock write 0 0", "EAGAIN"],
  ],
  "locks far behind the end of the file are kept apart": [
    ["a", "lock write 4503599627370496 1", "granted"],
    ["b", "lock write 4503599627370497 1", "granted"],
    ["b", "lock write 4503599627370496 1", "EAGAIN"],
    ["b", "lock write 0 4503599627370496", "granted"],
  ],
  "locks up to the last byte that there can be are kept apart": [
    ["a", "lock write 9223372036854775806 1", "granted"],
    ["b", "lock write 9223372036854775807 1", "granted"],
    ["b", "test write 9223372036854775806 0", "write 9223372036854775806 1"],
    ["a", "test write 9223372036854775805 0", "write 9223372036854775807 0"],
    ["b", "lock write 9223372036854775805 1", "granted"],
    ["a", "lock unlock 0 9223372036854775807", "granted"],
    ["b", "lock write 9223372036854775806 0", "granted"],
  ],
  "flock and fcntl locks stand in each other's way, as with Linux's NFS client (flock(2))": [
    ["a", "lock write 0 10", "granted"],
    ["a", "flock read", "EAGAIN"],
    ["b", "flock read", "EAGAIN"],
    ["a", "unlock", "granted"],
    ["b", "flock read", "granted"],
    ["a", "lock write 0 10", "EAGAIN"],
  ],
};

for (const [name, lines] of Object.entries(conversations)) {
  test(name, async () => {
    const who = { a: await locker(one), b: await locker(other) };
    for (const [index, [speaker, line, wanted]] of lines.entries()) {
      const told = line === "unlock" ? "lock unlock 0 0" : line;
      assert.equal(await tell(who[speaker], told), wanted, `${index}: ${speaker} ${line}`);
    }
  });
}

test("two processes of one mount keep each other out as two mounts do", async () => {
  const [a, b] = [await locker(one), await locker(one)];
  assert.equal(await tell(a, "lock write 0 10"), "granted");
  assert.equal(await tell(b, "lock write 5 10"), "EAGAIN");
  assert.equal(await tell(b, "test write 5 10"), "write 0 10");
  assert.equal(await tell(a, "lock unlock 0 0"), "granted");
  assert.equal(await tell(b, "lock write 5 10"), "granted");
});

for (const [how, take, wait, give] of [
  ["fcntl", "lock write 0 0", "wait write 0 0", "lock unlock 0 0"],
  ["flock", "flock write", "flock-wait write", "flock unlock"],
] as const) {
  test(`a process that waits for a ${how} lock gets it when another mount gives it up`, async () => {
    const [a, b] = [await locker(one), await locker(other)];
    assert.equal(await tell(a, take), "granted");
    const answers: string[] = [];
    const waiting = tell(b, wait).then((answer) => answers.push(answer));
    // While these are answered a lock that respects nobody would be granted.
    for (let round = 0; round < 10; round += 1) assert.equal(await tell(a, take), "granted");
    assert.deepEqual(answers, []);
    assert.equal(await tell(a, give), "granted");
    await waiting;
    assert.deepEqual(answers, ["granted"]);
  });
}

test("a signal ends the wait for a lock, which is not taken later", async () => {
  const [a, b] = [await locker(one), await locker(other)];
  assert.equal(await tell(a, "lock write 0 0"), "granted");
  assert.equal(await tell(b, "interrupted write 0 0"), "interrupted");
  assert.equal(await tell(a, "lock unlock 0 0"), "granted");
  assert.equal(await tell(a, "test write 0 0"), "free");
  const third = await locker(one);
  assert.equal(await tell(third, "lock write 0 0"), "granted");
});

for (const [how, take, wait] of [
  ["fcntl", "lock write 0 10", "wait write 0 0"],
  ["flock", "flock write", "flock-wait write"],
] as const) {
  test(`the ${how} lock of a killed process is given up`, async () => {
    const [a, b] = [await locker(one), await locker(other)];
    assert.equal(await tell(a, take), "granted");
    await a.end();
    assert.equal(await tell(b, wait), "granted");
  });
}

test("a counter that eight processes on two mounts raise under a lock misses none", async () => {
  const script = `
import fcntl, os, sys
for turn in range(25):
    file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    fcntl.lockf(file, fcntl.LOCK_EX)
    number = int(os.read(file, 20) or b"0")
    os.pwrite(file, str(number + 1).encode(), 0)
    os.close(file)
`;
  const mounts = [one, other, one, other, one, other, one, other];
  await Promise.all(mounts.map((mount) => python(script, mount.at(file))));
  const read = `import sys; print(open(sys.argv[1]).read())`;
  assert.equal((await python(read, other.at(file))).trim(), "200");
});

test("threads of one process lock and unlock their own ranges at once", async () => {
  const script = `
import fcntl, os, sys, threading
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
failed = []
def work(number):
    try:
        for turn in range(20):
            fcntl.lockf(file, fcntl.LOCK_EX, 10, number * 10)
            fcntl.lockf(file, fcntl.LOCK_UN, 10, number * 10)
        fcntl.lockf(file, fcntl.LOCK_EX, 10, number * 10)
    except OSError as error: failed.append(error)
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failed, flush=True)
sys.stdin.read()
`;
  const threaded = new Python(script, [one.at(file)]);
  lockers.push(threaded);
  assert.equal(await threaded.line(), "[]");
  const b = await locker(other);
  assert.equal(await tell(b, "test write 0 0"), "write 0 80");
  await threaded.end();
  assert.equal(await tell(b, "wait write 0 0"), "granted");
});

test("locks of a mount that was taken away are given up", async () => {
  const third = await fileSystem.mount();
  const [a, b] = [await locker(third), await locker(one)];
  assert.equal(await tell(a, "lock write 0 0"), "granted");
  const waiting = tell(b, "wait write 0 0");
  await a.end();
  assert.equal((await third.unmount()).exitCode, 0);
  assert.equal(await waiting, "granted");
});
