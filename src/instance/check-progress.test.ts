import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeClock } from "../base/fake-clock.ts";
import { progressOf } from "./check-progress.ts";

test("check progress: a long check says every five seconds how far it is", () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const watch = progressOf(clock, (line) => lines.push(line));
  const pass = (count: number, part: "inodes" | "names", durationMs: number): void => {
    let passed = 0;
    for (const item of watch(part, Array(count).keys())) {
      assert.equal(item, passed);
      passed += 1;
      clock.advance(durationMs / count);
    }
    assert.equal(passed, count);
  };
  pass(20_000, "inodes", 8000);
  pass(25_000, "names", 10_000);
  assert.deepEqual(lines, [
    "13,000 inodes looked at (part 1 of 5)",
    "6,000 names looked at (part 2 of 5; 20,000 inodes)",
    "19,000 names looked at (part 2 of 5; 20,000 inodes)",
  ]);
});

test("check progress: a check that is over soon says nothing", () => {
  const lines: string[] = [];
  const watch = progressOf(new FakeClock(), (line) => lines.push(line));
  assert.equal([...watch("inodes", Array(100_000).keys())].length, 100_000);
  assert.deepEqual(lines, []);
});
