import assert from "node:assert/strict";
import { test } from "node:test";

import { locksPerFileLimit } from "./limits.ts";
import { RangeLocks } from "./range-locks.ts";

const file = 1;

test("an exclusive lock keeps others out of the bytes that it covers, and only those", () => {
  const locks = new RangeLocks();
  assert.equal(locks.lock(file, { owner: "a", exclusive: true, start: 10, end: 20 }), undefined);
  const inside = { owner: "b", exclusive: false, start: 19, end: 30 };
  assert.deepEqual(locks.lock(file, inside), { owner: "a", exclusive: true, start: 10, end: 20 });
  assert.equal(locks.lock(file, { ...inside, start: 20 }), undefined);
  assert.equal(locks.conflict(2, inside), undefined);
});

test("shared locks stand beside each other, and one owner may make its own exclusive", () => {
  const locks = new RangeLocks();
  const whole = { exclusive: false, start: 0, end: Infinity };
  assert.equal(locks.lock(file, { ...whole, owner: "a" }), undefined);
  assert.equal(locks.lock(file, { ...whole, owner: "b" }), undefined);
  assert.equal(
    (locks.lock(file, { ...whole, owner: "a", exclusive: true }) as object) !== undefined,
    true,
  );
  assert.equal(locks.releaseOwner(file, "b"), true);
  assert.equal(locks.lock(file, { ...whole, owner: "a", exclusive: true }), undefined);
});

test("unlocking the middle of a lock leaves its two ends", () => {
  const locks = new RangeLocks();
  locks.lock(file, { owner: "a", exclusive: true, start: 0, end: 30 });
  locks.unlock(file, "a", { start: 10, end: 20 });
  const other = { owner: "b", exclusive: true };
  assert.equal(locks.conflict(file, { ...other, start: 10, end: 20 }), undefined);
  assert.notEqual(locks.conflict(file, { ...other, start: 0, end: 10 }), undefined);
  assert.notEqual(locks.conflict(file, { ...other, start: 20, end: 21 }), undefined);
});

test("neighbouring locks of one owner become one", () => {
  const locks = new RangeLocks();
  for (let start = 0; start < locksPerFileLimit * 2; start += 1) {
    const lock = { owner: "a", exclusive: true, start, end: start + 1 };
    assert.equal(locks.lock(file, lock), undefined);
  }
  const whole = { owner: "b", exclusive: true, start: 0, end: Infinity };
  assert.deepEqual(locks.conflict(file, whole), {
    owner: "a",
    exclusive: true,
    start: 0,
    end: locksPerFileLimit * 2,
  });
});

test("the lock after the last one that a file may have is refused", () => {
  const locks = new RangeLocks();
  const lock = (index: number) =>
    locks.lock(file, { owner: "a", exclusive: true, start: index * 2, end: index * 2 + 1 });
  for (let index = 0; index < locksPerFileLimit; index += 1) assert.equal(lock(index), undefined);
  assert.equal(lock(locksPerFileLimit), "limit");
});
