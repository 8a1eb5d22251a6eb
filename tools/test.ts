// Everything: the checks with the unit tests, then the whole-system tests one file at a time.
// With --long: the tests that take minutes, at full length.
import { spawnSync } from "node:child_process";

import { ensureContainerEngine } from "./setup/container-engine.ts";
import { ensureDebianPackages } from "./setup/debian-packages.ts";
import { longTestFiles, systemTestFiles } from "./test-files.ts";

ensureDebianPackages(["awscli", "gcc", "libc6-dev", "iproute2", "iptables"]);
// Run by hand in a test, so its own is not wanted.
ensureDebianPackages(["postgresql"], { services: false });
await ensureContainerEngine();

if (process.argv.includes("--long")) {
  process.env["MOORING_LONG"] = "1";
  run(testsOf(longTestFiles(), 20 * 60_000));
} else {
  run(["tools/check.ts"]);
  run(testsOf(systemTestFiles(), 10 * 60_000));
}

function testsOf(files: readonly string[], timeoutMs: number): string[] {
  const how = ["--test-concurrency=1", `--test-timeout=${timeoutMs}`, "--test-reporter=spec"];
  return ["--test", ...how, ...files];
}

function run(args: readonly string[]): void {
  const ran = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (ran.status !== 0) process.exit(ran.status ?? 1);
}
