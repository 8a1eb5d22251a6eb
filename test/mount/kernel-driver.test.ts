// The helper's driver for the kernel's NFS client, where the kernel may have none: a stand-in for
// mount(8) writes down what it is asked for and mounts something else, and our own NFS client takes
// the kernel's place behind the tunnel. test/kernel-client has the kernel's client itself.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { silentLog } from "../../src/base/log.ts";
import type { MountRequest } from "../../src/mount/driver.ts";
import { KernelDriver } from "../../src/mount/kernel-driver.ts";
import type { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import { eventually } from "../support/eventually.ts";
import { Instance } from "../support/instance.ts";
import { MountCertificates } from "../support/mount-certificates.ts";
import { makeMountTarget, type MountTarget } from "../support/mount-target.ts";
import { isRunning } from "../support/mounted.ts";
import { connectTcp, nfsClient, readWrite, rootUser } from "../support/nfs.ts";

const directory = mkdtempSync(path.join(tmpdir(), "mooring-test-"));
const at = (name: string): string => path.join(directory, name);
const driver = new KernelDriver(["nconnect=1"], silentLog);
const certificates = new MountCertificates();
const systemPath = process.env["PATH"];
const clients: NfsClient[] = [];

let instance: Instance;
let target: MountTarget;
let accessPointId: string;

before(async () => {
  instance = await Instance.start();
  const api = instance.api();
  target = await makeMountTarget(api);
  const point = await api.efs.createAccessPoint({
    FileSystemId: target.fileSystemId,
    PosixUser: { Uid: 1001, Gid: 1002 },
    RootDirectory: {
      Path: "/app",
      CreationInfo: { OwnerUid: 1001, OwnerGid: 1002, Permissions: "750" },
    },
  });
  accessPointId = point.AccessPointId!;
  mkdirSync(at("bin"));
  mkdirSync(at("mounted"));
  process.env["PATH"] = `${at("bin")}:${systemPath}`;
});
after(async () => {
  process.env["PATH"] = systemPath;
  for (const client of clients) client.close();
  await instance?.end();
  rmSync(directory, { recursive: true, force: true });
});

test("the kernel mounts what a tunnel on 127.0.0.1 leads to, as the access point's user", async () => {
  standIn(`exec /bin/mount -t tmpfs tmpfs ${at("mounted")}`);
  const mount = await driver.mount(wanted());
  try {
    const { options, source, port } = asked();
    assert.equal(source, "127.0.0.1:/");
    assert.deepEqual(options, [
      "nfsvers=4.1",
      "rsize=1048576",
      "wsize=1048576",
      "hard",
      "timeo=600",
      "retrans=2",
      "noresvport",
      "sec=sys",
      "nconnect=1",
      `port=${port}`,
      "rw",
    ]);
    const through = client("127.0.0.1", port);
    const { handle } = await through.connect(rootUser, "/");
    await write(through, handle, "file", "through the tunnel");
    const plain = client(target.address, instance.nfsPort);
    const { handle: point } = await plain.connect(rootUser, "/app");
    const { attributes, text } = await read(plain, point, "file");
    assert.deepEqual([attributes.owner, attributes.ownerGroup], ["1001", "1002"]);
    assert.equal(text, "through the tunnel");

    await instance.crashAndStart();
    await write(through, handle, "file", "after a crash of the server");
    assert.equal((await read(plain, point, "file")).text, "after a crash of the server");

    await mount.unmount();
    await write(through, handle, "file", "to be seen after the unmounting");
    assert.equal((await read(plain, point, "file")).text, "to be seen after the unmounting");
    through.close();
    await mount.ended;
    await assert.rejects(connectTcp("127.0.0.1", port), { code: "ECONNREFUSED" });
  } finally {
    await mount.unmount().catch(() => {});
  }
});

for (const [says, reason] of [
  ["mount.nfs4: access denied by server while mounting 127.0.0.1:/", "access-denied"],
  ["mount.nfs4: mount spec 127.0.0.1:/ or point /mnt is not a directory", "not-a-directory"],
] as const) {
  test(`what mount.nfs4 says is told as the reason ${reason}, and the tunnel is gone`, async () => {
    standIn(`echo "${says}" >&2; exit 32`);
    await assert.rejects(driver.mount(wanted()), { reason, message: says });
    await assert.rejects(connectTcp("127.0.0.1", asked().port), { code: "ECONNREFUSED" });
  });
}

test("a mount that hangs is given up in time, with what mount(8) has started", async () => {
  standIn(`sleep 1000 & echo $! > ${at("helper")}; wait`);
  await assert.rejects(driver.mount({ ...wanted(), timeoutMs: 1000 }), { reason: "timed-out" });
  const helper = Number(readFileSync(at("helper"), "utf8"));
  await eventually("the end of mount(8)'s helper", () => !isRunning(helper));
});

function wanted(): MountRequest {
  const { caFile } = instance.api().session;
  return {
    address: target.address,
    port: instance.nfsPort,
    path: "/",
    directory: at("mounted"),
    readOnly: false,
    source: "127.0.0.1:/",
    timeoutMs: 15_000,
    tls: () => ({
      certificatePem: certificates.make(target.fileSystemId, { accessPointId }),
      privateKeyPem: certificates.keyPem,
      caPem: readFileSync(caFile, "utf8"),
      serverName: `${target.fileSystemId}.efs.us-east-1.amazonaws.com`,
    }),
  };
}

/** What the stand-in for mount(8) does after it has written down its arguments. */
function standIn(then: string): void {
  writeFileSync(at("bin/mount"), `#!/bin/sh\necho "$@" > ${at("asked")}\n${then}\n`);
  chmodSync(at("bin/mount"), 0o755);
}

function asked(): { options: string[]; source: string; port: number } {
  const words = readFileSync(at("asked"), "utf8").trim().split(" ");
  assert.deepEqual([...words.slice(0, 3), words[5]], ["-t", "nfs4", "-o", at("mounted")]);
  const options = words[3]!.split(",");
  const port = options.find((option) => option.startsWith("port="))!.slice("port=".length);
  return { options, source: words[4]!, port: Number(port) };
}

function client(host: string, port: number): NfsClient {
  const made = nfsClient(() => connectTcp(host, port));
  clients.push(made);
  return made;
}

async function write(
  through: NfsClient,
  parent: Uint8Array,
  name: string,
  text: string,
): Promise<void> {
  const how = { mode: 0o640, access: readWrite, exclusive: false };
  const { open } = await through.createFile(rootUser, parent, name, how);
  await through.write(open, 0, Buffer.from(text), true);
  await through.closeFile(open);
}

async function read(through: NfsClient, parent: Uint8Array, name: string) {
  const { handle, attributes } = await through.names.lookup(rootUser, parent, name);
  const open = await through.open(rootUser, handle, readWrite);
  const bytes = await through.read(open, 0, 1000);
  await through.closeFile(open);
  return { attributes, text: Buffer.from(bytes).toString() };
}
