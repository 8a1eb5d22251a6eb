// What every implementation of Store has to pass; run from each one's test file.
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Range, Store } from "./store.ts";

export interface StoreFactory {
  /** Opens the store; the second time what the first one left, where it is durable. */
  readonly open: () => Store;
  readonly durable: boolean;
}

const bytes = (text: string) => Buffer.from(text, "latin1");

function keysIn(store: Store, range: Partial<Range> = {}): string[] {
  const whole = { from: "\u0001", to: "\u00ff", ...range };
  return store.read((reader) => Array.from(reader.scan(whole), ({ key }) => key));
}

function putAll(store: Store, keys: readonly string[]): void {
  store.write((writer) => {
    for (const key of keys) writer.put(key, bytes(`value of ${key}`));
  });
}

export function storeContract(name: string, make: () => StoreFactory): void {
  test(`${name}: a value, once put, is read until it is removed`, async () => {
    const store = make().open();
    putAll(store, ["a"]);
    assert.deepEqual(
      store.read((reader) => Buffer.from(reader.get("a")!).toString()),
      "value of a",
    );
    store.write((writer) => writer.remove("a"));
    assert.equal(
      store.read((reader) => reader.get("a")),
      undefined,
    );
    await store.close();
  });

  test(`${name}: a transaction that throws changes nothing`, async () => {
    const store = make().open();
    putAll(store, ["a"]);
    const { applied } = store;
    assert.throws(
      () =>
        store.write((writer) => {
          writer.remove("a");
          writer.put("b", bytes("b"));
          throw new Error("no");
        }),
      /no/,
    );
    assert.deepEqual(keysIn(store), ["a"]);
    assert.equal(store.applied, applied);
    await store.close();
  });

  test(`${name}: a transaction sees its own changes, in scans too`, async () => {
    const store = make().open();
    putAll(store, ["a", "c"]);
    const seen = store.write((writer) => {
      writer.put("b", bytes("new"));
      writer.remove("c");
      return Array.from(writer.scan({ from: "a", to: "z" }), (entry) => entry.key);
    });
    assert.deepEqual(seen, ["a", "b"]);
    await store.close();
  });

  test(`${name}: a scan is ordered by bytes, half open, limited and reversible`, async () => {
    const store = make().open();
    putAll(store, ["b", "a\u00fe", "a", "ab", "c", "a\u0000"]);
    const ordered = ["a", "a\u0000", "ab", "a\u00fe", "b", "c"];
    assert.deepEqual(keysIn(store), ordered);
    assert.deepEqual(keysIn(store, { reverse: true }), ordered.toReversed());
    assert.deepEqual(keysIn(store, { limit: 2 }), ordered.slice(0, 2));
    assert.deepEqual(keysIn(store, { reverse: true, limit: 2 }), ["c", "b"]);
    assert.deepEqual(keysIn(store, { from: "ab", to: "b" }), ["ab", "a\u00fe"]);
    const range = { from: "ab", to: "c", reverse: true };
    assert.deepEqual(keysIn(store, range), ["b", "a\u00fe", "ab"]);
    await store.close();
  });

  test(`${name}: durability is reported in order, never past what was applied`, async () => {
    const store = make().open();
    const reported: number[] = [];
    const waits = Array.from({ length: 20 }, (_, index) => {
      putAll(store, [`key ${index}`]);
      const sequence = store.applied;
      return new Promise<void>((resolve) =>
        store.whenDurable(sequence, () => {
          assert.ok(store.durable >= sequence);
          reported.push(sequence);
          resolve();
        }),
      );
    });
    await Promise.all(waits);
    assert.deepEqual(
      reported,
      [...reported].sort((a, b) => a - b),
    );
    assert.ok(store.durable <= store.applied);
    await store.close();
  });

  test(`${name}: what was closed is there after opening again`, async () => {
    const factory = make();
    if (!factory.durable) return;
    const first = factory.open();
    putAll(first, ["a", "b"]);
    await first.close();
    const second = factory.open();
    assert.deepEqual(keysIn(second), ["a", "b"]);
    second.write((writer) => writer.remove("a"));
    await second.close();
    const third = factory.open();
    assert.deepEqual(keysIn(third), ["b"]);
    assert.equal(third.applied, 3 - 1);
    await third.close();
  });
}
