// The one-way doors between the rooms (docs/architecture.md), checked on every import.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

/** For each room, the rooms that it may import from besides itself and `base`. */
const doors: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: [],
  store: [],
  data: [],
  policy: [],
  files: ["store", "data"],
  "nfs/server": ["files", "wire"],
  "nfs/client": ["wire"],
  fuse: ["nfs/client", "wire"],
  mount: ["nfs/client", "fuse", "wire"],
  "cloud/contracts": ["policy", "store", "wire"],
  "cloud/gateway": ["policy", "wire", "cloud/contracts"],
  "cloud/ecs": ["policy", "store", "wire", "cloud/contracts"],
  "cloud/efs": ["policy", "store", "wire", "cloud/contracts", "files"],
  "cloud/ec2": ["policy", "store", "wire", "cloud/contracts"],
  "cloud/iam": ["policy", "store", "wire", "cloud/contracts"],
  "cloud/sts": ["policy", "store", "wire", "cloud/contracts"],
  "cloud/logs": ["policy", "store", "wire", "cloud/contracts"],
  "cloud/mooring": ["policy", "store", "wire", "cloud/contracts"],
  agent: ["store"],
  explain: ["policy"],
  cli: ["explain", "mount", "policy", "wire"],
};

/** Contracts that their user declares and another room fulfils: the type alone may be imported. */
const contracts: ReadonlySet<string> = new Set([
  "nfs/server/admission.ts",
  "agent/task-feed.ts",
  "mount/driver.ts",
]);

const source = path.resolve(import.meta.dirname, "../../src");

function roomOf(file: string): string | undefined {
  return Object.keys(doors)
    .filter((room) => file.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(path.join(source, file), "utf8");
  const pattern = /^(import|export) (type )?[^;]*?from "(\.[^"]+)";/gms;
  return Array.from(text.matchAll(pattern), (match) => ({
    target: path.join(path.dirname(file), match[3]!),
    typeOnly: match[2] !== undefined,
  }));
}

test("every import goes through a door that the design allows", () => {
  const violations: string[] = [];
  for (const file of globSync("**/*.ts", { cwd: source })) {
    const room = roomOf(file);
    if (room === undefined || file.endsWith(".test.ts")) continue;
    for (const { target, typeOnly } of importsOf(file)) {
      const other = roomOf(target);
      if (other === undefined) violations.push(`${file} imports ${target}, which is in no room`);
      else if (other === room || other === "base" || doors[room]!.includes(other)) continue;
      else if (typeOnly && contracts.has(target)) continue;
      else violations.push(`${file} imports ${target}: ${room} has no door to ${other}`);
    }
  }
  assert.deepEqual(violations, []);
});

test("only the composition root knows all rooms: files outside of a room are few", () => {
  const outside = globSync("**/*.ts", { cwd: source }).filter((file) => roomOf(file) === undefined);
  for (const file of outside) assert.match(file, /^(main\.ts|instance\/[a-z-]+(\.test)?\.ts)$/);
});
