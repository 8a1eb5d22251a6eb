import assert from "node:assert/strict";
import { test } from "node:test";

import { ChangeLog } from "./change-log.ts";
import { decodeBatches } from "./journal-batch.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

function commit(log: ChangeLog, sequence: number, changes: Record<string, string | null>): void {
  log.begin();
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) log.remove(key);
    else log.put(key, bytes(value));
  }
  log.commit(sequence);
}

function readable(log: ChangeLog): Record<string, string | null> {
  const entries = Array.from(log.changes(), ([key, change]) => [key, change && String(change)]);
  return Object.fromEntries(entries) as Record<string, string | null>;
}

/** What recovery would read of a segment: each batch's numbers and changes. */
function recovered(segment: Buffer): unknown[] {
  return Array.from(decodeBatches(segment), ({ first, last, changes }) => [
    first,
    last,
    Array.from(changes, ([key, change]) => [key, change && String(change)]),
  ]);
}

test("a batch holds what was committed since the one before, in order", () => {
  const log = new ChangeLog(Buffer.alloc(32));
  commit(log, 7, { a: "1", b: "2" });
  commit(log, 8, { a: null });
  const segment = Buffer.alloc(1000);
  for (const next of [{ c: "3" }, {}]) {
    const batch = log.takeBatch()!;
    segment.set(batch.bytes, batch.offset);
    commit(log, batch.last + 1, next);
  }
  assert.deepEqual(recovered(segment), [
    [
      7,
      8,
      [
        ["a", "1"],
        ["b", "2"],
        ["a", null],
      ],
    ],
    [9, 9, [["c", "3"]]],
  ]);
  assert.deepEqual(readable(log), { a: null, b: "2", c: "3" });
});

test("nothing was committed: there is no batch", () => {
  const log = new ChangeLog();
  assert.equal(log.takeBatch(), undefined);
  log.begin();
  log.put("a", bytes("1"));
  log.rollback();
  assert.equal(log.takeBatch(), undefined);
});

test("a rollback brings back what the keys led to, and leaves no trace in the batch", () => {
  const log = new ChangeLog();
  commit(log, 1, { a: "1", b: "2" });
  log.begin();
  log.put("a", bytes("other"));
  log.put("a", bytes("another"));
  log.remove("b");
  log.put("c", bytes("3"));
  log.rollback();
  assert.deepEqual(readable(log), { a: "1", b: "2" });
  assert.deepEqual([...log.walk("a", "z", false)].length, 2);
  assert.deepEqual(recovered(Buffer.from(log.takeBatch()!.bytes)), [
    [
      1,
      1,
      [
        ["a", "1"],
        ["b", "2"],
      ],
    ],
  ]);
});

test("a batch that was torn at any byte is not there, nor is what follows it", () => {
  const log = new ChangeLog();
  commit(log, 1, { key: "value" });
  const first = Buffer.from(log.takeBatch()!.bytes);
  commit(log, 2, { other: "value" });
  const second = Buffer.from(log.takeBatch()!.bytes);
  const whole = Buffer.concat([first, second]);
  for (let length = 0; length < whole.length; length += 1) {
    const torn = Buffer.alloc(whole.length);
    whole.copy(torn, 0, 0, length);
    // The last bytes of a value can be zeros as well as not.
    const there = torn.equals(whole) ? 2 : length >= first.length ? 1 : 0;
    assert.equal(recovered(torn).length, there, `torn at ${length}`);
  }
});

test("older batches behind the newest one in a segment that is used again are left out", () => {
  const former = new ChangeLog();
  const segment = Buffer.alloc(1000);
  for (const sequence of [1, 2, 3]) {
    commit(former, sequence, { key: "v" });
    const { bytes: written, offset } = former.takeBatch()!;
    segment.set(written, offset);
  }
  const log = new ChangeLog();
  commit(log, 4, { key: "w" });
  segment.set(log.takeBatch()!.bytes, 0);
  assert.deepEqual(recovered(segment), [[4, 4, [["key", "w"]]]]);
});
