import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { decodeHandle, encodeHandle } from "./handle.ts";
import type { Node } from "./node.ts";

const mark = "4d4f4f01";

test("whatever handle is given out is taken back", () => {
  const word = fc.nat(0xffff_ffff);
  fc.assert(
    fc.property(fc.maxSafeNat(), word, word, (number, generationHigh, generationLow) => {
      const fields = { number, generationHigh, generationLow };
      assert.deepEqual(decodeHandle(encodeHandle(fields as Node)), fields);
    }),
  );
});

test("bytes that no handle has are no handle", () => {
  const cases: [string, string][] = [
    ["nothing", ""],
    ["another mark", `4d4f4f02${"00".repeat(16)}`],
    ["a byte too few", `${mark}${"00".repeat(15)}`],
    ["a byte too many", `${mark}${"00".repeat(17)}`],
    ["a number above 2^53 - 1", `${mark}0020000000000000${"00".repeat(8)}`],
    ["the greatest number", `${mark}${"ff".repeat(16)}`],
  ];
  for (const [what, digits] of cases) {
    assert.equal(decodeHandle(Buffer.from(digits, "hex")), undefined, what);
  }
});
