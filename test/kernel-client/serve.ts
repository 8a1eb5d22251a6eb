// Serves one file system on disk to whoever asks, at ADDRESS:PORT, until SIGTERM:
//     node serve.ts DIRECTORY ADDRESS PORT
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
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";
import { openStorage } from "./storage.ts";

const [directory, address, port] = process.argv.slice(2);
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
  admit: () => ({
    fileSystem: files,
    root: () => files.root,
    permissions: { mount: true, write: true, root: true },
    identity: undefined,
    expiresAtMs: undefined,
    closed: () => {},
  }),
};
const control = new LmdbStore({ directory: path.join(directory, "control"), clock });
const records = new StoredClientRecords(control);
const server = new NfsServer({ admission, records, clock, random, log: silentLog });
process.once("SIGTERM", () => void stop());
await server.listen(address, Number(port));
process.stdout.write("ready\n");

async function stop(): Promise<void> {
  await server.close();
  await files.close();
  await control.close();
}
