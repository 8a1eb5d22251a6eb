// Builds the published JavaScript: dist/ from src/, without the tests.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
const ran = spawnSync("tsc", ["--project", "tsconfig.build.json"], { stdio: "inherit" });
process.exit(ran.status ?? 1);
