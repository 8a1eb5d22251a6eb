import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { ContentVersion } from "./content-version.ts";

test("a version that was never seen is not shown", () => {
  assert.equal(new ContentVersion().isShown(1), false);
});

test("own writes carry the version on, in whatever order they are answered", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), (order) => {
      const version = new ContentVersion();
      version.show(0);
      for (const before of order) version.wrote(before, before + 1);
      assert.equal(version.isShown(6), true);
    }),
  );
});

test("a write of somebody else between two own ones is not explained", () => {
  const version = new ContentVersion();
  version.show(10);
  version.wrote(10, 11);
  version.wrote(12, 13);
  assert.equal(version.isShown(13), false);
  assert.equal(version.isShown(11), true);
  version.show(13);
  version.wrote(13, 14);
  assert.equal(version.isShown(14), true);
});

test("changes of 64 bits are told apart", () => {
  const version = new ContentVersion();
  version.show(2n ** 64n - 2n);
  assert.equal(version.isShown(2n ** 64n - 1n), false);
  assert.equal(version.isShown(2n ** 64n - 2n), true);
});
