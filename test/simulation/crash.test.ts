// Seeded crashes of a file system in this process. A failure names its seed:
//     MOORING_SEED=17 node --test test/simulation/crash.test.ts
// runs that one again; MOORING_LONG=1 runs tens of thousands.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Simulation } from "./simulation.ts";

const memory = "/dev/shm";
const scratch = existsSync(memory) ? memory : tmpdir();
const seeds = process.env["MOORING_LONG"] ? 25_000 : 800;
const only = process.env["MOORING_SEED"];

const chosen = only === undefined ? Array.from({ length: seeds }, (_, seed) => seed + 1) : [only];

test(`${chosen.length} file systems that crash keep what they promised and nothing half`, async () => {
  for (const seed of chosen.map(Number)) {
    const directory = mkdtempSync(path.join(scratch, "mooring-test-"));
    try {
      await new Simulation(seed, directory).run();
    } catch (error) {
      const again = `MOORING_SEED=${seed} node --test test/simulation/crash.test.ts`;
      assert.fail(
        `seed ${seed} fails; run it again with\n    ${again}\n${(error as Error).stack ?? ""}`,
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
});
