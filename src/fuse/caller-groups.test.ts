import assert from "node:assert/strict";
import { test } from "node:test";

import { groupsIn } from "./caller-groups.ts";

const status = (groups: string): string => `FDSize:\t64\nGroups:\t${groups}\nNStgid:\t4711\n`;

test("a process's supplementary groups", () => {
  assert.deepEqual(groupsIn(status("4 24 1000 ")), [4, 24, 1000]);
});

test("a process without supplementary groups has none", () => {
  assert.deepEqual(groupsIn(status(" ")), []);
  assert.deepEqual(groupsIn(status("")), []);
});

test("of more groups than a request has room for, the first sixteen", () => {
  const many = Array.from({ length: 20 }, (_, index) => 100 + index);
  assert.deepEqual(groupsIn(status(many.join(" "))), many.slice(0, 16));
});
