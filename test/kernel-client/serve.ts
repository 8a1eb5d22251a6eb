// Serves one file system on disk to whoever asks, at ADDRESS:PORT, until SIGTERM:
//     node serve.ts DIRECTORY ADDRESS PORT [tunnel]
// With "tunnel" it serves TLS alone, and at ADDRESS:PORT is the mount helper's tunnel to it.
// It is a process of its own because it lives in the guest's network, and because it gets killed.
import path from "node:path";
import process from "node:process";

import { SystemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { SystemRandom } from "../../src/base/random.ts";
import { PosixFileSystem } from "../../src/files/posix-file-system.ts";
import { StoredClientRecords } from "../../src/instance/stored-client-records.ts";
import type { Admission } from "../../src/nfs/server/admission.ts";
import { NfsServer } from "../../src/nfs/server/nfs-server.ts";
import type { MountRequest, TlsIdentity } from "../../src/mount/driver.ts";
import { openTunnel } from "../../src/mount/tunnel.ts";
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";
import { makeAuthority, makeServerCertificate } from "../../src/wire/x509/authority.ts";
import { MountCertificates } from "../support/mount-certificates.ts";
import { openStorage } from "./storage.ts";

const [directory, address, port, how] = process.argv.slice(2);
const isTunnelled = how === "tunnel";
if (directory === undefined || address === undefined || port === undefined) {
  throw new Error("usage: serve.ts DIRECTORY ADDRESS PORT");
}
const clock = new SystemClock();
const random = new SystemRandom();
const files = new PosixFileSystem({
  id: "fs-0123456789abcdef0",
  ...openStorage(directory, clock),
  clock,
  random,
});
const admission: Admission = {
  arrives: () => "serve",
  admit: ({ certificate }) => ({
    fileSystem: files,
    root: () => files.root,
    permissions: { mount: certificate !== undefined || !isTunnelled, write: true, root: true },
    identity: undefined,
    expiresAtMs: undefined,
    closed: () => {},
  }),
};
const control = new LmdbStore({ directory: path.join(directory, "control"), clock });
const records = new StoredClientRecords(control);
const authority = makeAuthority("test", clock.nowMs());
const serverName = `${files.id}.efs.us-east-1.amazonaws.com`;
const server = new NfsServer({
  admission,
  records,
  clock,
  random,
  log: silentLog,
  ...(isTunnelled && {
    tls: makeServerCertificate(authority, "test", [serverName], clock.nowMs()),
  }),
});
process.once("SIGTERM", () => void stop());
if (isTunnelled) await serveBehindTunnel(address, Number(port));
else await server.listen(address, Number(port));
process.stdout.write("ready\n");

async function serveBehindTunnel(at: string, tunnelPort: number): Promise<void> {
  const certificates = new MountCertificates();
  const identity: TlsIdentity = {
    certificatePem: certificates.make(files.id),
    privateKeyPem: certificates.keyPem,
    caPem: authority.certificate,
    serverName,
  };
  const target: MountRequest = {
    address: "127.0.0.1",
    port: await server.listen("127.0.0.1", 0),
    path: "/",
    directory: "/",
    readOnly: false,
    source: "127.0.0.1:/",
    timeoutMs: 15_000,
    tls: () => identity,
  };
  await openTunnel(target, at, tunnelPort, silentLog);
}

async function stop(): Promise<void> {
  await server.close();
  await files.close();
  await control.close();
  process.exit(0);
}
