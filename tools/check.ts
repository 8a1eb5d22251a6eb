// The one command before a commit: types, lint, format and unit tests.
import { spawnSync } from "node:child_process";

import { unitTestFiles } from "./test-files.ts";

const steps: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ["types", "tsc", ["--noEmit"]],
  ["lint", "oxlint", ["--type-aware", "--deny-warnings"]],
  ["format", "oxfmt", ["--check"]],
  ["unit tests", process.execPath, ["--test", "--test-reporter=dot", ...unitTestFiles()]],
];

for (const [name, command, args] of steps) {
  const startedMs = Date.now();
  const ran = spawnSync(command, args, { stdio: "inherit" });
  if (ran.status !== 0) {
    console.error(`check: ${name} failed`);
    process.exit(1);
  }
  console.log(`check: ${name} passed (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
}
