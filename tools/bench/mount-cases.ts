// What is measured on a mounted directory, and how.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Does its work below `directory`; gives how much of `unit` it did in a second. */
export interface MountCase {
  readonly name: string;
  readonly unit: "MB/s" | "/s";
  run(directory: string, tools: MountTools): number;
}

export interface MountTools {
  /** Seconds that a case measured by time takes. */
  readonly seconds: number;
  /** A source tree, as tar(1) has it, and how many names are in it. */
  readonly tree: { readonly archive: string; readonly names: number };
}

const fileMib = 256;
const workProgram = path.join(import.meta.dirname, "mount-work.ts");
const limitMs = 120_000;

export const mountCases: readonly MountCase[] = [
  sequential("write 1 MiB", ["--rw=write", "--end_fsync=1"]),
  sequential("read 1 MiB", ["--rw=read"]),
  sequential("write 1 MiB, direct", ["--rw=write", "--direct=1"]),
  sequential("read 1 MiB, direct", ["--rw=read", "--direct=1"]),
  sequential("write 4 KiB", ["--rw=write", "--bs=4k", "--end_fsync=1", "--size=64m"]),
  sequential("read 4 KiB", ["--rw=read", "--bs=4k", "--size=64m"]),
  ...[1, 16].flatMap((jobs) => [
    random(`random read 4 KiB, direct, ${jobs}`, ["--rw=randread", "--direct=1"], jobs),
    random(`random write 4 KiB, direct, ${jobs}`, ["--rw=randwrite", "--direct=1"], jobs),
  ]),
  random("random write 4 KiB, fsync each", ["--rw=randwrite", "--fsync=1"], 1),
  work("create 4 KiB files", "create"),
  work("open, read, close", "read"),
  work("stat", "stat"),
  work("list with attributes", "list"),
  work("unlink", "unlink"),
  work("create 4 KiB files, 8 processes", "create", 8),
  work("unlink, 8 processes", "unlink", 8),
  { name: "tar x", unit: "/s", run: (directory, tools) => extract(directory, tools) },
  { name: "rm -rf", unit: "/s", run: (directory, tools) => remove(directory, tools) },
  work("SQLite transactions", "sqlite"),
  work("SQLite transactions, WAL", "sqlite-wal"),
];

function sequential(name: string, flags: readonly string[]): MountCase {
  const run = (directory: string): number => {
    const figures = fio(directory, [
      "--name=sequential",
      "--bs=1m",
      `--size=${fileMib}m`,
      ...flags,
    ]);
    return (figures.read.bw_bytes + figures.write.bw_bytes) / 1e6;
  };
  return { name, unit: "MB/s", run };
}

function random(name: string, flags: readonly string[], jobs: number): MountCase {
  const run = (directory: string, { seconds }: MountTools): number => {
    const size = `--size=${64 / jobs}m`;
    const many = [`--numjobs=${jobs}`, "--thread", "--group_reporting"];
    const time = ["--time_based", `--runtime=${Math.round(seconds * 1000)}ms`];
    const shape = [`--name=random-${jobs}`, "--bs=4k", size, ...many, ...time];
    const figures = fio(directory, [...shape, ...flags]);
    return figures.read.iops + figures.write.iops;
  };
  return { name: jobs === 1 ? name.replace(", 1", "") : `${name} jobs`, unit: "/s", run };
}

function fio(directory: string, flags: readonly string[]) {
  const common = ["--ioengine=psync", "--fallocate=none", "--output-format=json"];
  const output = command("fio", [`--directory=${directory}`, ...common, ...flags]);
  type Figures = { readonly bw_bytes: number; readonly iops: number };
  const { jobs } = JSON.parse(output.slice(output.indexOf("{"))) as {
    jobs: readonly { read: Figures; write: Figures }[];
  };
  return jobs[0]!;
}

/** What `mount-work.ts` does; it says how often it did it in how many milliseconds. */
function work(name: string, what: string, processes = 1): MountCase {
  const run = (directory: string): number => {
    const flags = [workProgram, path.join(directory, `work-${processes}`), what, String(processes)];
    const [count, tookMs] = command(process.execPath, flags).trim().split(" ").map(Number);
    return (count! / tookMs!) * 1000;
  };
  return { name, unit: "/s", run };
}

function extract(directory: string, { tree }: MountTools): number {
  const into = path.join(directory, "tree");
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into);
  return timed(tree.names, () => command("tar", ["xf", tree.archive, "-C", into]));
}

function remove(directory: string, tools: MountTools): number {
  const from = path.join(directory, "tree");
  return timed(tools.tree.names, () => command("rm", ["-rf", from]));
}

function timed(count: number, call: () => void): number {
  const startedMs = performance.now();
  call();
  return (count / (performance.now() - startedMs)) * 1000;
}

function command(name: string, flags: readonly string[]): string {
  const options = { encoding: "utf8", timeout: limitMs, maxBuffer: 1 << 26 } as const;
  const { status, stdout, stderr, error } = spawnSync(name, flags, options);
  if (status === 0) return stdout;
  throw new Error(`${name} ${flags.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** A tree of fixed shape: 1,000 files of 1 to 8 KiB in 100 directories, two deep. */
export function makeTree(directory: string): MountTools["tree"] {
  const root = path.join(directory, "source");
  let names = 0;
  for (let outer = 0; outer < 10; outer += 1) {
    for (let inner = 0; inner < 10; inner += 1) {
      const at = path.join(root, `package-${outer}`, `module-${inner}`);
      mkdirSync(at, { recursive: true });
      for (let file = 0; file < 10; file += 1) {
        const bytes = 1024 * (1 + ((outer + inner + file) % 8));
        writeFileSync(path.join(at, `file-${file}.ts`), Buffer.alloc(bytes, 97 + file));
        names += 1;
      }
      names += 1;
    }
    names += 1;
  }
  const archive = path.join(directory, "source.tar");
  command("tar", ["cf", archive, "-C", root, "."]);
  return { archive, names };
}
