import assert from "node:assert/strict";
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";

import { eventually } from "../support/eventually.ts";
import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem, type MountWanted } from "../support/mounted.ts";
import { Python, python } from "../support/python.ts";

let instance: Instance;
/** Without a policy, and mounted by its root. */
let open: MountedFileSystem;
let openRoot: Mount;
/** Each test makes one for the policy that it needs. */
const others: MountedFileSystem[] = [];

before(async () => {
  instance = await Instance.start();
  open = await MountedFileSystem.create(instance);
  openRoot = await open.mount();
});
afterEach(() => endAll(...others.splice(0)));
after(() => endAll(open, instance));

async function withPolicy(...statements: readonly object[]): Promise<MountedFileSystem> {
  const fileSystem = await MountedFileSystem.create(instance);
  others.push(fileSystem);
  if (statements.length > 0) await fileSystem.setPolicy(statements);
  return fileSystem;
}

function allow(...actions: readonly string[]): object {
  const Action = actions.map((action) => `elasticfilesystem:${action}`);
  return { Effect: "Allow", Principal: { AWS: "*" }, Action };
}

/** TLS and no identity: only the file system's policy speaks for it. */
const anonymous = ["tls"];
const [everyRight, noRoot, readOnly] = [
  allow("ClientMount", "ClientWrite", "ClientRootAccess"),
  allow("ClientMount", "ClientWrite"),
  allow("ClientMount", "ClientRootAccess"),
];

test("an access point makes its directory when it is mounted, with owner and mode", async () => {
  const accessPointId = await open.accessPoint({
    PosixUser: { Uid: 1001, Gid: 1002 },
    RootDirectory: {
      Path: "/teams/blue",
      CreationInfo: { OwnerUid: 1001, OwnerGid: 1002, Permissions: "0750" },
    },
  });
  await assert.rejects(stat(openRoot.at("teams")), { code: "ENOENT" });
  const mount = await open.mount({ accessPointId });
  const made = await stat(openRoot.at("teams/blue"));
  assert.deepEqual([made.uid, made.gid, made.mode], [1001, 1002, 0o40750]);
  const above = await stat(openRoot.at("teams"));
  assert.deepEqual([above.uid, above.gid, above.mode], [0, 0, 0o40755]);
  const shown = await stat(mount.directory);
  assert.deepEqual([shown.ino, shown.uid, shown.mode], [made.ino, 1001, 0o40750]);
});

test("an access point's user owns what root writes, and root is nothing more than it", async () => {
  const accessPointId = await open.accessPoint({
    PosixUser: { Uid: 1001, Gid: 1002, SecondaryGids: [77] },
    RootDirectory: {
      Path: "/owned",
      CreationInfo: { OwnerUid: 1001, OwnerGid: 1002, Permissions: "755" },
    },
  });
  const mount = await open.mount({ accessPointId });
  await writeFile(mount.at("file"), "by root", { mode: 0o600 });
  await mkdir(mount.at("directory"));
  await symlink("file", mount.at("link"));
  for (const name of ["file", "directory", "link"]) {
    const { uid, gid } = await lstat(openRoot.at("owned", name));
    assert.deepEqual([uid, gid], [1001, 1002], name);
  }
  await assert.rejects(chown(mount.at("file"), 0, 0), { code: "EPERM" });
  await chown(mount.at("file"), 1001, 77);
  await writeFile(openRoot.at("owned/roots"), "secret", { mode: 0o600 });
  await assert.rejects(readFile(mount.at("roots")), { code: "EACCES" });
  await chown(openRoot.at("owned/roots"), 0, 77);
  await chmod(openRoot.at("owned/roots"), 0o640);
  assert.equal(await readFile(mount.at("roots"), "utf8"), "secret");
});

test("another user of the machine is the access point's user too", async () => {
  const accessPointId = await open.accessPoint({
    PosixUser: { Uid: 1001, Gid: 1002 },
    RootDirectory: {
      Path: "/everybody",
      CreationInfo: { OwnerUid: 1001, OwnerGid: 1002, Permissions: "700" },
    },
  });
  const mount = await open.mount({ accessPointId });
  const script = `
import os, sys
os.setgroups([]); os.setgid(4000); os.setuid(4000)
open(sys.argv[1], "w").write("mine"); print(open(sys.argv[1]).read(), os.stat(sys.argv[1]).st_uid)
`;
  assert.equal((await python(script, mount.at("file"))).trim(), "mine 1001");
});

test("an access point without a user leaves everybody who they are", async () => {
  const accessPointId = await open.accessPoint({
    RootDirectory: {
      Path: "/plain",
      CreationInfo: { OwnerUid: 5, OwnerGid: 6, Permissions: "777" },
    },
  });
  const mount = await open.mount({ accessPointId });
  await writeFile(mount.at("file"), "");
  assert.equal((await stat(openRoot.at("plain/file"))).uid, 0);
});

test("an access point's directory that was removed is made again by the next mount", async () => {
  const accessPointId = await open.accessPoint({
    RootDirectory: {
      Path: "/again",
      CreationInfo: { OwnerUid: 7, OwnerGid: 8, Permissions: "0711" },
    },
  });
  const first = await open.mount({ accessPointId });
  await first.unmount();
  await rm(openRoot.at("again"), { recursive: true });
  await open.mount({ accessPointId });
  const made = await stat(openRoot.at("again"));
  assert.deepEqual([made.uid, made.gid, made.mode], [7, 8, 0o40711]);
});

test("what is above an access point's directory can't be reached through it", async () => {
  const accessPointId = await open.accessPoint({
    RootDirectory: {
      Path: "/jail/cell",
      CreationInfo: { OwnerUid: 0, OwnerGid: 0, Permissions: "755" },
    },
  });
  await open.mount({ accessPointId });
  await writeFile(openRoot.at("jail/outside"), "");
  await writeFile(openRoot.at("jail/cell/inside"), "");
  for (const path of ["/..", "/../..", "/.", "//"]) {
    const mount = await open.mount({ accessPointId, path });
    assert.deepEqual(await readdir(mount.directory), ["inside"], path);
  }
  const below = await open.mountRefused({ accessPointId, path: "/../outside" });
  assert.match(below.stderr, /No such file or directory/);
});

test("a path below the root is mounted, and below an access point's directory too", async () => {
  await mkdir(openRoot.at("deep/caf\u00e9"), { recursive: true });
  await writeFile(openRoot.at("deep/caf\u00e9/file"), "found");
  const direct = await open.mount({ path: "/deep/caf\u00e9" });
  assert.equal(await readFile(direct.at("file"), "utf8"), "found");
  const accessPointId = await open.accessPoint({ RootDirectory: { Path: "/deep" } });
  const through = await open.mount({ accessPointId, path: "/caf\u00e9" });
  assert.equal(await readFile(through.at("file"), "utf8"), "found");
});

test("without ClientWrite everything can be read and nothing changed", async () => {
  const fileSystem = await withPolicy(readOnly);
  const writer = await fileSystem.mount();
  await writeFile(writer.at("file"), "contents");
  const mount = await fileSystem.mount({ options: anonymous });
  assert.equal(await readFile(mount.at("file"), "utf8"), "contents");
  assert.deepEqual(await readdir(mount.directory), ["file"]);
  const changes = [
    () => writeFile(mount.at("new"), ""),
    () => writeFile(mount.at("file"), "changed"),
    () => mkdir(mount.at("directory")),
    () => symlink("file", mount.at("link")),
    () => unlink(mount.at("file")),
    () => rename(mount.at("file"), mount.at("moved")),
    () => chmod(mount.at("file"), 0o777),
  ];
  for (const change of changes) await assert.rejects(change, { code: "EROFS" });
  assert.equal(await readFile(writer.at("file"), "utf8"), "contents");
});

test("without ClientRootAccess root is nobody, and users are who they are", async () => {
  const fileSystem = await withPolicy(noRoot);
  const root = await fileSystem.mount();
  await mkdir(root.at("shared"));
  await chmod(root.at("shared"), 0o777);
  await writeFile(root.at("secret"), "", { mode: 0o600 });
  const mount = await fileSystem.mount({ options: anonymous });
  await assert.rejects(writeFile(mount.at("file"), ""), { code: "EACCES" });
  await assert.rejects(readFile(mount.at("secret")), { code: "EACCES" });
  await assert.rejects(chmod(mount.at("shared"), 0o700), { code: "EPERM" });
  await writeFile(mount.at("shared/roots"), "");
  await python(
    `
import os, sys
os.setgroups([]); os.setgid(1000); os.setuid(1000); open(sys.argv[1], "w").close()
`,
    mount.at("shared/users"),
  );
  const [nobodys, users] = [
    await stat(root.at("shared/roots")),
    await stat(root.at("shared/users")),
  ];
  assert.deepEqual([nobodys.uid, nobodys.gid], [65_534, 65_534]);
  assert.deepEqual([users.uid, users.gid], [1000, 1000]);
});

test("rights that the policy takes away are gone from mounts that exist", async () => {
  const fileSystem = await withPolicy(everyRight);
  const mount = await fileSystem.mount({ options: anonymous });
  await writeFile(mount.at("file"), "before");
  await fileSystem.setPolicy([readOnly]);
  await eventually("refused writing", () =>
    writeFile(mount.at("other"), "").then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === "EROFS",
    ),
  );
  assert.equal(await readFile(mount.at("file"), "utf8"), "before");
  await fileSystem.setPolicy([everyRight]);
  await eventually("granted writing", () =>
    writeFile(mount.at("other"), "").then(
      () => true,
      () => false,
    ),
  );
});

test("a write that the server refuses is told by fsync, through every descriptor of the file", async () => {
  const fileSystem = await withPolicy(everyRight);
  const mount = await fileSystem.mount({ options: anonymous });
  const script = `
import errno, os, sys
writer, other = [os.open(sys.argv[1], os.O_RDWR | os.O_CREAT) for _ in range(2)]
def told(call, *args):
    try: call(*args)
    except OSError as error: return errno.errorcode[error.errno]
    return "nothing"
os.write(writer, b"before"); os.fsync(writer)
print("written", flush=True); sys.stdin.readline()
os.write(writer, b" and after")
print(told(os.fsync, other), told(os.fsync, writer), told(os.fsync, other), flush=True)
`;
  const program = new Python(script, [mount.at("file")]);
  try {
    assert.equal(await program.line(), "written");
    await fileSystem.setPolicy([readOnly]);
    await eventually("refused writing", () =>
      writeFile(mount.at("other"), "").then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === "EROFS",
      ),
    );
    program.say("on");
    assert.equal(await program.line(), "EROFS EROFS nothing");
  } finally {
    await program.end();
  }
});

test("`-o ro` refuses changes whatever the policy says", async () => {
  const mount = await open.mount({ options: ["tls", "iam", "ro"] });
  await assert.rejects(writeFile(mount.at("file"), ""), { code: "EROFS" });
});

test("plain NFS is served where the policy doesn't ask for TLS", async () => {
  const mount = await open.mount({ options: [] });
  await writeFile(mount.at("without-tls"), "contents");
  assert.equal(await readFile(openRoot.at("without-tls"), "utf8"), "contents");
});

test("plain NFS is refused where the policy asks for TLS, and TLS is served", async () => {
  const fileSystem = await withPolicy(everyRight, {
    Effect: "Deny",
    Principal: { AWS: "*" },
    Action: "*",
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  });
  const { exitCode, stderr } = await fileSystem.mountRefused({ options: [] });
  const name = `${fileSystem.fileSystemId}.efs.us-east-1.amazonaws.com`;
  assert.equal(exitCode, 32);
  assert.equal(stderr, `moor: b'mount.nfs4: access denied by server while mounting ${name}:/'\n`);
  await fileSystem.mount({ options: anonymous });
});

interface Refusal {
  readonly wanted: () => Promise<readonly [MountedFileSystem, MountWanted]>;
  readonly exitCode: number;
  readonly says: string;
}

const denied = "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'";

/** What mounting is refused for, and with which words. */
const refusals: Record<string, Refusal> = {
  "an anonymous client that the policy doesn't let mount": {
    wanted: async () => [await withPolicy(allow("ClientWrite")), { options: anonymous }],
    exitCode: 32,
    says: denied,
  },
  "an access point that doesn't exist": {
    wanted: async () => [open, { accessPointId: "fsap-00000000000000000" }],
    exitCode: 32,
    says: denied,
  },
  "an access point of another file system": {
    wanted: async () => {
      const other = await withPolicy();
      return [open, { accessPointId: await other.accessPoint({}) }];
    },
    exitCode: 32,
    says: denied,
  },
  "a client without the access point that the policy asks for": {
    wanted: async () => {
      const fileSystem = await withPolicy();
      const accessPointId = await fileSystem.accessPoint({});
      const { AccessPoints } = await instance
        .api()
        .efs.describeAccessPoints({ AccessPointId: accessPointId });
      const arn = AccessPoints?.[0]?.AccessPointArn;
      const condition = { StringEquals: { "elasticfilesystem:AccessPointArn": arn } };
      await fileSystem.setPolicy([{ ...everyRight, Condition: condition }]);
      await fileSystem.mount({ options: anonymous, accessPointId });
      return [fileSystem, { options: anonymous }];
    },
    exitCode: 32,
    says: denied,
  },
  "an access point's id that can't be one": {
    wanted: async () => [open, { accessPointId: "fsap-1" }],
    exitCode: 1,
    says: "Access Point ID fsap-1 is malformed",
  },
  "a path that doesn't exist": {
    wanted: async () => [open, { path: "/missing/path" }],
    exitCode: 32,
    says:
      "b'mount.nfs4: mounting 127.0.0.1:/missing/path failed, " +
      "reason given by server: No such file or directory'",
  },
  "an access point's directory that doesn't exist": {
    wanted: async () => {
      const accessPointId = await open.accessPoint({ RootDirectory: { Path: "/missing" } });
      return [open, { accessPointId }];
    },
    exitCode: 32,
    says:
      "b'mount.nfs4: mounting 127.0.0.1:/ failed, " +
      "reason given by server: No such file or directory'",
  },
  "a file": {
    wanted: async () => {
      await writeFile(openRoot.at("file"), "");
      return [open, { path: "/file" }];
    },
    exitCode: 32,
    says:
      "b'mount.nfs4: mounting 127.0.0.1:/file failed, " +
      "reason given by server: Not a directory'",
  },
};

for (const [what, { wanted, exitCode, says }] of Object.entries(refusals)) {
  test(`mounting is refused for ${what}`, async () => {
    const [fileSystem, request] = await wanted();
    const result = await fileSystem.mountRefused(request);
    assert.deepEqual([result.exitCode, result.stderr], [exitCode, `moor: ${says}\n`]);
  });
}

test("who may not search a directory any more doesn't find what was found in it before", async () => {
  const script = `
import os, sys, time
directory = sys.argv[1]; inside = directory + "/f"
os.mkdir(directory); os.chmod(directory, 0o755); open(inside, "w").close()
def as_user(uid):
    os.seteuid(0); os.setegid(0); os.setgroups([]); os.setegid(uid); os.seteuid(uid)
as_user(1000); os.stat(inside)
as_user(0); os.chmod(directory, 0o700)
# Names are kept for a second.
time.sleep(0.3)
as_user(1000)
try: os.stat(inside); print("found")
except PermissionError: print("refused")
as_user(0); os.stat(inside)
`;
  assert.equal((await python(script, openRoot.at("closed-later"))).trim(), "refused");
});
