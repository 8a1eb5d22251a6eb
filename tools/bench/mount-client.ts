// Mounts what an NFSv4.1 server on this machine exports, by Mooring's FUSE driver, without the
// helper around it.
// node tools/bench/mount-client.ts PORT DIRECTORY [tls] says "mounted", and serves until its
// standard input ends or it is told to stop; `node --cpu-prof` shows where the time goes.
import { pino } from "pino";

import { SystemClock } from "../../src/base/clock.ts";
import { SystemRandom } from "../../src/base/random.ts";
import { FuseDriver } from "../../src/mount/fuse-driver.ts";
import { makeAuthority, makeServerCertificate } from "../../src/wire/x509/authority.ts";

const [port, directory, security] = process.argv.slice(2);
if (port === undefined || directory === undefined) {
  console.error("usage: node tools/bench/mount-client.ts PORT DIRECTORY [tls]");
  process.exit(2);
}
const clock = new SystemClock();
const log = pino({ level: "warn", base: null }, process.stderr);
const driver = new FuseDriver(clock, new SystemRandom(), log);
const mounted = await driver.mount({
  address: "127.0.0.1",
  port: Number(port),
  path: "/",
  directory,
  readOnly: false,
  source: "bench:/",
  timeoutMs: 10_000,
  ...(security === "tls" && { tls: selfMade }),
});
console.log("mounted");

process.on("SIGINT", () => {});
await new Promise<void>((resolve) => {
  process.once("SIGTERM", () => resolve());
  process.stdin.once("close", () => resolve()).resume();
  void mounted.ended.then(resolve);
});
await mounted.unmount().catch(() => {});
await mounted.ended;
process.exit(0);

/** Nobody looks at it here. */
function selfMade() {
  const authority = makeAuthority("bench", clock.nowMs());
  const own = makeServerCertificate(authority, "bench", ["client"], clock.nowMs());
  return {
    certificatePem: own.certificate,
    privateKeyPem: own.key,
    caPem: undefined,
    serverName: "localhost",
  };
}
