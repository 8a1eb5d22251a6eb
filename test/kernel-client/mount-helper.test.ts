// `moor mount` with the kernel's NFS client: the helper, its tunnel, its certificate and mount(8),
// in a guest that has that client (guest.ts), towards a running instance of the host.
//
// The guest is in a network namespace of its own, where a port of the host's address stands for the
// file system's mount target: what connects there is passed on to it. The host has the same file
// system mounted by FUSE.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, lstat, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { after, afterEach, before, test } from "node:test";

import { type ConnectionEvent, listConnections } from "../../src/cli/mooring-api.ts";
import type { CommandResult } from "../../tools/moor.ts";
import { ensureKernelClientTree } from "../../tools/setup/kernel-client.ts";
import { eventually } from "../support/eventually.ts";
import { makeUserKey, type UserKey } from "../support/iam.ts";
import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { dataDirectory, GuestShell } from "./guest-shell.ts";
import { GuestNetwork } from "./network.ts";

let network: GuestNetwork | undefined;
let guest: GuestShell;
let instance: Instance;
let fileSystem: MountedFileSystem;
let fuse: Mount;
let mountTarget: TcpProxy;

before(async () => {
  const tree = ensureKernelClientTree();
  network = new GuestNetwork();
  guest = new GuestShell(tree, network);
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  fuse = await fileSystem.mount({ options: ["tls", "iam", "driver=fuse"] });
  const { address } = fileSystem;
  mountTarget = TcpProxy.between(await network.listen(), address, instance.nfsPort);
  const { session } = instance.api();
  const caFile = guest.give("ca.pem", readFileSync(session.caFile, "utf8"));
  const sessionFile = guest.give("session.json", JSON.stringify({ ...session, caFile }));
  await guest.run(`mkdir ${dataDirectory} && cp ${sessionFile} ${dataDirectory}`);
});
afterEach(() => guest.run("umount -a -l -t nfs4"));
after(async () => {
  try {
    await endAll(guest, fileSystem, mountTarget, instance);
  } finally {
    network?.remove();
  }
});

interface Wanted {
  /** `tls` and `iam` unless given. */
  readonly options?: readonly string[];
  readonly accessPointId?: string;
  /** Who signs: the account's root unless given. */
  readonly key?: UserKey;
}

/** `moor mount` at a directory of the guest, which is made. */
function attemptMount(directory: string, wanted: Wanted = {}): Promise<CommandResult> {
  const { options = ["tls", "iam"], accessPointId, key } = wanted;
  const list = [
    ...options,
    ...(accessPointId === undefined ? [] : [`accesspoint=${accessPointId}`]),
    "driver=kernel",
    `mounttargetip=${GuestNetwork.hostAddress}`,
    `port=${mountTarget.port}`,
  ];
  const signer =
    key === undefined
      ? ""
      : `AWS_ACCESS_KEY_ID=${key.accessKeyId} AWS_SECRET_ACCESS_KEY=${key.secretAccessKey} `;
  const command = `moor mount ${fileSystem.fileSystemId} ${directory} -o ${list.join(",")}`;
  return guest.attempt(`mkdir -p ${directory}; ${signer}${command}`);
}

/** Without the helper, and without TLS. */
function plainMount(directory: string): string {
  const options = `nfsvers=4.1,port=${mountTarget.port}`;
  return `mount -t nfs4 -o ${options} ${GuestNetwork.hostAddress}:/ ${directory}`;
}

async function mount(directory: string, wanted?: Wanted): Promise<void> {
  const { exitCode, stderr } = await attemptMount(directory, wanted);
  assert.deepEqual([exitCode, stderr], [0, ""], directory);
}

/** The guest's processes that serve mounts. */
async function helpers(): Promise<string[]> {
  const executables = await guest.run("ls -l /proc/[0-9]*/exe 2>/dev/null || true");
  return executables.split("\n").filter((line) => line.endsWith("/node"));
}

function processOf(executable: string): string {
  return /\/proc\/(\d+)\/exe/.exec(executable)![1]!;
}

async function connectionOf(principal: string): Promise<ConnectionEvent | undefined> {
  const open = await listConnections(instance.api().session, "open");
  return open.find((each) => each.principal === principal);
}

test("moor mount shows what the signer may see, and moor umount leaves nothing behind", async () => {
  const api = instance.api();
  const user = `arn:aws:iam::${api.session.accountId}:user/writer`;
  const key = await makeUserKey(api, "writer");
  await mkdir(fuse.at("open"));
  await chmod(fuse.at("open"), 0o777);
  const Action = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"];
  await fileSystem.setPolicy([{ Effect: "Allow", Principal: { AWS: user }, Action }]);
  try {
    const denied = "moor: b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'\n";
    const { exitCode, stderr } = await attemptMount("/mnt/efs", { options: ["tls"] });
    assert.deepEqual([exitCode, stderr], [32, denied]);
    assert.deepEqual(await helpers(), []);
    // As amazon-efs-utils mounts, which leaves the security flavor to the kernel.
    const plain = await guest.attempt(plainMount("/mnt/efs"));
    assert.equal(plain.exitCode, 32);
    assert.match(plain.stderr, /access denied by server/);

    await mount("/mnt/efs", { key });
    const shown = await guest.run("grep ' /mnt/efs ' /proc/mounts");
    assert.match(shown, /^127\.0\.0\.1:\/ \/mnt\/efs nfs4 rw,\S*vers=4\.1,\S*addr=127\.0\.0\.1 /);
    assert.equal((await helpers()).length, 1);
    assert.equal((await connectionOf(user))?.secure, true);

    await guest.run(`
set -e
cp /usr/bin/python3 /mnt/efs/open/copy
echo 3 > /proc/sys/vm/drop_caches
cmp /usr/bin/python3 /mnt/efs/open/copy`);
    // The signer has no ClientRootAccess.
    assert.equal((await stat(fuse.at("open/copy"))).uid, 65_534);
    assert.match((await guest.attempt("touch /mnt/efs/file")).stderr, /Permission denied/);

    await guest.run("moor umount /mnt/efs");
    assert.equal((await guest.attempt("grep ' /mnt/efs ' /proc/mounts")).stdout, "");
    await eventually("the end of the helper", async () => (await helpers()).length === 0);
    assert.equal(await connectionOf(user), undefined);
  } finally {
    await api.efs.deleteFileSystemPolicy({ FileSystemId: fileSystem.fileSystemId });
  }
});

test("what the kernel has still to write when it unmounts goes through the tunnel", async () => {
  await mount("/mnt/efs");
  // A mapping that outlives its descriptor isn't written by any close.
  const script = `
import mmap
with open("/mnt/efs/mapped", "w+b") as file:
    file.truncate(10_000_000)
    memory = mmap.mmap(file.fileno(), 0)
memory[:] = b"0123456789" * 1_000_000`;
  await guest.run(`python3 -c '${script}'`);
  mountTarget.hold();
  try {
    await guest.run("(moor umount /mnt/efs; echo $? > /run/unmounted) >/dev/null 2>&1 &");
    await eventually("a mount less", async () => {
      return (await guest.attempt("grep ' /mnt/efs ' /proc/mounts")).exitCode !== 0;
    });
    // The helper looks every second.
    await guest.run("sleep 2.5");
  } finally {
    mountTarget.letGo();
  }
  await eventually("the end of moor umount", async () => {
    return (await guest.attempt("cat /run/unmounted")).stdout === "0\n";
  });
  const mapped = await readFile(fuse.at("mapped"));
  assert.ok(mapped.equals(Buffer.alloc(10_000_000, "0123456789")));
  await eventually("the end of the helper", async () => (await helpers()).length === 0);
});

test("what root makes through an access point is its user's, below its directory", async () => {
  const accessPointId = await fileSystem.accessPoint({
    PosixUser: { Uid: 1001, Gid: 1002 },
    RootDirectory: {
      Path: "/teams/blue",
      CreationInfo: { OwnerUid: 1001, OwnerGid: 1002, Permissions: "750" },
    },
  });
  await mount("/mnt/blue", { accessPointId });
  await guest.run("cd /mnt/blue && echo hello > file && mkdir directory && ln -s file link");
  assert.deepEqual((await readdir(fuse.at("teams/blue"))).sort(), ["directory", "file", "link"]);
  for (const name of ["", "directory", "file", "link"]) {
    const { uid, gid, ino } = await lstat(fuse.at("teams/blue", name));
    assert.deepEqual([uid, gid], [1001, 1002], name);
    const seen = await guest.run(`stat -c '%u %g %i' /mnt/blue/${name}`);
    assert.equal(seen, `1001 1002 ${ino}\n`, name);
  }
  await writeFile(fuse.at("teams/blue/roots"), "secret", { mode: 0o600 });
  for (const [command, refusal] of [
    ["cat /mnt/blue/roots", /Permission denied/],
    ["chown 0:0 /mnt/blue/file", /Operation not permitted/],
  ] as const) {
    assert.match((await guest.attempt(command)).stderr, refusal, command);
  }
});

/** A mounted directory, and a shell where it is. */
class Place {
  readonly directory: string;
  readonly attempt: (command: string) => Promise<CommandResult>;

  constructor(directory: string, attempt: (command: string) => Promise<CommandResult>) {
    this.directory = directory;
    this.attempt = attempt;
  }

  /** Runs a command in the directory; gives what it printed. */
  async run(command: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.attempt(`cd ${this.directory} && ${command}`);
    assert.equal(exitCode, 0, `${command} in ${this.directory}: ${stderr}`);
    return stdout;
  }

  /** Whether another process here would get `flock` on the file. */
  async isFree(name: string): Promise<boolean> {
    const { exitCode, stderr } = await this.attempt(`flock -n ${this.directory}/${name} true`);
    assert.equal(stderr, "");
    return exitCode === 0;
  }

  /** Does the work while a process here has `flock` on the file. */
  async holding(name: string, work: () => Promise<void>): Promise<void> {
    const holder = `exec 9>>${this.directory}/${name}; flock 9; exec sleep 1000`;
    const { stdout: process } = await this.attempt(`(${holder}) >/dev/null 2>&1 & echo $!`);
    try {
      await eventually(`a lock in ${this.directory}`, async () => !(await this.isFree(name)));
      await work();
    } finally {
      await this.attempt(`kill ${process}`);
    }
    await eventually(`the lock's end in ${this.directory}`, () => this.isFree(name));
  }
}

const inGuest = (directory: string): Place =>
  new Place(directory, (command) => guest.attempt(command));
const onHost = (directory: string): Place => new Place(directory, attemptOnHost);

async function attemptOnHost(command: string): Promise<CommandResult> {
  const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [exitCode] = (await closed) as [number];
  return { exitCode, stdout, stderr };
}

test("the kernel's mounts, with TLS and plain, and FUSE on another machine are one tree", async () => {
  await mount("/mnt/tls");
  await guest.run(`mkdir /mnt/plain && ${plainMount("/mnt/plain")}`);
  const places = [inGuest("/mnt/tls"), inGuest("/mnt/plain"), onHost(fuse.directory)];
  for (const place of places) await place.run("echo nothing yet > all");
  for (const writer of places) {
    const others = places.filter((each) => each !== writer);
    const mark = writer.directory.replaceAll("/", "-");
    await writer.run(`echo only ${mark} > only${mark} && echo all ${mark} > all`);
    for (const reader of others) {
      assert.equal(await reader.run(`cat only${mark} all`), `only ${mark}\nall ${mark}\n`);
    }
    for (const other of others) await other.run(`echo ${other.directory} >> all`);
    const added = others.map(({ directory }) => `${directory}\n`).join("");
    assert.equal(await writer.run("cat all"), `all ${mark}\n${added}`);
    await writer.run(`mv only${mark} moved${mark}`);
    for (const reader of others) {
      assert.equal(await reader.run(`ls | grep -e ${mark}`), `moved${mark}\n`);
    }
    await writer.holding("all", async () => {
      for (const other of others) assert.equal(await other.isFree("all"), false, other.directory);
    });
    for (const other of others) assert.equal(await other.isFree("all"), true, other.directory);
  }
});

test("mounts through two access points at once keep their user, root and locks apart", async () => {
  const blue = await fileSystem.accessPoint({
    PosixUser: { Uid: 1001, Gid: 1001 },
    RootDirectory: {
      Path: "/both",
      CreationInfo: { OwnerUid: 1001, OwnerGid: 1001, Permissions: "755" },
    },
  });
  const green = await fileSystem.accessPoint({
    PosixUser: { Uid: 2002, Gid: 2002 },
    RootDirectory: {
      Path: "/both/green",
      CreationInfo: { OwnerUid: 2002, OwnerGid: 2002, Permissions: "755" },
    },
  });
  await mount("/mnt/blue", { accessPointId: blue });
  await mount("/mnt/green", { accessPointId: green });
  // Both at once, many requests of each.
  const work = "for i in $(seq 100); do echo $i > $i; done; head -c 20000000 /dev/urandom > large";
  await guest.run(`
(cd /mnt/blue; ${work}) & one=$!
(cd /mnt/green; ${work}) & other=$!
wait $one && wait $other`);
  const names = [...Array.from({ length: 100 }, (_, index) => String(index + 1)), "large"];
  for (const [directory, path, uid, more] of [
    ["/mnt/blue", "both", 1001, ["green"]],
    ["/mnt/green", "both/green", 2002, []],
  ] as const) {
    assert.deepEqual((await readdir(fuse.at(path))).sort(), [...names, ...more].sort());
    for (const name of names) assert.equal((await stat(fuse.at(path, name))).uid, uid, name);
    const sum = `sha256sum < ${fuse.at(path, "large")}`;
    const here = (await attemptOnHost(sum)).stdout;
    assert.equal(await guest.run(`sha256sum < ${directory}/large`), here);
  }
  assert.match((await guest.attempt("touch /mnt/blue/green/new")).stderr, /Permission denied/);

  const [throughBlue, throughGreen] = [inGuest("/mnt/blue"), inGuest("/mnt/green")];
  await throughGreen.run("touch locked && chmod 666 locked");
  await throughGreen.holding("locked", async () => {
    assert.equal(await throughBlue.isFree("green/locked"), false);
    await guest.run("moor umount /mnt/blue");
    await throughGreen.run("echo still > here && cat here");
    assert.equal(await onHost(fuse.at("both/green")).isFree("locked"), false);
  });
});

/** Where the kernel connects to for a mount, which is its tunnel. */
async function tunnelOf(directory: string): Promise<string | undefined> {
  const shown = await guest.run(`grep ' ${directory} ' /proc/mounts`);
  return /,port=(\d+),/.exec(shown)?.[1];
}

test("two mounts of one file system have a tunnel each, which outlives the other's", async () => {
  await mount("/mnt/first");
  const [first] = await helpers();
  await mount("/mnt/second");
  assert.notEqual(await tunnelOf("/mnt/first"), await tunnelOf("/mnt/second"));
  const [one, other] = [inGuest("/mnt/first"), inGuest("/mnt/second")];
  await one.run("echo first > shared");
  assert.equal(await other.run("cat shared"), "first\n");
  await one.holding("shared", async () => assert.equal(await other.isFree("shared"), false));
  await other.holding("shared", async () => {
    await guest.run("umount /mnt/first");
    // As efs-utils' watchdog does, whatever else has come to use the tunnel.
    await guest.attempt(`kill -9 ${processOf(first!)}`);
    await other.run("echo second > after && cat shared");
    assert.equal(await readFile(fuse.at("after"), "utf8"), "second\n");
    await instance.crashAndStart();
    await other.run("echo third > after");
    assert.equal(await onHost(fuse.directory).isFree("shared"), false);
  });
});

/** The guest's name of a program of the FUSE mount's tests. */
function giveProgram(name: string): string {
  const source = new URL(`../mount/program/${name}`, import.meta.url);
  return guest.give(name, readFileSync(source, "utf8"));
}

test("random input and output to a file comes to what it comes to in memory", async () => {
  await mount("/mnt/efs");
  await guest.run(`python3 ${giveProgram("random_io.py")} /mnt/efs 1 4 250`);
});

test("random changes of names, modes and owners come to what they come to on a local file system", async () => {
  await mount("/mnt/efs");
  await guest.run(`
set -e
mkdir /run/local /mnt/efs/names
mount -t tmpfs -o mode=755 tmpfs /run/local
python3 ${giveProgram("random_names.py")} /run/local /mnt/efs/names 1 10 200 closing`);
});

test("a writer that has its file locked goes on over a crash of the server", async () => {
  await mount("/mnt/efs");
  await writeFile(fuse.at("log"), "");
  const writer = `
exec 9>>/mnt/efs/log; flock 9
line=0
while [ ! -e /run/enough ]; do
  line=$((line + 1))
  echo $line >&9 && sync /mnt/efs/log || exit 1
done
echo $line
exec sleep 1000`;
  const { stdout: process } = await guest.attempt(`(${writer}) >/run/said 2>&1 & echo $!`);
  const lines = async (): Promise<string[]> =>
    (await readFile(fuse.at("log"), "utf8")).trimEnd().split("\n");
  const said = (): Promise<string> => guest.run("cat /run/said");
  try {
    await eventually("lines of the writer", async () => (await lines()).length > 10);
    await instance.crashAndStart();
    const before = (await lines()).length;
    await eventually("more lines of the writer", async () => (await lines()).length > before + 10);
    assert.equal(await onHost(fuse.directory).isFree("log"), false);
    await guest.run("touch /run/enough");
    await eventually("the end of the writing", async () => (await said()) !== "");
    const whole = await lines();
    assert.equal(await said(), `${whole.length}\n`);
    assert.deepEqual(
      whole,
      Array.from(whole, (_, index) => String(index + 1)),
    );
  } finally {
    await guest.attempt(`kill ${process}`);
  }
});
