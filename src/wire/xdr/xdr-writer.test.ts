import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { hex } from "../testing.ts";
import { XdrReader } from "./xdr-reader.ts";
import { XdrWriter } from "./xdr-writer.ts";

function written(write: (writer: XdrWriter) => void, capacity = 1024): string {
  const writer = new XdrWriter(capacity);
  write(writer);
  return Buffer.from(writer.written()).toString("hex");
}

test("the specification's example (RFC 4506 §7) is written as the specification says", () => {
  const bytes = written((writer) => {
    writer.byteString("sillyprog");
    writer.uint32(2);
    writer.byteString("lisp");
    writer.byteString("john");
    writer.opaque(Buffer.from("(quit)"));
  });
  const expected = hex(
    "00000009 73696c6c 7970726f 67000000",
    "00000002 00000004 6c697370",
    "00000004 6a6f686e",
    "00000006 28717569 74290000",
  );
  assert.equal(bytes, expected.toString("hex"));
});

test("numbers and booleans are written at the ends of their ranges", () => {
  const cases: [(writer: XdrWriter) => void, string][] = [
    [(writer) => writer.uint32(0xffff_ffff), "ffffffff"],
    [(writer) => writer.uint64(0), "00000000 00000000"],
    [(writer) => writer.uint64(0xffff_ffff), "00000000 ffffffff"],
    [(writer) => writer.uint64(2 ** 53 - 1), "001fffff ffffffff"],
    // What EFS says that it has room for.
    [(writer) => writer.uint64(2 ** 63 - 2 ** 20), "7fffffff fff00000"],
    [(writer) => writer.uint64(Infinity), "ffffffff ffffffff"],
    [(writer) => writer.bigUint64(2n ** 53n + 1n), "00200000 00000001"],
    [(writer) => writer.bigUint64(2n ** 64n - 1n), "ffffffff ffffffff"],
    [(writer) => writer.int64(-1), "ffffffff ffffffff"],
    [(writer) => writer.int64(-(2 ** 32)), "ffffffff 00000000"],
    [(writer) => writer.int64(0x1_2345_6789), "00000001 23456789"],
    [(writer) => writer.boolean(true), "00000001"],
    [(writer) => writer.boolean(false), "00000000"],
    [(writer) => writer.array([7, 8], (w, item) => w.uint32(item)), "00000002 00000007 00000008"],
    [(writer) => writer.array([], () => assert.fail()), "00000000"],
  ];
  for (const [write, expected] of cases) {
    assert.equal(written(write), expected.replaceAll(" ", ""), expected);
  }
});

test("padding is zeros, also where the buffer held something before", () => {
  const writer = new XdrWriter(64);
  writer.room(64).fill(0xff);
  writer.length = 0;
  writer.opaque(hex("aa"));
  writer.byteString("\xbb\xcc");
  writer.fixedOpaque(hex("dd ee ff"));
  const expected = "00000001aa00000000000002bbcc0000ddeeff00";
  assert.equal(Buffer.from(writer.written()).toString("hex"), expected);
});

test("a part that was written before can be patched, taken back and looked at alone", () => {
  const writer = new XdrWriter(4);
  writer.uint32(1);
  writer.uint32(2);
  writer.patchUint32(0, 0xdead_beef);
  writer.uint32(3);
  writer.length = 8;
  writer.uint32(4);
  assert.equal(Buffer.from(writer.written()).toString("hex"), "deadbeef0000000200000004");
  assert.equal(Buffer.from(writer.written(8)).toString("hex"), "00000004");
});

const values = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("uint32" as const), value: fc.nat(0xffff_ffff) }),
    fc.record({ kind: fc.constant("uint64" as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant("int64" as const), value: fc.maxSafeInteger() }),
    fc.record({ kind: fc.constant("boolean" as const), value: fc.boolean() }),
    fc.record({ kind: fc.constant("opaque" as const), value: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({
      kind: fc.constant("byteString" as const),
      value: fc.string({
        unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
      }),
    }),
    fc.record({ kind: fc.constant("array" as const), value: fc.array(fc.nat()) }),
  ),
);

test("whatever is written is read again, from whatever capacity the writer grew", () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 40 }), (sequence, capacity) => {
      const writer = new XdrWriter(capacity);
      for (const { kind, value } of sequence) {
        if (kind === "array") writer.array(value, (w, item) => w.uint32(item));
        else if (kind === "boolean") writer.boolean(value);
        else if (kind === "opaque") writer.opaque(value);
        else if (kind === "byteString") writer.byteString(value);
        else writer[kind](value);
      }
      assert.equal(writer.length % 4, 0);
      const reader = new XdrReader(writer.written());
      const read = sequence.map(({ kind }) => {
        if (kind === "array") return reader.array(1000, (item) => item.uint32());
        if (kind === "opaque") return Uint8Array.from(reader.opaque(1000));
        if (kind === "byteString") return reader.byteString(1000);
        return kind === "uint64" ? reader.uint53() : reader[kind]();
      });
      assert.deepEqual(
        read,
        sequence.map(({ value }) => value),
      );
      assert.equal(reader.remaining, 0);
    }),
    { numRuns: 500 },
  );
});
