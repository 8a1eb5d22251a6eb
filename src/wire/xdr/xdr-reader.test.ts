import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { decodedOrRefused, hex, mutated, mutationLists } from "../testing.ts";
import { XdrError, XdrReader } from "./xdr-reader.ts";

/** The example of RFC 4506 §7: John's 6 bytes of a lisp program in the file "sillyprog". */
const sillyProgram = hex(
  "00000009 73696c6c 7970726f 67000000",
  "00000002 00000004 6c697370",
  "00000004 6a6f686e",
  "00000006 28717569 74290000",
);

function readProgram(reader: XdrReader): unknown {
  const name = reader.byteString(255);
  const kind = reader.uint32();
  const interpreter = kind === 2 ? reader.byteString(255) : undefined;
  const owner = reader.byteString(32);
  return { name, kind, interpreter, owner, contents: Buffer.from(reader.opaque(65_535)) };
}

test("the specification's example is read as the specification says", () => {
  const reader = new XdrReader(sillyProgram);
  assert.deepEqual(readProgram(reader), {
    name: "sillyprog",
    kind: 2,
    interpreter: "lisp",
    owner: "john",
    contents: Buffer.from("(quit)"),
  });
  assert.equal(reader.remaining, 0);
});

test("numbers and booleans are read at the ends of their ranges", () => {
  const cases: [string, (reader: XdrReader) => unknown, unknown][] = [
    ["00000000", (reader) => reader.uint32(), 0],
    ["ffffffff", (reader) => reader.uint32(), 4_294_967_295],
    ["7fffffff", (reader) => reader.int32(), 2_147_483_647],
    ["80000000", (reader) => reader.int32(), -2_147_483_648],
    ["ffffffff", (reader) => reader.int32(), -1],
    ["00000001 00000000", (reader) => reader.uint53(), 4_294_967_296],
    ["001fffff ffffffff", (reader) => reader.uint53(), 9_007_199_254_740_991],
    ["001fffff ffffffff", (reader) => reader.uint64(), 9_007_199_254_740_991],
    ["00200000 00000001", (reader) => reader.uint64(), 9_007_199_254_740_993n],
    ["00000000 00000001", (reader) => reader.bigUint64(), 1n],
    ["ffffffff ffffffff", (reader) => reader.bigUint64(), 2n ** 64n - 1n],
    ["001fffff ffffffff", (reader) => reader.uint64OrInfinity(), 9_007_199_254_740_991],
    ["00200000 00000000", (reader) => reader.uint64OrInfinity(), Infinity],
    ["ffffffff ffffffff", (reader) => reader.uint64OrInfinity(), Infinity],
    ["ffffffff ffffffff", (reader) => reader.int64(), -1],
    ["001fffff ffffffff", (reader) => reader.int64(), 9_007_199_254_740_991],
    ["ffe00000 00000001", (reader) => reader.int64(), -9_007_199_254_740_991],
    ["00200000 00000000", (reader) => reader.int64(), 9_007_199_254_740_991],
    ["7fffffff ffffffff", (reader) => reader.int64(), 9_007_199_254_740_991],
    ["80000000 00000000", (reader) => reader.int64(), -9_007_199_254_740_991],
    ["00000000", (reader) => reader.boolean(), false],
    ["00000001", (reader) => reader.boolean(), true],
    [
      "00000003 00000001 ffffffff 00000002",
      (reader) => reader.array(3, (r) => r.int32()),
      [1, -1, 2],
    ],
  ];
  for (const [bytes, read, expected] of cases) {
    const reader = new XdrReader(hex(bytes));
    assert.deepEqual(read(reader), expected, bytes);
    assert.equal(reader.remaining, 0, bytes);
  }
});

test("opaque data is read with its padding, whatever the padding holds", () => {
  for (const [bytes, expected] of [
    ["00000000 55555555", ""],
    ["00000001 aa000000 55555555", "aa"],
    ["00000002 aabb1234 55555555", "aabb"],
    ["00000003 aabbccff 55555555", "aabbcc"],
    ["00000004 aabbccdd 55555555", "aabbccdd"],
  ] as const) {
    const reader = new XdrReader(hex(bytes));
    assert.equal(Buffer.from(reader.opaque(4)).toString("hex"), expected);
    assert.equal(reader.uint32(), 0x5555_5555, bytes);
    reader.offset = 0;
    reader.skipOpaque(4);
    assert.equal(reader.uint32(), 0x5555_5555, bytes);
  }
});

test("what comes next is compared without being read, up to where the reader ends", () => {
  const reader = new XdrReader();
  reader.reset(hex("11111111 aabbccdd eeff0011"), 4, 8);
  for (const [bytes, expected] of [
    ["", true],
    ["aabb", true],
    ["aabbccdd", true],
    ["aabbccde", false],
    ["bbcc", false],
    ["aabbccddee", false],
  ] as const) {
    assert.equal(reader.isNext(hex(bytes)), expected, bytes);
  }
  assert.equal(reader.offset, 4);
});

test("values outside of what a type can hold are refused", () => {
  const cases: [string, (reader: XdrReader) => unknown][] = [
    ["00200000 00000000", (reader) => reader.uint53()],
    ["ffffffff ffffffff", (reader) => reader.uint53()],
    ["00000002", (reader) => reader.boolean()],
    ["ffffffff", (reader) => reader.boolean()],
  ];
  for (const [bytes, read] of cases) assert.throws(() => read(new XdrReader(hex(bytes))), XdrError);
});

test("a length or count above its maximum is refused before anything is read", () => {
  for (const length of ["00000005", "7fffffff", "80000000", "ffffffff"]) {
    const bytes = Buffer.concat([hex(length), Buffer.alloc(64)]);
    assert.throws(() => new XdrReader(bytes).opaque(4), XdrError, length);
    assert.throws(() => new XdrReader(bytes).skipOpaque(4), XdrError, length);
    assert.throws(() => new XdrReader(bytes).byteString(4), XdrError, length);
    let items = 0;
    const count = (): number => (items += 1);
    assert.throws(() => new XdrReader(bytes).array(4, count), XdrError, length);
    assert.equal(items, 0, length);
  }
});

test("a length that is allowed but not there is refused, without room being made for it", () => {
  for (const length of ["00000041", "7fffffff", "ffffffff"]) {
    const bytes = Buffer.concat([hex(length), Buffer.alloc(64)]);
    assert.throws(() => new XdrReader(bytes).opaque(0xffff_ffff), XdrError, length);
    assert.throws(() => new XdrReader(bytes).skipOpaque(0xffff_ffff), XdrError, length);
    assert.throws(() => new XdrReader(bytes).byteString(0xffff_ffff), XdrError, length);
    let items = 0;
    const read = (reader: XdrReader): number => reader.uint32() + (items += 1);
    assert.throws(() => new XdrReader(bytes).array(0xffff_ffff, read), XdrError, length);
    assert.equal(items, 16, length);
  }
});

test("opaque data whose padding is missing is refused", () => {
  assert.throws(() => new XdrReader(hex("00000003 aabbcc")).opaque(4), XdrError);
  assert.throws(() => new XdrReader(hex("00000001 61")).byteString(4), XdrError);
  assert.throws(() => new XdrReader(hex("61")).fixedOpaque(1), XdrError);
});

test("every truncation of a message is refused", () => {
  for (let length = 0; length < sillyProgram.length; length += 1) {
    const cut = new XdrReader(sillyProgram.subarray(0, length));
    assert.throws(() => readProgram(cut), XdrError, `${length} bytes`);
  }
});

test("a reader stays within the part of the buffer that it was given", () => {
  const reader = new XdrReader();
  reader.reset(Buffer.concat([hex("11111111"), sillyProgram, hex("22222222")]), 4, 8);
  assert.equal(reader.uint32(), 9);
  assert.equal(reader.remaining, 0);
  assert.throws(() => reader.uint32(), XdrError);
  assert.throws(() => reader.skip(1), XdrError);
  assert.equal(reader.offset, 8);
});

test("a reader pointed at another buffer reads that one, also inside of the same memory", () => {
  const memory = hex("00000001 00000002 00000003");
  const reader = new XdrReader(memory);
  assert.equal(reader.uint32(), 1);
  reader.reset(memory.subarray(4), 0, 8);
  assert.equal(reader.uint32(), 2);
  reader.reset(memory.subarray(8, 12), 0, 4);
  assert.equal(reader.uint32(), 3);
  reader.reset(Buffer.from(hex("00000009")), 0, 4);
  assert.equal(reader.uint32(), 9);
});

test("a detached reader keeps what was left when the buffer is written over", () => {
  const memory = hex("00000001 00000002 00000003");
  const reader = new XdrReader();
  reader.reset(memory, 0, 8);
  reader.uint32();
  const detached = reader.detached();
  memory.fill(0xff);
  assert.equal(detached.uint32(), 2);
  assert.equal(detached.remaining, 0);
});

test("damaged messages are read or refused, never read past their end", () => {
  fc.assert(
    fc.property(mutationLists, (mutations) => {
      const bytes = mutated(sillyProgram, mutations);
      const reader = new XdrReader(bytes);
      decodedOrRefused(XdrError, () => readProgram(reader));
      assert.ok(reader.remaining >= 0 && reader.offset <= bytes.length);
    }),
    { numRuns: 2000 },
  );
});
