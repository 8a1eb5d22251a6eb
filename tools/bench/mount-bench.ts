// Mooring's FUSE mount beside the same mount of nfs-ganesha and beside the disk itself: what an
// application gets, on this machine, all in one run.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";

import { ensureDebianPackages } from "../setup/debian-packages.ts";
import { end, type RunningServer } from "./child.ts";
import { startGanesha } from "./ganesha.ts";
import { startMooring } from "./mooring.ts";
import { makeTree, type MountCase, mountCases, type MountTools } from "./mount-cases.ts";
import { median } from "./report.ts";

const usage = `npm run bench:mount -- [OPTION...]
  --json           one JSON object a line instead of a table
  --rounds N       how often each case is measured; medians are shown (3)
  --seconds S      how long a case that is measured by time takes (1)
  --only TEXT      the cases with TEXT in their name (commas: any of several)
  --on NAMES       mooring, tls, ganesha, disk (all of them)
  --disk DIR       where all keep their files (the directory for temporary files)`;

const clientProgram = path.join(import.meta.dirname, "mount-client.ts");
const sides = ["mooring", "tls", "ganesha", "disk"] as const;
type Side = (typeof sides)[number];

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    on: { type: "string", default: sides.join(",") },
    disk: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)));
}
if (options.help) {
  console.log(usage);
} else {
  try {
    await bench();
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

async function bench(): Promise<void> {
  ensureDebianPackages(["fio"]);
  const { signal } = interrupted;
  await using cleanUp = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(options.disk, "mooring-bench-"));
  cleanUp.defer(() => rm(directory, { recursive: true, force: true }));
  const places = new Map<Side, string>();
  const servers = new Map<string, RunningServer>();
  for (const side of sides.filter((name) => options.on.split(",").includes(name))) {
    const at = path.join(directory, `at-${side}`);
    mkdirSync(at);
    places.set(side, at);
    if (side === "disk") continue;
    const name = side === "ganesha" ? "ganesha" : "mooring";
    const start = side === "ganesha" ? startGanesha : startMooring;
    const server = servers.get(name) ?? (await start(path.join(directory, name), signal));
    if (!servers.has(name)) cleanUp.defer(() => server.stop());
    servers.set(name, server);
    const client = await mount(server, at, side === "tls");
    cleanUp.defer(() => end(client));
  }
  const tools = { seconds: Number(options.seconds), tree: makeTree(directory) };
  const texts = options.only.split(",");
  const wanted = mountCases.filter(({ name }) => texts.some((text) => name.includes(text)));
  const figures = wanted.map(() => new Map<Side, number[]>());
  try {
    for (let round = 0; round < Number(options.rounds); round += 1) {
      for (const [index, one] of wanted.entries()) {
        console.error(`bench: round ${round + 1} of ${options.rounds}: ${one.name}`);
        for (const [side, at] of inTurn([...places], round)) {
          // A case keeps this process waiting: signals come in between.
          await setImmediate();
          signal.throwIfAborted();
          // The two mounts of one server have directories of their own.
          const own = path.join(at, `of-${side}`);
          mkdirSync(own, { recursive: true });
          const known = figures[index]!.get(side) ?? [];
          figures[index]!.set(side, [...known, figureOf(one, own, tools)]);
        }
      }
    }
  } finally {
    // Also what there is of a run that was stopped.
    report(wanted, figures);
  }
}

/** NaN where it failed, which says nothing about the others. */
function figureOf(one: MountCase, directory: string, tools: MountTools): number {
  try {
    return one.run(directory, tools);
  } catch (error) {
    console.error(
      `bench: ${one.name}: ${(error as Error).message.split("\n").slice(0, 6).join(" ")}`,
    );
    return Number.NaN;
  }
}

/** Who comes first changes with the rounds. */
function inTurn<T>(items: readonly T[], round: number): T[] {
  const first = round % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

async function mount(server: RunningServer, at: string, secure: boolean): Promise<ChildProcess> {
  const flags = [clientProgram, String(server.port), at, ...(secure ? ["tls"] : [])];
  const client = spawn(process.execPath, flags, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(client.stdout);
  await Promise.race([once(lines, "line"), once(client, "exit")]);
  if (client.exitCode !== null) throw new Error("the mount failed");
  return client;
}

function report(cases: readonly MountCase[], figures: readonly Map<Side, number[]>[]): void {
  const rows = cases.map(({ name, unit }, index) => {
    const medians = Object.fromEntries(
      Array.from(figures[index]!, ([side, values]) => [side, Math.round(median(values))]),
    ) as Partial<Record<Side, number>>;
    const { mooring, tls, ganesha, disk } = medians;
    return {
      case: name,
      unit,
      ...medians,
      ofGanesha: ratio(mooring, ganesha),
      ofDisk: ratio(mooring, disk),
      tlsOfPlain: ratio(tls, mooring),
    };
  });
  if (options.json) {
    for (const row of rows) console.log(JSON.stringify(row));
    return;
  }
  console.log(
    "| case | unit | mooring | ganesha | disk | TLS | of ganesha | of disk | TLS of plain |",
  );
  console.log(`|---|---|${"---|".repeat(7)}`);
  for (const row of rows) {
    const plain = [row.mooring, row.ganesha, row.disk, row.tls].map((value) =>
      value === undefined ? "" : Number.isNaN(value) ? "fails" : value.toLocaleString("en"),
    );
    const ratios = [row.ofGanesha, row.ofDisk, row.tlsOfPlain].map((value) => value ?? "");
    console.log(`| ${[row.case, row.unit, ...plain, ...ratios].join(" | ")} |`);
  }
}

function ratio(one: number | undefined, other: number | undefined): string | undefined {
  const isKnown = one !== undefined && other !== undefined && !Number.isNaN(one / other);
  return isKnown ? (one / other).toFixed(2) : undefined;
}
