/** How many times the peer's operations a second, and at most which share of its CPU for each. */
export interface Goal {
  readonly ratio: number;
  readonly cpuRatio?: number;
}

/** What one run measured. */
export interface Sample {
  readonly operationsPerSecond: number;
  /** Microseconds of the server's CPU time for each operation. */
  readonly cpuMicros: number;
}

/** One case over all rounds, as `--json` prints it. Figures are medians, CPU in µs/operation. */
export interface Row {
  readonly case: string;
  readonly mooring: number;
  readonly peer: number;
  readonly ratio: number;
  readonly mooringCpu: number;
  readonly peerCpu: number;
  readonly cpuRatio: number;
  /** Null where no goal is set. */
  readonly goal: (Goal & { readonly met: boolean }) | null;
}

export interface Measured {
  readonly name: string;
  readonly goal: Goal | undefined;
  readonly mooring: readonly Sample[];
  readonly peer: readonly Sample[];
}

export function rowOf({ name, goal, mooring, peer }: Measured): Row {
  const [speed, peerSpeed] = [mooring, peer].map((samples) =>
    median(samples.map(({ operationsPerSecond }) => operationsPerSecond)),
  ) as [number, number];
  const [cpu, peerCpu] = [mooring, peer].map((samples) =>
    median(samples.map(({ cpuMicros }) => cpuMicros)),
  ) as [number, number];
  const ratio = speed / peerSpeed;
  const cpuRatio = cpu / peerCpu;
  const met = goal && ratio >= goal.ratio && cpuRatio <= (goal.cpuRatio ?? Infinity);
  return {
    case: name,
    mooring: Math.round(speed),
    peer: Math.round(peerSpeed),
    ratio: round(ratio, 2),
    mooringCpu: round(cpu, 1),
    peerCpu: round(peerCpu, 1),
    cpuRatio: round(cpuRatio, 2),
    goal: goal && met !== undefined ? { ...goal, met } : null,
  };
}

/** The middle one, or what lies between the middle two. Throws where there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new Error("no values have no median");
  return (lower + upper) / 2;
}

/**
 * Lines of a table, the first column left-aligned and the figures right-aligned. `sides` name what
 * was measured and what it is compared with.
 */
export function tableOf(rows: readonly Row[], [measured, peer] = sides): string[] {
  const headings = [
    "case",
    `${measured} ops/s`,
    `${peer} ops/s`,
    "ratio",
    `${measured} CPU µs/op`,
    `${peer} CPU µs/op`,
    "CPU ratio",
    "goal",
    "met",
  ];
  const lines = [headings, ...rows.map(cellsOf)];
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length)),
  );
  return lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join("  "),
  );
}

const sides: readonly [string, string] = ["mooring", "ganesha"];

function cellsOf(row: Row): string[] {
  const { goal } = row;
  return [
    row.case,
    row.mooring.toLocaleString("en"),
    row.peer.toLocaleString("en"),
    row.ratio.toFixed(2),
    row.mooringCpu.toFixed(1),
    row.peerCpu.toFixed(1),
    row.cpuRatio.toFixed(2),
    goal === null ? "" : `≥${goal.ratio.toFixed(2)}${atMost(goal.cpuRatio)}`,
    goal === null ? "" : goal.met ? "yes" : "no",
  ];
}

function atMost(cpuRatio: number | undefined): string {
  return cpuRatio === undefined ? "" : ` ≤${cpuRatio.toFixed(2)}`;
}

export function summaryOf(rows: readonly Row[]): string {
  const goals = rows.flatMap(({ goal }) => goal ?? []);
  return `${goals.filter(({ met }) => met).length} of ${goals.length} goals met`;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
