// What applications do with many small files and with a database, for `mount-cases.ts`.
// node tools/bench/mount-work.ts DIRECTORY create|read|stat|list|unlink|sqlite|sqlite-wal PROCESSES
// prints how many operations there were, and how many milliseconds they took.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

const filesCount = 800;
const listingsCount = 3;
const transactionsCount = 100;
const contents = Buffer.alloc(4096, "x");

const [directory = "", what = "", processes = "1"] = process.argv.slice(2);
const count = Number(processes);
if (count > 1) await together();
else console.log(...measured());

/** The same by several processes at once, each in a directory of its own. */
async function together(): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const startedMs = performance.now();
  const flags = Array.from({ length: count }, (_, number) => path.join(directory, String(number)));
  const children = flags.map((own) =>
    spawn(process.execPath, [import.meta.filename, own, what, "1"], {
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );
  let done = 0;
  let longestMs = 0;
  for (const child of children) {
    child.stdout.setEncoding("utf8").on("data", (line: string) => {
      const [operations, tookMs] = line.split(" ").map(Number);
      done += operations!;
      longestMs = Math.max(longestMs, tookMs!);
    });
  }
  const codes = await Promise.all(children.map((child) => once(child, "close")));
  if (codes.some(([code]) => code !== 0)) throw new Error(`${what} failed`);
  console.log(done, Math.min(longestMs, performance.now() - startedMs));
}

function measured(): [number, number] {
  const names = Array.from({ length: filesCount }, (_, number) =>
    path.join(directory, `f${number}`),
  );
  const each = (call: (name: string) => void): (() => number) => {
    return () => {
      for (const name of names) call(name);
      return names.length;
    };
  };
  const works: Record<string, () => number> = {
    create: each((name) => writeFileSync(name, contents)),
    read: each((name) => readFileSync(name)),
    stat: each((name) => lstatSync(name)),
    list: () => list(),
    unlink: each((name) => unlinkSync(name)),
    sqlite: () => transactions("delete"),
    "sqlite-wal": () => transactions("wal"),
  };
  if (what === "create") rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const work = works[what];
  if (work === undefined) throw new Error(`nothing is known of ${what}`);
  const startedMs = performance.now();
  const done = work();
  return [done, performance.now() - startedMs];
}

function list(): number {
  let entries = 0;
  for (let turn = 0; turn < listingsCount; turn += 1) {
    for (const name of readdirSync(directory)) {
      lstatSync(path.join(directory, name));
      entries += 1;
    }
  }
  return entries;
}

function transactions(journal: "delete" | "wal"): number {
  const file = path.join(directory, `${journal}.db`);
  rmSync(file, { force: true });
  const database = new DatabaseSync(file);
  database.exec(`pragma journal_mode = ${journal}; create table t (id integer primary key, text)`);
  const insert = database.prepare("insert into t (text) values (?)");
  for (let row = 0; row < transactionsCount; row += 1) insert.run("x".repeat(100));
  database.close();
  return transactionsCount;
}
