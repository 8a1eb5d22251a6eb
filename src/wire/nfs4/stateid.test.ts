import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { hex } from "../testing.ts";
import { XdrError, XdrReader } from "../xdr/xdr-reader.ts";
import { XdrWriter } from "../xdr/xdr-writer.ts";
import {
  anonymousStateid,
  bypassStateid,
  currentStateid,
  decodeStateid,
  encodeStateid,
  isSpecial,
  sameStateid,
  type Stateid,
} from "./stateid.ts";

/** stateid4: seqid, and 12 bytes of the server's (RFC 8881 §3.3.12). */
const bytes = hex("00000007 0102030405060708090a0b0c");
const stateid: Stateid = {
  seqid: 7,
  other0: 0x0102_0304,
  other1: 0x0506_0708,
  other2: 0x090a_0b0c,
};

const uint32 = fc.nat(0xffff_ffff);
const stateids = fc.record(
  { seqid: uint32, other0: uint32, other1: uint32, other2: uint32 },
  { noNullPrototype: true },
);

test("a stateid is read and written as the specification lays it out", () => {
  assert.deepEqual(decodeStateid(new XdrReader(bytes)), stateid);
  const writer = new XdrWriter();
  encodeStateid(writer, stateid);
  assert.deepEqual(Buffer.from(writer.written()), bytes);
});

test("whatever stateid is written is read again, and is the same", () => {
  fc.assert(
    fc.property(stateids, (given) => {
      const writer = new XdrWriter();
      encodeStateid(writer, given);
      const read = decodeStateid(new XdrReader(writer.written()));
      assert.deepEqual(read, given);
      assert.ok(sameStateid(read, given));
    }),
  );
});

test("stateids that differ in any word are not the same", () => {
  for (const word of ["seqid", "other0", "other1", "other2"] as const) {
    assert.equal(sameStateid(stateid, { ...stateid, [word]: 9 }), false, word);
  }
});

test("two stateids are used without any state; the others of zeros or ones are not", () => {
  const zeros = { other0: 0, other1: 0, other2: 0 };
  const ones = { other0: 0xffff_ffff, other1: 0xffff_ffff, other2: 0xffff_ffff };
  const cases: [string, Stateid, boolean][] = [
    ["anonymous", anonymousStateid, true],
    ["read bypass", bypassStateid, true],
    ["current, which the compound replaces before", currentStateid, false],
    ["invalid", { seqid: 0xffff_ffff, ...zeros }, false],
    ["zeros with a seqid", { seqid: 5, ...zeros }, false],
    ["ones with a seqid", { seqid: 0, ...ones }, false],
    ["a zero seqid", { ...stateid, seqid: 0 }, false],
    ["a word of zeros", { seqid: 0, other0: 0, other1: 0, other2: 1 }, false],
  ];
  for (const [what, given, expected] of cases) assert.equal(isSpecial(given), expected, what);
});

test("a truncated stateid is refused at every length", () => {
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => decodeStateid(new XdrReader(bytes.subarray(0, length))), XdrError);
  }
});
