// Where POSIX has fine print, and where a file system of EFS's kind refuses: docs/posix.md.
import assert from "node:assert/strict";
import { chmod, copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";

import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { python } from "../support/python.ts";

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

const prelude = `
import ctypes, errno, os, subprocess, sys
os.chdir(sys.argv[1])
def become(uid, gid):
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
def refused(call, *args, **named):
    try: call(*args, **named)
    except OSError as error: return errno.errorcode[error.errno]
    return "granted"
libc = ctypes.CDLL(None, use_errno=True)
def system_call(name, *args):
    if getattr(libc, name)(*args) == -1: raise OSError(ctypes.get_errno(), name)
`;

async function lines(script: string): Promise<string[]> {
  return (await python(`${prelude}\n${script}`, home)).trimEnd().split("\n");
}

test("who may run a program and not read it runs it, and who may read it and not run it reads it", async () => {
  await copyFile("/bin/true", `${home}/to-run`);
  await chmod(`${home}/to-run`, 0o711);
  await copyFile("/bin/true", `${home}/to-read`);
  await chmod(`${home}/to-read`, 0o744);
  const printed = await lines(`
become(1000, 1000)
print(refused(subprocess.check_call, ["./to-run"]), refused(open, "to-run"))
print(refused(subprocess.check_call, ["./to-read"]), refused(open, "to-read"))
`);
  assert.deepEqual(printed, ["granted EACCES", "EACCES granted"]);
});

test("a directory is opened by who may list it, and walked through by who may search it", async () => {
  await mkdir(`${home}/to-search`);
  await chmod(`${home}/to-search`, 0o711);
  await mkdir(`${home}/to-list`);
  await chmod(`${home}/to-list`, 0o744);
  for (const name of ["to-search", "to-list"]) await writeFile(`${home}/${name}/file`, "");
  const printed = await lines(`
become(1000, 1000)
for name in ["to-search", "to-list"]:
    print(refused(os.open, name, os.O_RDONLY | os.O_DIRECTORY), refused(os.stat, f"{name}/file"))
`);
  assert.deepEqual(printed, ["EACCES granted", "granted EACCES"]);
});

test("who has no supplementary groups is in none", async () => {
  const printed = await lines(`
open("file", "w").close(); os.chmod("file", 0o640)
become(1000, 1000)
print(os.getgroups(), refused(open, "file"))
`);
  assert.deepEqual(printed, ["[] EACCES"]);
});

test("utimensat sets one time and leaves the other, to now or to a nanosecond", async () => {
  const printed = await lines(`
open("file", "w").close()
os.utime("file", ns=(1_111, 2_222))
subprocess.check_call(["touch", "-a", "-d", "@5.000000007", "file"])
found = os.stat("file"); print(found.st_atime_ns, found.st_mtime_ns)
before = os.stat("file").st_ctime_ns
subprocess.check_call(["touch", "-m", "file"])
found = os.stat("file"); print(found.st_atime_ns, found.st_mtime_ns > 10**18, found.st_ctime_ns > before)
os.utime("file", (-1, -2)); found = os.stat("file"); print(found.st_atime, found.st_mtime)
os.symlink("file", "link"); os.utime("link", (7, 8), follow_symlinks=False)
print(os.lstat("link").st_mtime, os.stat("file").st_mtime)
farthest = 2**53 - 1
for seconds in [farthest, 2**63 - 1, -2**63]:
    # utimensat(AT_FDCWD, "file", times, 0), as Python's own refuses such times.
    times = (ctypes.c_int64 * 4)(seconds, 7, seconds, 7)
    system_call("utimensat", -100, b"file", times, 0)
    print(subprocess.check_output(["stat", "-c", "%Y", "file"], text=True).strip(), end=" ")
`);
  assert.deepEqual(printed, [
    "5000000007 2222",
    "5000000007 True True",
    "-1.0 -2.0",
    "8.0 -2.0",
    "9007199254740991 9007199254740991 -9007199254740991",
  ]);
});

test("each change sets the times that POSIX says, and a read sets none", async () => {
  const printed = await lines(`
def changed(name, call):
    os.utime(name, ns=(1, 1)); before = os.stat(name).st_ctime_ns
    call()
    found = os.stat(name)
    return "".join(letter for letter, is_new in [
        ("a", found.st_atime_ns != 1), ("m", found.st_mtime_ns != 1),
        ("c", found.st_ctime_ns != before)] if is_new) or "-"
open("file", "w").write("text"); os.mkdir("directory")
def write(): open("file", "r+").write("more")
print(changed("file", lambda: open("file").read()), changed("file", write),
    changed("file", lambda: os.truncate("file", 2)), changed("file", lambda: os.chmod("file", 0o600)),
    changed("file", lambda: os.link("file", "second")), changed("file", lambda: os.unlink("second")),
    changed("file", lambda: os.rename("file", "moved") or os.rename("moved", "file")))
print(changed("directory", lambda: os.listdir("directory")),
    changed("directory", lambda: os.mkdir("directory/x")),
    changed("directory", lambda: os.rename("directory/x", "directory/y")),
    changed("directory", lambda: os.rmdir("directory/y")))
`);
  assert.deepEqual(printed, ["- mc mc c c c c", "- mc mc mc"]);
});

for (const [how, flag] of [
  ["behind", "0"],
  ["directly", "os.O_DIRECT"],
  ["at the end", "os.O_APPEND"],
] as const) {
  test(`a write ${how} takes set-id bits away that were shown just before`, async () => {
    const printed = await lines(`
import mmap
os.close(os.open("file", os.O_CREAT)); os.chown("file", 1000, 1000)
os.chmod("file", 0o6755)
# Only the mode is asked for: the kernel may answer it from memory.
def shown(): return subprocess.check_output(["stat", "-c", "%a", "file"], text=True).strip()
before = shown()
become(1000, 1000)
file = os.open("file", os.O_RDWR | ${flag})
with mmap.mmap(-1, 4096) as page: os.writev(file, [page])
print(before, shown())
`);
    assert.deepEqual(printed, ["6755 755"]);
  });
}

test("a file that is open to append can be mapped, and shows the same bytes both ways", async () => {
  const printed = await lines(`
import mmap
file = os.open("file", os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(file, b"." * 5000)
with mmap.mmap(file, 0) as memory:
    os.write(file, b"appended")
    memory[4997:5000] = b"map"; memory.flush()
    print(os.pread(file, 100, 4996), os.fstat(file).st_size)
    memory.resize(5008); print(memory[4996:])
`);
  assert.deepEqual(printed, ["b'.mapappended' 5008", "b'.mapappended'"]);
});

test("a path a thousand directories deep is made, walked and removed", async () => {
  const printed = await lines(`
depth = 999  # The home is the first.
for level in range(1, depth): os.mkdir(str(level)); os.chdir(str(level))
open("deepest", "w").write("here"); print(open("deepest").read(), os.path.exists(".."))
for level in range(depth - 1, 0, -1):
    if level == depth - 1: os.unlink("deepest")
    os.chdir(".."); os.rmdir(str(level))
print(os.listdir())
`);
  assert.deepEqual(printed, ["here True", "[]"]);
});

test("an unlinked file's room is given back when the last descriptor is closed", async () => {
  const metered = async (): Promise<number> => {
    const { FileSystems } = await instance.api().efs.describeFileSystems({});
    const found = FileSystems?.find(({ FileSystemId }) => FileSystemId === fileSystem.fileSystemId);
    return found?.SizeInBytes?.Value ?? 0;
  };
  const before = await metered();
  await lines(`
file = open("file", "wb"); os.unlink("file")
for _ in range(4): file.write(b"x" * 1048576)
file.flush(); os.fsync(file.fileno())
assert os.fstat(file.fileno()).st_blocks * 512 == 4194304, os.fstat(file.fileno())
`);
  assert.ok(Math.abs((await metered()) - before) < 1_048_576);
});

test("what EFS refuses is refused with its error", async () => {
  const printed = await lines(`
open("file", "w").close()
print("device", refused(os.mknod, "device", 0o20600, os.makedev(1, 3)))
print("links", [refused(os.link, "file", f"link {number}") for number in range(178)].index("EMLINK"))
print("target", refused(os.symlink, "x" * 4080, "long"), refused(os.symlink, "x" * 4081, "longer"))
print("name", refused(open, "x" * 256, "w"))
print("attribute", refused(os.setxattr, "file", "user.x", b"x"), refused(os.getxattr, "file", "user.x"))
print("size", refused(os.truncate, "file", 52_673_613_135_873))
descriptor = os.open("file", os.O_RDWR)
print("place", refused(os.pwrite, descriptor, b"x", 52_673_613_135_872))
print("allocate", refused(system_call, "fallocate", descriptor, 0, ctypes.c_long(0), ctypes.c_long(10)))
print("exchange", refused(system_call, "renameat2", -100, b"file", -100, b"long", 2))
`);
  assert.deepEqual(printed, [
    "device EPERM",
    "links 176",
    "target granted ENAMETOOLONG",
    "name ENAMETOOLONG",
    "attribute ENOTSUP ENOTSUP",
    "size EFBIG",
    "place EFBIG",
    "allocate ENOTSUP",
    "exchange EINVAL",
  ]);
  assert.equal((await stat(`${home}/file`)).nlink, 177);
});
