import assert from "node:assert/strict";
import { test } from "node:test";

import { SeededRandom } from "../../base/random.ts";
import { hashBegin, hashEnd, hashOf, hashStep, KeyIndex } from "./key-index.ts";

const hashes: Record<string, (key: string) => number> = {
  "of the keys": hashOf,
  "that is the same for all": () => -1,
  "that is one of three": (key) => key.length % 3,
};
for (const [what, hash] of Object.entries(hashes)) {
  test(`a key index does what a Map does, with a hash ${what}`, () => {
    const random = new SeededRandom(7);
    const keyAt: string[] = [""];
    const index = new KeyIndex((position, key) => keyAt[position] === key);
    const map = new Map<string, number>();
    for (let step = 0; step < 6000; step += 1) {
      const key = "k".repeat(random.uint32() % 50) + (random.uint32() % 40);
      if (random.uint32() % 4 === 0 && map.delete(key)) {
        keyAt[index.get(key, hash(key))] = "others'";
        index.forget(key, hash(key));
      } else {
        const position = keyAt.push(key) - 1;
        assert.equal(index.set(key, hash(key), position), map.get(key) ?? 0);
        map.set(key, position);
      }
      const other = "k".repeat(random.uint32() % 50) + (random.uint32() % 40);
      assert.equal(index.get(other, hash(other)), map.get(other) ?? 0);
    }
    for (const [key, position] of map) assert.equal(index.get(key, hash(key)), position);
  });
}

test("a hash is the same of the key and of its bytes, one after the other", () => {
  const key = "\0 key of \xff bytes";
  const stepped = Buffer.from(key, "latin1").reduce(hashStep, hashBegin);
  assert.equal(hashOf(key), hashEnd(stepped));
});
