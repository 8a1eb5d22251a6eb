#!/usr/bin/env node
// Starts the moor command: the built one where there is a build, else the sources of a checkout.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { nodeNewEnough, root } from "../tools/bootstrap.mjs";

const built = path.join(root, "dist", "main.js");
const entry = existsSync(built) ? built : path.join(root, "src", "main.ts");
const node = nodeNewEnough();

if (node === process.execPath) {
  await import(entry);
} else {
  const ran = spawnSync(node, [entry, ...process.argv.slice(2)], { stdio: "inherit" });
  process.exit(ran.status ?? 1);
}
