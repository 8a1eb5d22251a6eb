import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { locksPerFileLimit } from "./limits.ts";
import { RangeLocks } from "./range-locks.ts";

const file = 1;
const endOfFile = 2n ** 64n;

test("an exclusive lock keeps others out of the bytes that it covers, and only those", () => {
  const locks = new RangeLocks();
  assert.equal(locks.lock(file, { owner: "a", exclusive: true, start: 10n, end: 20n }), undefined);
  const inside = { owner: "b", exclusive: false, start: 19n, end: 30n };
  assert.deepEqual(locks.lock(file, inside), { owner: "a", exclusive: true, start: 10n, end: 20n });
  assert.equal(locks.lock(file, { ...inside, start: 20n }), undefined);
  assert.equal(locks.conflict(2, inside), undefined);
});

test("shared locks stand beside each other, and one owner may make its own exclusive", () => {
  const locks = new RangeLocks();
  const whole = { exclusive: false, start: 0n, end: endOfFile };
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
  locks.lock(file, { owner: "a", exclusive: true, start: 0n, end: 30n });
  locks.unlock(file, "a", { start: 10n, end: 20n });
  const other = { owner: "b", exclusive: true };
  assert.equal(locks.conflict(file, { ...other, start: 10n, end: 20n }), undefined);
  assert.notEqual(locks.conflict(file, { ...other, start: 0n, end: 10n }), undefined);
  assert.notEqual(locks.conflict(file, { ...other, start: 20n, end: 21n }), undefined);
});

test("neighbouring locks of one owner become one", () => {
  const locks = new RangeLocks();
  for (let start = 0n; start < locksPerFileLimit * 2; start += 1n) {
    const lock = { owner: "a", exclusive: true, start, end: start + 1n };
    assert.equal(locks.lock(file, lock), undefined);
  }
  const whole = { owner: "b", exclusive: true, start: 0n, end: endOfFile };
  assert.deepEqual(locks.conflict(file, whole), {
    owner: "a",
    exclusive: true,
    start: 0n,
    end: BigInt(locksPerFileLimit * 2),
  });
});

test("the lock after the last one that a file may have is refused", () => {
  const locks = new RangeLocks();
  const lock = (index: number) => {
    const start = BigInt(index * 2);
    return locks.lock(file, { owner: "a", exclusive: true, start, end: start + 1n });
  };
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
        const past = start + length >= bytes ? Infinity : start + length;
        const end = past === Infinity ? endOfFile : BigInt(past);
        const range = { start: BigInt(start), end };
        const mine = held.get(owner)!;
        const covered = (at: number): boolean => at >= start && at < past;
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
        if (kind === "free") locks.unlock(file, owner, range);
        else {
          const standing = locks.lock(file, { owner, exclusive: kind === "write", ...range });
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
