import assert from "node:assert/strict";
import { test } from "node:test";

import { NumberList } from "./number-list.ts";

test("number list: over several pieces, every number is where it was put", () => {
  const list = new NumberList(Float64Array);
  for (let index = 0; index < 10_000; index += 1) list.push(index * 3);
  assert.equal(list.length, 10_000);
  list.set(4096, 12_289);
  list.add(4096, -1);
  for (let index = 0; index < 10_000; index += 1) assert.equal(list.at(index), index * 3);
});

test("number list: each number that is there is found, and none that isn't", () => {
  for (const length of [0, 1, 2, 4095, 4096, 4097, 9000]) {
    const list = new NumberList(Float64Array);
    const first = 2 ** 40;
    for (let index = 0; index < length; index += 1) list.push(first + index * 2);
    for (let index = 0; index < length; index += 1) {
      assert.equal(list.find(first + index * 2), index);
      assert.equal(list.find(first + index * 2 + 1), -1);
    }
    assert.equal(list.find(first - 1), -1);
    assert.equal(list.find(NaN), -1);
  }
});
