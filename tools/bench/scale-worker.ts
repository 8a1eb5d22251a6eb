// One file system on disk in a process of its own, which scale.ts fills, measures and weighs with
// messages: node scale-worker.ts DIRECTORY ENTRIES DIRECTORIES. It ends with its owner.
import { readFileSync } from "node:fs";
import path from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";

import { SystemClock } from "../../src/base/clock.ts";
import { SeededRandom, SystemRandom } from "../../src/base/random.ts";
import { LocalData } from "../../src/data/local/local-data.ts";
import { PosixFileSystem } from "../../src/files/posix-file-system.ts";
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";
import { ScaleCases } from "./scale-cases.ts";
import { type Population, populate } from "./scale-population.ts";

/** What the owner asks for; each is answered with one `ScaleAnswer`. */
export type ScaleRequest =
  | {
      readonly kind: "populate";
      readonly population: Population;
      /** Memory is of interest; to look at it all garbage has to go, which takes its time. */
      readonly isWeighed: boolean;
    }
  | { readonly kind: "measure"; readonly name: string; readonly seconds: number }
  | { readonly kind: "close" };

export interface ScaleAnswer {
  readonly operations: number;
  readonly seconds: number;
  /** Of this process, for all operations. */
  readonly cpuMicros: number;
  /** The longest time that nothing else could happen. */
  readonly longestPauseMs: number;
  /** Memory that is this process's own, without the pages of mapped files. */
  readonly anonymousBytes: number;
}

const [directory, entries, directories] = process.argv.slice(2);
if (directory === undefined || process.send === undefined) {
  throw new Error("scale-worker.ts is started by scale.ts");
}
const clock = new SystemClock();
const files = new PosixFileSystem({
  id: "fs-0123456789abcdef0",
  store: new LmdbStore({ directory: path.join(directory, "names"), clock }),
  data: new LocalData(path.join(directory, "contents")),
  clock,
  random: new SystemRandom(),
});
const cases = new ScaleCases(files, new SeededRandom(1), {
  entries: Number(entries),
  directories: Number(directories),
});

process.on("message", (request: ScaleRequest) => void answer(request));
process.once("disconnect", () => process.exit(0));

async function answer(request: ScaleRequest): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = process.cpuUsage();
  const beforeMs = performance.now();
  const operations = await work(request);
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - beforeMs) / 1000;
  // The pause that the last operation made is seen by the turn after it.
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  if (request.kind !== "populate" || request.isWeighed) globalThis.gc?.();
  const answered: ScaleAnswer = {
    operations,
    seconds,
    cpuMicros: user + system,
    longestPauseMs: delay.max / 1e6,
    anonymousBytes: anonymousBytes(),
  };
  process.send!(answered, undefined, {}, () => {
    if (request.kind === "close") process.exit(0);
  });
}

async function work(request: ScaleRequest): Promise<number> {
  switch (request.kind) {
    case "populate":
      return populate(files, request.population);
    case "measure":
      return cases.run(request.name, request.seconds);
    case "close":
      await files.close();
      return 0;
  }
}

function anonymousBytes(): number {
  const rollup = readFileSync("/proc/self/smaps_rollup", "utf8");
  return Number(/^Anonymous:\s+(\d+) kB$/m.exec(rollup)![1]) * 1024;
}
