import assert from "node:assert/strict";
import { test } from "node:test";

import { SpareBytes } from "./spare-bytes.ts";

test("copies are in memory that was given back, and in nobody else's", () => {
  const spares = new SpareBytes(10_000);
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

for (const length of [0, 1, 40, 1000]) {
  test(`no more is kept than was allowed, of ${length} bytes each`, () => {
    const spares = new SpareBytes(10_000);
    const given: Uint8Array[] = Array.from({ length: 1000 }, () => new Uint8Array(length));
    for (const bytes of given) spares.giveBack(bytes);
    const taken = new Set(given.map(() => spares.copy(new Uint8Array(length))));
    const kept = given.filter((bytes) => taken.has(bytes)).length;
    assert.ok(kept > 0 && kept * (length + 100) <= 10_000, `${kept}`);
  });
}
