// What is measured, and how far ahead of the peer Mooring has to be.
import type { Goal } from "./report.ts";

export type Mode =
  | "null"
  | "getattr"
  | "read"
  | "write"
  | "randread"
  | "randwrite"
  | "create"
  | "smallfile"
  | "stat"
  | "unlink";

/** One run of the load generator; `nfsbench.c` says what the modes do. */
export interface Load {
  readonly mode: Mode;
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly depth: number;
  readonly blockBytes: number;
  /** Length of the file that each connection reads or writes. */
  readonly fileBytes: number;
  readonly stable: "unstable" | "fileSync";
  /** Through TLS. */
  readonly secure?: boolean;
}

export interface BenchCase extends Load {
  readonly name: string;
  /** What has to be there before: the file to read or write, or files to look up or remove. */
  readonly needs: "nothing" | "file" | "files";
  readonly goal?: Goal;
  /** Mooring with TLS beside Mooring without it, instead of Mooring beside the peer. */
  readonly secure?: boolean;
  /** The goal is about waiting for a disk, so there is none in memory. */
  readonly onlyOnDisk?: true;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
/** What all connections together read and write at random, and in sequence. */
const randomBytes = 64 * mebibyte;
const sequentialBytes = 256 * mebibyte;

const smallOperations: readonly Pick<BenchCase, "name" | "mode" | "needs">[] = [
  { name: "null", mode: "null", needs: "nothing" },
  { name: "getattr", mode: "getattr", needs: "nothing" },
  { name: "read 4 KiB", mode: "randread", needs: "file" },
  { name: "write 4 KiB", mode: "randwrite", needs: "file" },
  { name: "create", mode: "create", needs: "nothing" },
  { name: "stat", mode: "stat", needs: "files" },
  { name: "unlink", mode: "unlink", needs: "files" },
  { name: "small file 4 KiB", mode: "smallfile", needs: "nothing" },
];

const smallShapes: readonly Shape[] = [
  { connections: 1, depth: 32, goal: { ratio: 4, cpuRatio: 0.3 } },
  { connections: 16, depth: 1, goal: { ratio: 2, cpuRatio: 0.5 } },
  { connections: 1, depth: 1, goal: { ratio: 1.15, cpuRatio: 0.8 } },
];
const largeGoal: Goal = { ratio: 1.3, cpuRatio: 0.8 };
const durableGoal: Goal = { ratio: 2, cpuRatio: 0.5 };
const secureGoal: Goal = { ratio: 0.7 };

const largeShapes: readonly Omit<Shape, "goal">[] = [
  { connections: 1, depth: 1 },
  { connections: 1, depth: 8 },
  { connections: 1, depth: 32 },
  { connections: 16, depth: 1 },
];

interface Shape {
  readonly connections: number;
  readonly depth: number;
  readonly goal: Goal;
}

const againstPeer: readonly BenchCase[] = [
  ...smallShapes.flatMap((shape) => smallOperations.map((operation) => small(operation, shape))),
  ...largeShapes.flatMap((shape) => [large("read", shape), large("write", shape)]),
  stableWrite({ connections: 16, depth: 1 }, durableGoal),
  stableWrite({ connections: 1, depth: 32 }, undefined),
];

/** What changes names does the same work whichever way it came. */
const measuredSecure: ReadonlySet<Mode> = new Set(["getattr", "randread", "randwrite"]);

export const cases: readonly BenchCase[] = [
  ...againstPeer,
  ...smallShapes.flatMap((shape) =>
    smallOperations
      .filter(({ mode }) => measuredSecure.has(mode))
      .map((operation) => secured(small(operation, shape))),
  ),
  ...largeShapes.flatMap((shape) =>
    (["read", "write"] as const).map((mode) => secured(large(mode, shape))),
  ),
];

function secured(plain: BenchCase): BenchCase {
  return { ...plain, name: `TLS ${plain.name}`, secure: true, goal: secureGoal };
}

function small(operation: (typeof smallOperations)[number], shape: Shape): BenchCase {
  return {
    ...operation,
    ...shape,
    name: `${operation.name}, ${label(shape)}`,
    blockBytes: 4 * kibibyte,
    fileBytes: randomBytes / shape.connections,
    stable: "unstable",
  };
}

function large(mode: "read" | "write", shape: Omit<Shape, "goal">): BenchCase {
  return {
    ...shape,
    name: `${mode} 1 MiB, ${label(shape)}`,
    mode,
    // Written over: finding and clearing pages for a new file is the kernel's work for any server.
    needs: "file",
    blockBytes: mebibyte,
    fileBytes: sequentialBytes / shape.connections,
    stable: "unstable",
    goal: largeGoal,
  };
}

function stableWrite(shape: Omit<Shape, "goal">, goal: Goal | undefined): BenchCase {
  return {
    ...shape,
    name: `stable write 4 KiB, ${label(shape)}`,
    mode: "randwrite",
    needs: "file",
    blockBytes: 4 * kibibyte,
    fileBytes: randomBytes / shape.connections,
    stable: "fileSync",
    ...(goal && { goal }),
    onlyOnDisk: true,
  };
}

function label({ connections, depth }: Omit<Shape, "goal">): string {
  if (connections > 1) return `${connections} connections`;
  return depth > 1 ? `depth ${depth}` : "depth 1";
}

/** The run that makes what a case needs; not measured. */
export function preparation(wanted: BenchCase): Load | undefined {
  if (wanted.needs === "nothing") return undefined;
  if (wanted.needs === "files")
    return { ...wanted, mode: "create", depth: 32 / wanted.connections };
  return { ...wanted, mode: "write", depth: 4, blockBytes: mebibyte, stable: "unstable" };
}
