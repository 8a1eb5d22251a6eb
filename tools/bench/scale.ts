// What a file system with very many files costs beside a small one: the file system itself, on
// disk, each in a process of its own, without the network. See docs/performance.md.
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";

import { median } from "./report.ts";
import { narrowDirectory, narrowEntries, type Sizes, wideDirectory } from "./scale-population.ts";
import { ScaleProcess } from "./scale-process.ts";
import type { ScaleAnswer } from "./scale-worker.ts";

export interface ScaleOptions {
  /** Of the large file system: in one directory, and besides over directories of a thousand. */
  readonly entries: number;
  readonly files: number;
  /** The contents of each. */
  readonly bytes: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Where both keep their files. */
  readonly disk: string;
  readonly json: boolean;
}

const small: Sizes = { entries: 1000, directories: 10 };
const caseNames = [
  "look up in the directory",
  "look up anywhere",
  "list 100 entries",
  "create",
  "remove",
  "create and list 100",
  "remove",
  "small file",
  "remove small file",
];
/** Files made between two reports of how far it is. */
const stageFiles = 250_000;

export async function benchScale(options: ScaleOptions, signal: AbortSignal): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(options.disk, "mooring-bench-"));
  cleanUp.defer(() => rm(directory, { recursive: true, force: true }));
  const directories = Math.max(1, Math.round(options.files / narrowEntries));
  const sizes = [small, { entries: options.entries, directories }];
  const both = sizes.map((size, index) => {
    const process = new ScaleProcess(path.join(directory, String(index)), size, signal);
    cleanUp.defer(() => process.stop());
    return process;
  });
  for (const process of both) await fill(process, options, signal);
  const measured = await measure(both, options, signal);
  for (const name of new Set(caseNames)) report(options, rowOf(name, measured.get(name)!));
  for (const process of both) {
    const { anonymousBytes } = await process.ask({ kind: "close" });
    report(options, { closed: total(process.sizes), memoryMb: megabytes(anonymousBytes) });
  }
}

async function fill(
  process: ScaleProcess,
  options: ScaleOptions,
  signal: AbortSignal,
): Promise<void> {
  let made = 0;
  let stage: ScaleAnswer[] = [];
  const add = async (name: string, from: number, to: number): Promise<void> => {
    signal.throwIfAborted();
    const population = { directory: name, from, to, bytes: options.bytes };
    made += to - from;
    const isReported = made === total(process.sizes) || made % stageFiles === 0;
    stage.push(await process.ask({ kind: "populate", population, isWeighed: isReported }));
    if (!isReported) return;
    report(options, { files: made, ...stageOf(stage) });
    stage = [];
  };
  const { entries, directories } = process.sizes;
  for (let from = 0; from < entries; from += narrowEntries) {
    await add(wideDirectory, from, Math.min(entries, from + narrowEntries));
  }
  for (let index = 0; index < directories; index += 1) {
    await add(narrowDirectory(index), 0, narrowEntries);
  }
}

/** By the case's name, the answers of the small and of the large one. */
async function measure(
  both: readonly ScaleProcess[],
  { rounds, seconds }: ScaleOptions,
  signal: AbortSignal,
): Promise<Map<string, ScaleAnswer[][]>> {
  const answers = new Map(caseNames.map((name) => [name, both.map((): ScaleAnswer[] => [])]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of caseNames) {
      // Each is first as often as the other.
      const order = round % 2 === 0 ? [0, 1] : [1, 0];
      for (const index of order) {
        signal.throwIfAborted();
        const answer = await both[index]!.ask({ kind: "measure", name, seconds });
        answers.get(name)![index]!.push(answer);
      }
    }
  }
  return answers;
}

function rowOf(name: string, [few, many]: readonly ScaleAnswer[][]) {
  const cpu = [few!, many!].map((answers) =>
    median(answers.map(({ cpuMicros, operations }) => cpuMicros / operations)),
  );
  const speed = [few!, many!].map((answers) =>
    median(answers.map(({ seconds, operations }) => operations / seconds)),
  );
  return {
    case: name,
    smallCpu: round(cpu[0]!),
    largeCpu: round(cpu[1]!),
    cpuRatio: round(cpu[1]! / cpu[0]!),
    smallOps: Math.round(speed[0]!),
    largeOps: Math.round(speed[1]!),
    opsRatio: round(speed[1]! / speed[0]!),
    longestPauseMs: round(Math.max(...many!.map(({ longestPauseMs }) => longestPauseMs))),
    memoryMb: megabytes(many!.at(-1)!.anonymousBytes),
  };
}

function stageOf(stage: readonly ScaleAnswer[]) {
  const sum = (of: (answer: ScaleAnswer) => number): number =>
    stage.reduce((before, answer) => before + of(answer), 0);
  return {
    perSecond: Math.round(sum(({ operations }) => operations) / sum(({ seconds }) => seconds)),
    cpuMicros: round(sum(({ cpuMicros }) => cpuMicros) / sum(({ operations }) => operations)),
    longestPauseMs: round(Math.max(...stage.map(({ longestPauseMs }) => longestPauseMs))),
    memoryMb: megabytes(stage.at(-1)!.anonymousBytes),
  };
}

function total({ entries, directories }: Sizes): number {
  return entries + directories * narrowEntries;
}

function report({ json }: ScaleOptions, row: object): void {
  if (json) return console.log(JSON.stringify(row));
  console.log(
    Object.entries(row)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
