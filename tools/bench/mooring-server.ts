// Mooring's file system behind its NFS server, without the cloud around it: everybody is admitted,
// plain or with TLS.
// node tools/bench/mooring-server.ts DIRECTORY prints its port, and serves until its standard
// input ends or it is told to stop; `node --cpu-prof` shows where the time goes.
import path from "node:path";
import { pino } from "pino";

import { SystemClock } from "../../src/base/clock.ts";
import { SystemRandom } from "../../src/base/random.ts";
import { LocalData } from "../../src/data/local/local-data.ts";
import { PosixFileSystem } from "../../src/files/posix-file-system.ts";
import type { Admission } from "../../src/nfs/server/admission.ts";
import { NfsServer } from "../../src/nfs/server/nfs-server.ts";
import { MemoryClientRecords } from "../../src/nfs/server/state/client-records.ts";
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";
import { makeAuthority, makeServerCertificate } from "../../src/wire/x509/authority.ts";

const directory = process.argv[2];
if (directory === undefined) {
  console.error("usage: node tools/bench/mooring-server.ts DIRECTORY");
  process.exit(2);
}
const clock = new SystemClock();
const random = new SystemRandom();
const files = new PosixFileSystem({
  id: "fs-0123456789abcdef0",
  store: new LmdbStore({ directory: path.join(directory, "names"), clock }),
  data: new LocalData(path.join(directory, "contents")),
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
const log = pino({ level: "warn", base: null }, process.stderr);
const authority = makeAuthority("bench", clock.nowMs());
const tls = makeServerCertificate(authority, "bench", ["localhost"], clock.nowMs());
const records = new MemoryClientRecords();
const server = new NfsServer({ admission, records, clock, random, log, tls });
console.log(await server.listen("127.0.0.1", 0));

// Ctrl-C reaches all processes of the terminal; whoever started this one ends it in its time.
process.on("SIGINT", () => {});
await new Promise<void>((resolve) => {
  process.once("SIGTERM", () => resolve());
  process.stdin.once("close", () => resolve()).resume();
});
await server.close();
await files.close();
process.exit(0);
