// Everything: the checks with the unit tests, then the whole-system tests one file at a time.
import { spawnSync } from "node:child_process";

import { ensureContainerEngine } from "./setup/container-engine.ts";
import { ensureDebianPackages } from "./setup/debian-packages.ts";
import { systemTestFiles } from "./test-files.ts";

ensureDebianPackages(["awscli", "gcc", "libc6-dev", "iproute2", "iptables"]);
// Run by hand in a test, so its own is not wanted.
ensureDebianPackages(["postgresql"], { services: false });
await ensureContainerEngine();

run(["tools/check.ts"]);
run([
  "--test",
  "--test-concurrency=1",
  "--test-timeout=600000",
  "--test-reporter=spec",
  ...systemTestFiles(),
]);

function run(args: readonly string[]): void {
  const ran = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (ran.status !== 0) process.exit(ran.status ?? 1);
}
