import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

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

const bytes = 12;
const owners = ["a", "b", "c"] as const;
const step = fc.record(
  {
    owner: fc.constantFrom(...owners),
    kind: fc.constantFrom("read", "write", "free"),
    start: fc.nat(bytes - 1),
    length: fc.oneof(fc.integer({ min: 1, max: bytes }), fc.constant(Infinity)),
  },
  { noNullPrototype: true },
);

test("whatever is locked and unlocked, each byte is as if it were locked by itself", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const locks = new RangeLocks();
      // What each owner holds of each byte; the last one stands for all that follow.
      const held = new Map(owners.map((owner) => [owner, Array<string>(bytes).fill("free")]));
      for (const { owner, kind, start, length } of steps) {
        const end = start + length >= bytes ? Infinity : start + length;
        const mine = held.get(owner)!;
        const covered = (at: number): boolean => at >= start && at < end;
        const stands = owners.some(
          (other) =>
            other !== owner &&
            held
              .get(other)!
              .some(
                (type, at) =>
                  covered(at) && (type === "write" || (type === "read" && kind === "write")),
              ),
        );
        if (kind === "free") locks.unlock(file, owner, { start, end });
        else {
          const standing = locks.lock(file, { owner, exclusive: kind === "write", start, end });
          assert.equal(standing !== undefined, stands);
        }
        if (kind === "free" || !stands) mine.forEach((_, at) => covered(at) && (mine[at] = kind));
        assert.equal(locks.count(file, owner), runs(mine));
        assert.equal(locks.holds(file, owner), runs(mine) > 0);
      }
    }),
  );
});

/** Stretches of bytes that are locked in one way. */
function runs(types: readonly string[]): number {
  return types.filter((type, at) => type !== "free" && type !== types[at - 1]).length;
}
