import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryStore } from "../store/memory/memory-store.ts";
import type { Sequence } from "../store/store.ts";
import { StoredClientRecords } from "./stored-client-records.ts";

const owners = ["a", "\u00ff\u0000/", "long".repeat(200)];

test("clients, added and removed, are listed by file system, also anew", () => {
  const store = new MemoryStore();
  const records = new StoredClientRecords(store);
  for (const owner of owners) records.add("fs-1", owner);
  records.add("fs-1", "a");
  records.add("fs-2", "b");
  records.remove("fs-2", "a");
  records.remove("fs-1", "\u00ff\u0000/");
  const again = new StoredClientRecords(store);
  assert.deepEqual(again.list("fs-1").sort(), ["a", "long".repeat(200)]);
  assert.deepEqual(again.list("fs-2"), ["b"]);
});

test("clients, what was added or removed and isn't durable yet, are waited for", () => {
  const waits: Sequence[] = [];
  const store = new MemoryStore();
  store.whenDurable = (sequence) => {
    waits.push(sequence);
  };
  const records = new StoredClientRecords(store);
  for (const change of ["add", "remove"] as const) {
    let isDurable = false;
    records[change]("fs-1", "a");
    records.whenDurable(() => {
      isDurable = true;
    });
    assert.equal(waits.at(-1), store.applied, change);
    assert.equal(isDurable, false, change);
  }
});
