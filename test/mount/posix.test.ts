import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import {
  access,
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rmdir,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";

import { Instance } from "../support/instance.ts";
import { makeEntries } from "../support/many-entries.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python } from "../support/python.ts";

const kib = 1024;
const mib = 1024 * kib;

let instance: Instance;
let fileSystem: MountedFileSystem;
let mount: Mount;
/** Each test's own directory, that everybody may use. */
let home: string;
let count = 0;

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  mount = await fileSystem.mount();
});
beforeEach(async () => {
  count += 1;
  home = mount.at(`test-${count}`);
  await mkdir(home);
  await chmod(home, 0o777);
});
after(() => endAll(fileSystem, instance));

/** Python that goes on as a user without rights of its own. */
const asUser = `
import os, sys, stat, errno
def become(uid, gid, groups=()):
    os.setgroups(groups); os.setgid(gid); os.setuid(uid)
def refused(call, *args):
    try: call(*args)
    except OSError as error: return errno.errorcode[error.errno]
    return "granted"
os.chdir(sys.argv[1])
`;

test("a file that was written is read back with its size and one link", async () => {
  const file = `${home}/file`;
  await writeFile(file, "contents", { mode: 0o640 });
  assert.equal(await readFile(file, "utf8"), "contents");
  const { size, nlink, mode, blocks, uid, gid } = await stat(file);
  assert.deepEqual(
    { size, nlink, mode, blocks, uid, gid },
    { size: 8, nlink: 1, mode: 0o100640, blocks: 8, uid: 0, gid: 0 },
  );
});

test("a directory counts its subdirectories as links, and goes only when it is empty", async () => {
  await mkdir(`${home}/parent/child`, { recursive: true });
  assert.equal((await stat(`${home}/parent`)).nlink, 3);
  await assert.rejects(rmdir(`${home}/parent`), { code: "ENOTEMPTY" });
  await rmdir(`${home}/parent/child`);
  assert.equal((await stat(`${home}/parent`)).nlink, 2);
  await rmdir(`${home}/parent`);
  await assert.rejects(stat(`${home}/parent`), { code: "ENOENT" });
});

test("a symbolic link keeps its target to the byte, and is followed", async () => {
  await writeFile(`${home}/file`, "through the link");
  const target = Buffer.from("file", "latin1");
  await symlink(target, `${home}/link`);
  await symlink(Buffer.from([0x2f, 0xe9, 0xff]), `${home}/odd`);
  assert.equal(await readFile(`${home}/link`, "utf8"), "through the link");
  assert.deepEqual(await readlink(`${home}/odd`, "buffer"), Buffer.from([0x2f, 0xe9, 0xff]));
  assert.equal((await lstat(`${home}/link`)).isSymbolicLink(), true);
  assert.equal((await lstat(`${home}/link`)).size, 4);
});

test("hard links are one file, and it stays until the last of them is removed", async () => {
  await writeFile(`${home}/one`, "first");
  await link(`${home}/one`, `${home}/two`);
  await writeFile(`${home}/two`, "second");
  const [one, two] = [await stat(`${home}/one`), await stat(`${home}/two`)];
  assert.deepEqual([one.ino, one.nlink], [two.ino, 2]);
  await unlink(`${home}/one`);
  assert.equal(await readFile(`${home}/two`, "utf8"), "second");
  assert.equal((await stat(`${home}/two`)).nlink, 1);
});

test("a rename over an open file leaves its contents to those who have it open", async () => {
  await writeFile(`${home}/old`, "old");
  await writeFile(`${home}/new`, "new");
  const file = await open(`${home}/old`, "r+");
  await rename(`${home}/new`, `${home}/old`);
  assert.equal(await readFile(`${home}/old`, "utf8"), "new");
  assert.equal((await file.stat()).nlink, 0);
  await file.write(" written", 3);
  assert.equal(await file.readFile("utf8"), "old written");
  await file.close();
  assert.deepEqual(await readdir(home), ["old"]);
});

test("an unlinked open file is written, truncated and read until it is closed", async () => {
  const file = await open(`${home}/file`, "w+");
  await file.write("before");
  await unlink(`${home}/file`);
  await file.write(" after");
  await file.sync();
  await file.truncate(9);
  assert.equal((await file.stat()).nlink, 0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
  assert.equal(buffer.toString("utf8", 0, bytesRead), "before af");
  await file.close();
  assert.deepEqual(await readdir(home), []);
});

test("a directory moves with what is in it, but not into itself", async () => {
  await mkdir(`${home}/from/inner`, { recursive: true });
  await mkdir(`${home}/to`);
  await rename(`${home}/from`, `${home}/to/moved`);
  assert.deepEqual(await readdir(`${home}/to/moved`), ["inner"]);
  assert.equal((await stat(`${home}/to`)).nlink, 3);
  await assert.rejects(rename(`${home}/to`, `${home}/to/moved/inner/to`), { code: "EINVAL" });
  await writeFile(`${home}/file`, "");
  await assert.rejects(rename(`${home}/file`, `${home}/to`), { code: "EISDIR" });
  await assert.rejects(rename(`${home}/to`, `${home}/file`), { code: "ENOTDIR" });
  await mkdir(`${home}/empty`);
  await assert.rejects(rename(`${home}/empty`, `${home}/to`), { code: "ENOTEMPTY" });
});

test("chmod, chown and utimes are seen at once, with nanoseconds", async () => {
  const file = `${home}/file`;
  await writeFile(file, "");
  await chmod(file, 0o4751);
  assert.equal((await stat(file)).mode & 0o7777, 0o4751);
  await chown(file, 1234, 5678);
  const owned = await stat(file);
  // chown(2) takes the set-id bits of an executable file.
  assert.deepEqual([owned.uid, owned.gid, owned.mode & 0o7777], [1234, 5678, 0o751]);
  await utimes(file, 86_400.5, 2_000_000_000.25);
  const { atimeMs, mtimeMs } = await stat(file);
  assert.deepEqual([atimeMs, mtimeMs], [86_400_500, 2_000_000_000_250]);
  const script = `import os, sys; os.utime(sys.argv[1], ns=(123456789, 1600000000123456789))`;
  await python(script, file);
  const { atimeNs, mtimeNs } = await stat(file, { bigint: true });
  assert.deepEqual([atimeNs, mtimeNs], [123_456_789n, 1_600_000_000_123_456_789n]);
});

test("a user without rights is refused what POSIX refuses, and granted the rest", async () => {
  await writeFile(`${home}/roots`, "secret", { mode: 0o600 });
  await writeFile(`${home}/groups`, "shared", { mode: 0o640 });
  await chown(`${home}/groups`, 0, 77);
  await mkdir(`${home}/closed`, { mode: 0o700 });
  const printed = await python(
    `${asUser}
become(1000, 1000, [77])
print(refused(open, "roots"), refused(os.chmod, "roots", 0o666), refused(os.chown, "roots", 1000, -1))
print(refused(os.utime, "roots"), refused(os.utime, "roots", (1, 1)), refused(os.listdir, "closed"))
print(refused(os.stat, "closed/x"), os.access("groups", os.R_OK), os.access("groups", os.W_OK))
print(open("groups").read(), refused(open, "groups", "w"))
open("mine", "w").close()
print(refused(os.chown, "mine", 0, -1), refused(os.chown, "mine", -1, 77), os.stat("mine").st_gid)
`,
    home,
  );
  assert.deepEqual(printed.trim().split("\n"), [
    "EACCES EPERM EPERM",
    "EACCES EPERM EACCES",
    "EACCES True False",
    "shared EACCES",
    "EPERM granted 77",
  ]);
});

test("what one user has just seen in a closed directory stays closed to another", async () => {
  await mkdir(`${home}/closed/inner`, { recursive: true });
  await writeFile(`${home}/closed/file`, "secret");
  await writeFile(`${home}/closed/inner/file`, "secret");
  await chmod(`${home}/closed`, 0o700);
  const printed = await python(
    `${asUser}
names = ["closed/file", "closed/inner", "closed/inner/file"]
for name in names: os.stat(name)
with os.scandir("closed") as entries: sizes = sorted(entry.stat().st_size > 0 for entry in entries)
print(sizes, flush=True)
open("closed/file").close()
# Another process: what this one has found is still fresh.
if os.fork() == 0:
    become(1000, 1000)
    print(*[refused(os.stat, name) for name in names], refused(open, "closed/file"), flush=True)
    os._exit(0)
os.wait()
`,
    home,
  );
  assert.equal(printed, "[True, True]\nEACCES EACCES EACCES EACCES\n");
});

test("attributes that many threads set while they write are those that they set", async () => {
  const printed = await python(
    `
import os, sys, threading
os.chdir(sys.argv[1])
def work(number):
    file = os.open(f"file-{number}", os.O_RDWR | os.O_CREAT)
    for turn in range(20):
        time = number * 1000 + turn
        os.pwrite(file, bytes([number]) * 3000, turn * 3000)
        os.utime(file, (time, time)); os.fchmod(file, 0o600 + turn)
        found = os.fstat(file)
        if (found.st_mtime, found.st_mode & 0o777, found.st_size) != (time, 0o600 + turn, turn * 3000 + 3000):
            wrong.append((number, turn, found))
    os.close(file)
wrong = []
threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(wrong)
`,
    home,
  );
  assert.equal(printed.trim(), "[]");
});

test("a file with holes reads as zeros there, and has blocks only for its data", async () => {
  const file = await open(`${home}/sparse`, "w+");
  await file.write("begin", 0);
  await file.write("end", 100 * mib);
  await file.sync();
  const { size, blocks } = await file.stat();
  assert.equal(size, 100 * mib + 3);
  assert.ok(blocks * 512 >= 8 && blocks * 512 < mib, `${blocks} blocks`);
  const hole = await file.read(Buffer.alloc(mib, 1), 0, mib, 50 * mib);
  assert.deepEqual(hole.buffer, Buffer.alloc(mib));
  const tail = await file.read(Buffer.alloc(10), 0, 10, 100 * mib - 2);
  assert.equal(tail.buffer.toString("latin1", 0, tail.bytesRead), "\0\0end");
  await file.close();
});

test("in a sticky directory only owners remove and rename", async () => {
  await mkdir(`${home}/sticky`);
  await chmod(`${home}/sticky`, 0o1777);
  for (const name of ["roots", "hers", "target"]) await writeFile(`${home}/sticky/${name}`, name);
  await chown(`${home}/sticky/hers`, 1000, 1000);
  const printed = await python(
    `${asUser}
become(1000, 1000)
os.chdir("sticky")
print(refused(os.unlink, "roots"), refused(os.rename, "roots", "x"), refused(os.rename, "hers", "target"))
os.rename("hers", "renamed"); os.unlink("renamed")
`,
    home,
  );
  assert.equal(printed.trim(), "EPERM EPERM EPERM");
  assert.deepEqual((await readdir(`${home}/sticky`)).sort(), ["roots", "target"]);
});

test("in a setgid directory new names get its group, and directories its bit", async () => {
  await mkdir(`${home}/shared`);
  await chown(`${home}/shared`, 0, 77);
  await chmod(`${home}/shared`, 0o2777);
  await python(
    `${asUser}
become(1000, 1000)
os.umask(0o022)
open("shared/file", "w").close(); os.mkdir("shared/directory")
`,
    home,
  );
  const file = await stat(`${home}/shared/file`);
  const directory = await stat(`${home}/shared/directory`);
  assert.deepEqual([file.uid, file.gid, file.mode], [1000, 77, 0o100644]);
  assert.deepEqual([directory.uid, directory.gid, directory.mode], [1000, 77, 0o42755]);
});

for (const how of ["write", "truncate", "append"]) {
  test(`set-id bits are gone after a user's ${how}, whoever owns the file`, async () => {
    for (const owner of [0, 1000]) {
      const file = `${home}/program-${owner}`;
      await writeFile(file, "program");
      await chown(file, owner, owner);
      await chmod(file, 0o6777);
      assert.equal((await stat(file)).mode & 0o7777, 0o6777);
      await python(
        `${asUser}
become(1000, 1000)
how, name = sys.argv[2:]
if how == "truncate": os.truncate(name, 3)
else:
    file = os.open(name, os.O_WRONLY | (os.O_APPEND if how == "append" else 0))
    os.write(file, b"x")
    assert not os.fstat(file).st_mode & 0o6000
`,
        home,
        how,
        file,
      );
      assert.equal((await stat(file)).mode & 0o7777, 0o777, `owner ${owner}`);
    }
  });
}

test("lines that several processes append at once are all there and whole", async () => {
  const file = `${home}/log`;
  const script = `
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for line in range(100): os.write(file, f"{sys.argv[2]} {line} {'x' * 200}\\n".encode())
`;
  const writers = ["a", "b", "c", "d"];
  await Promise.all(writers.map((writer) => python(script, file, writer)));
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  for (const writer of writers) {
    const own = lines.filter((line) => line.startsWith(`${writer} `));
    const wanted = Array.from({ length: 100 }, (_, line) => `${writer} ${line} ${"x".repeat(200)}`);
    assert.deepEqual(own, wanted);
  }
  assert.equal(lines.length, 400);
});

test("of many that create a name with O_EXCL at once, one succeeds", async () => {
  const attempts = Array.from({ length: 20 }, () => open(`${home}/lock`, "wx"));
  const outcomes = await Promise.allSettled(attempts);
  const opened = outcomes.filter((outcome) => outcome.status === "fulfilled");
  const codes = outcomes.map((outcome) =>
    outcome.status === "rejected" ? (outcome.reason as NodeJS.ErrnoException).code : "made",
  );
  assert.equal(opened.length, 1);
  assert.equal(codes.filter((code) => code === "EEXIST").length, 19);
  await opened[0]!.value.close();
  await assert.rejects(mkdir(`${home}/lock`), { code: "EEXIST" });
});

test("truncate cuts, and what it adds reads as zeros", async () => {
  const file = `${home}/file`;
  await writeFile(file, "0123456789");
  await truncate(file, 4);
  assert.equal(await readFile(file, "latin1"), "0123");
  await truncate(file, 8);
  assert.equal(await readFile(file, "latin1"), "0123\0\0\0\0");
  const kept = await open(file, "w");
  assert.equal((await kept.stat()).size, 0);
  await kept.close();
});

test("a shared mapping and read(2), write(2) show the same bytes", async () => {
  const printed = await python(
    `
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 1 << 20)
with mmap.mmap(file, 1 << 20) as memory:
    memory[5000:5006] = b"mapped"
    os.pwrite(file, b"written", 700000)
    print(os.pread(file, 6, 5000), memory[700000:700007])
    memory.flush()
os.close(file)
`,
    `${home}/mapped`,
  );
  assert.equal(printed.trim(), `b'mapped' b'written'`);
  const bytes = await readFile(`${home}/mapped`);
  assert.equal(bytes.length, mib);
  assert.equal(bytes.toString("latin1", 5000, 5006), "mapped");
  assert.equal(bytes.toString("latin1", 700_000, 700_007), "written");
});

test("a program on the mount is run", async () => {
  await writeFile(`${home}/program`, "#!/bin/sh\necho ran with $1\n", { mode: 0o755 });
  const script = `import subprocess, sys; print(subprocess.check_output(sys.argv[1:]).decode())`;
  assert.equal((await python(script, `${home}/program`, "this")).trim(), "ran with this");
});

test("a name has up to 255 bytes", async () => {
  const longest = "n".repeat(255);
  await writeFile(`${home}/${longest}`, "");
  assert.deepEqual(await readdir(home), [longest]);
  const longer = `${home}/${longest}n`;
  for (const make of [() => writeFile(longer, ""), () => mkdir(longer)]) {
    await assert.rejects(make, { code: "ENAMETOOLONG" });
  }
});

test("a name may have any bytes but / and NUL, and comes back the same", async () => {
  const bytes = Array.from({ length: 255 }, (_, byte) => byte + 1).filter((byte) => byte !== 0x2f);
  const names = [Buffer.from(bytes), Buffer.from("caf\u00e9", "latin1"), Buffer.from("\u{1f600}")];
  for (const name of names) {
    await writeFile(Buffer.concat([Buffer.from(`${home}/`), name]), name);
  }
  const listed = await readdir(home, { encoding: "buffer" });
  assert.deepEqual(listed.sort(Buffer.compare), names.toSorted(Buffer.compare));
  for (const name of names) {
    assert.deepEqual(await readFile(Buffer.concat([Buffer.from(`${home}/`), name])), name);
  }
});

test("20,000 entries are each listed once, with and without their attributes", async () => {
  await makeEntries(fileSystem, `/test-${count}`, 20_000);
  const listed = await readdir(home);
  const wanted = Array.from({ length: 20_000 }, (_, number) => `entry-${number}`);
  assert.deepEqual(listed.sort(), wanted.sort());
  const sizes = await python(
    `
import os, sys
with os.scandir(sys.argv[1]) as entries:
    sizes = [entry.stat(follow_symlinks=False).st_size for entry in entries]
print(len(sizes), sum(sizes))
`,
    home,
  );
  assert.equal(sizes.trim(), "20000 20000");
});

test("removing entries while the directory is listed hides none of them", async () => {
  const printed = await python(
    `
import os, sys
os.chdir(sys.argv[1])
for number in range(600): os.symlink("x", f"{number:0200}")
removed = 0
with os.scandir() as entries:
    for entry in entries:
        os.unlink(entry.name)
        removed += 1
print(removed, os.listdir())
`,
    home,
  );
  assert.equal(printed.trim(), "600 []");
});

test("statfs and df show 8 EiB, free and total, and names of 255 bytes", async () => {
  const { bsize, blocks, bavail } = await statfs(home, { bigint: true });
  assert.equal(blocks * bsize, 2n ** 63n - 2n ** 20n);
  assert.equal(bavail, blocks);
  const script = `
import os, subprocess, sys
print(os.statvfs(sys.argv[1]).f_namemax)
print(subprocess.check_output(["df", "-k", "--output=size,target", sys.argv[1]]).decode())
`;
  const [names, , df] = (await python(script, home)).trim().split("\n");
  assert.equal(names, "255");
  assert.equal(df?.trim(), `9007199254739968 ${mount.directory}`);
});

test("64 MiB come back with the same SHA-256, on another mount too", async () => {
  const hash = createHash("sha256");
  const file = await open(`${home}/large`, "w");
  for (let part = 0; part < 64; part += 1) {
    const bytes = randomBytes(mib);
    hash.update(bytes);
    await file.write(bytes);
  }
  await file.sync();
  await file.close();
  const wanted = hash.digest("hex");
  const other = await fileSystem.mount();
  for (const directory of [mount.directory, other.directory]) {
    const found = createHash("sha256");
    const name = `${directory}/test-${count}/large`;
    for await (const chunk of (await open(name)).createReadStream()) found.update(chunk);
    assert.equal(found.digest("hex"), wanted);
  }
});

test("fsync works through every descriptor: of a file, read-only, of a directory", async () => {
  const file = await open(`${home}/file`, "w");
  await file.write("contents");
  await file.sync();
  await file.datasync();
  for (const name of [`${home}/file`, home]) {
    const reader = await open(name, constants.O_RDONLY);
    await reader.sync();
    await reader.close();
  }
  await file.close();
  const synchronous = await open(`${home}/file`, constants.O_WRONLY | constants.O_SYNC);
  await synchronous.write("CONTENTS");
  await synchronous.close();
  assert.equal(await readFile(`${home}/file`, "utf8"), "CONTENTS");
});

test("fifos and sockets are made; devices are refused", async () => {
  const printed = await python(
    `${asUser}
os.mkfifo("fifo"); os.mknod("socket", 0o600 | stat.S_IFSOCK)
print(stat.S_ISFIFO(os.stat("fifo").st_mode), stat.S_ISSOCK(os.stat("socket").st_mode))
reader = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK); writer = os.open("fifo", os.O_WRONLY)
os.write(writer, b"passed"); print(os.read(reader, 10).decode())
print(refused(os.mknod, "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3)))
`,
    home,
  );
  assert.equal(printed, "True True\npassed\nEPERM\n");
});

test("access(2) answers for what is missing and for what is there", async () => {
  await writeFile(`${home}/file`, "", { mode: 0o600 });
  await access(`${home}/file`, constants.R_OK | constants.W_OK);
  await assert.rejects(access(`${home}/missing`), { code: "ENOENT" });
  await assert.rejects(access(`${home}/file/below`), { code: "ENOTDIR" });
  await assert.rejects(access(`${home}/file`, constants.X_OK), { code: "EACCES" });
});
