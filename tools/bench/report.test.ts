import assert from "node:assert/strict";
import { test } from "node:test";

import { median, type Row, rowOf, type Sample, summaryOf, tableOf } from "./report.ts";

const medians: readonly (readonly [string, readonly number[], number])[] = [
  ["one value", [7], 7],
  ["an odd number of values in no order", [30, 10, 20], 20],
  ["an even number of values", [40, 10, 30, 20], 25],
  ["numbers that sort otherwise as text", [9, 100, 20], 20],
];
for (const [what, values, expected] of medians) {
  test(`the median of ${what} is ${expected}`, () => {
    const given = [...values];
    assert.equal(median(given), expected);
    assert.deepEqual(given, values);
  });
}

test("the median of nothing is refused", () => {
  assert.throws(() => median([]), /no values/);
});

/** Rounds of a server: operations a second, and CPU for each. */
function samples(...rounds: readonly (readonly [number, number])[]): Sample[] {
  return rounds.map(([operationsPerSecond, cpuMicros]) => ({ operationsPerSecond, cpuMicros }));
}

const peer = samples([90, 12], [100, 10], [800, 1]);

test("a row has the medians of each figure by itself, and their ratios", () => {
  const mooring = samples([1, 4], [400, 900], [401, 2]);
  const row = rowOf({ name: "getattr", goal: { ratio: 4, cpuRatio: 0.4 }, mooring, peer });
  assert.deepEqual(row, {
    case: "getattr",
    mooring: 400,
    peer: 100,
    ratio: 4,
    mooringCpu: 4,
    peerCpu: 10,
    cpuRatio: 0.4,
    goal: { ratio: 4, cpuRatio: 0.4, met: true },
  });
});

const outcomes: readonly (readonly [string, number, number, boolean])[] = [
  ["both are exactly reached", 200, 5, true],
  ["the operations fall short by less than what is shown", 199.9, 5, false],
  ["the CPU is too much by less than what is shown", 200, 5.01, false],
];
for (const [when, speed, cpu, met] of outcomes) {
  test(`a goal is ${met ? "met" : "missed"} when ${when}`, () => {
    const goal = { ratio: 2, cpuRatio: 0.5 };
    const row = rowOf({ name: "stat", goal, mooring: samples([speed, cpu]), peer });
    assert.equal(row.goal?.met, met);
  });
}

test("a goal without a share of the CPU is met whatever the CPU is", () => {
  const mooring = samples([200, 900]);
  const row = rowOf({ name: "TLS stat", goal: { ratio: 0.7 }, mooring, peer });
  assert.equal(row.goal?.met, true);
  assert.match(tableOf([row])[1]!, / ≥0\.70 +yes$/);
});

test("a row without a goal has none", () => {
  const row = rowOf({ name: "null", goal: undefined, mooring: samples([1, 1]), peer });
  assert.equal(row.goal, null);
});

function row(name: string, goal: Row["goal"]): Row {
  const figures = { mooring: 123_456, peer: 7, ratio: 1.5, mooringCpu: 2, peerCpu: 3, cpuRatio: 1 };
  return { case: name, ...figures, goal };
}

test("a table has a heading, a line for each row, and columns in one place", () => {
  const lines = tableOf([
    row("null", null),
    row("a long name of a case", { ratio: 4, cpuRatio: 0.3, met: false }),
  ]);
  assert.equal(lines.length, 3);
  assert.deepEqual(
    lines.map((line) => line.length),
    lines.map(() => lines[0]!.length),
  );
  assert.match(lines[2]!, /^a long name of a case +123,456 +7 +1\.50 +2\.0 +3\.0 +1\.00 /);
  assert.match(lines[2]!, /≥4\.00 ≤0\.30 +no$/);
  assert.match(lines[1]!, /1\.00 +$/);
});

test("a table names what was measured", () => {
  const [heading] = tableOf([row("null", null)], ["TLS", "plain"]);
  assert.match(heading!, /TLS ops\/s +plain ops\/s/);
});

test("the summary counts the rows that have a goal", () => {
  const goal = { ratio: 4, cpuRatio: 0.3 };
  const rows = [
    row("a", null),
    row("b", { ...goal, met: true }),
    row("c", { ...goal, met: false }),
  ];
  assert.equal(summaryOf(rows), "1 of 2 goals met");
});
