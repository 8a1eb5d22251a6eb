import assert from "node:assert/strict";
import { test } from "node:test";

import { SpareBytes } from "./spare-bytes.ts";

test("copies are in memory that was given back, and in nobody else's", () => {
  const spares = new SpareBytes(100);
  const original = Uint8Array.of(1, 2, 3);
  const first = spares.copy(original);
  const second = spares.copy(original);
  assert.notEqual(first, second);
  spares.giveBack(first);
  assert.notEqual(spares.copy(Uint8Array.of(4, 5)), first);
  const third = spares.copy(Uint8Array.of(6, 7, 8));
  assert.equal(third, first);
  assert.deepEqual([third, second, original].map(String), ["6,7,8", "1,2,3", "1,2,3"]);
  assert.notEqual(spares.copy(original), third);
});

test("no more is kept than was allowed", () => {
  const spares = new SpareBytes(100);
  const given: Uint8Array[] = Array.from({ length: 10 }, () => new Uint8Array(40));
  for (const bytes of given) spares.giveBack(bytes);
  const taken = given.map(() => spares.copy(new Uint8Array(40)));
  const known = taken.filter((bytes) => given.includes(bytes));
  assert.ok(known.length > 0 && known.length * 40 <= 100, `${known.length}`);
});
