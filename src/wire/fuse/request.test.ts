import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { decodedOrRefused, hex, mutated, mutationLists } from "../testing.ts";
import { Opcode } from "./protocol.ts";
import { FuseRequest } from "./request.ts";

/** struct fuse_in_header: len, opcode, unique, nodeid, uid, gid, pid, two fields of no use here. */
function headed(opcode: string, body: string): Buffer {
  const length = (40 + body.replaceAll(" ", "").length / 2).toString(16).padStart(2, "0");
  return hex(
    `${length}000000 ${opcode}000000`,
    "0807060504030201",
    "2a00000000000000",
    "e8030000 64000000 0b0c0000 0000 0000",
    body,
  );
}

/** FUSE_RENAME: the target's directory, both names. */
const rename = headed("0c", "2b00000000000000 6f6c6400 6ec3a900");
/** FUSE_WRITE: fh, offset, size, write_flags, lock_owner, flags, padding; the bytes. */
const write = headed(
  "10",
  "0100000000000000 0000000001000000 04000000 00000000 ffffffffffffffff 02000000 00000000 deadbeef",
);
/** FUSE_SETLK: fh, owner; start, end, type and pid of the lock; lk_flags, padding. */
const setLock = headed(
  "20",
  [
    "0100000000000000 0200000000000080", // fh, owner
    "0500000000000000 ffffffffffffff7f 01000000 d2040000", // fuse_file_lock
    "01000000 00000000",
  ].join(""),
);

test("a request's header is read as the kernel lays it out", () => {
  const request = new FuseRequest(rename);
  assert.equal(request.opcode, Opcode.RENAME);
  assert.equal(request.unique, 0x0102_0304_0506_0708n);
  assert.equal(request.nodeId, 42);
  assert.equal(request.uid, 1000);
  assert.equal(request.gid, 100);
  assert.equal(request.pid, 0x0c0b);
  assert.equal(request.end, rename.length);
});

test("numbers, names and data of a request's body are read where they lie", () => {
  const renamed = new FuseRequest(rename);
  assert.equal(renamed.uint64(0), 43);
  assert.deepEqual(renamed.names(8), ["old", "n\xc3\xa9"]);
  assert.equal(renamed.name(8), "old");
  assert.equal(renamed.name(12), "n\xc3\xa9");

  const written = new FuseRequest(write);
  assert.equal(written.opcode, Opcode.WRITE);
  assert.equal(written.int64(8), 4_294_967_296);
  assert.equal(written.uint32(16), 4);
  assert.equal(written.int64(24), -1);
  assert.equal(written.uint32(32), 2);
  assert.deepEqual(written.data(40, 4), hex("deadbeef"));

  const locked = new FuseRequest(setLock);
  assert.equal(locked.opcode, Opcode.SETLK);
  assert.equal(locked.bigUint64(8), 0x8000_0000_0000_0002n);
  assert.equal(locked.bigUint64(24), 0x7fff_ffff_ffff_ffffn);
  assert.equal(locked.uint32(32), 1);
});

test("data is a copy: the buffer may be used again", () => {
  const buffer = Buffer.from(write);
  const data = new FuseRequest(buffer).data(40, 4);
  buffer.fill(0);
  assert.deepEqual(data, hex("deadbeef"));
});

test("a request reads nothing of what lies behind it in the buffer", () => {
  const request = new FuseRequest(Buffer.concat([rename, hex("61626300 11223344 55667788")]));
  const end = rename.length - 40;
  assert.deepEqual(request.names(8), ["old", "n\xc3\xa9"]);
  assert.deepEqual(request.names(end), []);
  assert.throws(() => request.uint32(end), RangeError);
  assert.throws(() => request.uint64(end - 4), RangeError);
  assert.throws(() => request.int64(end - 4), RangeError);
  assert.throws(() => request.bigUint64(end - 4), RangeError);
  assert.throws(() => request.data(end - 1, 2), RangeError);
});

test("a request whose length is not what arrived is refused", () => {
  for (const length of ["00000000", "27000000", "39000000", "ffffffff", "00000080"]) {
    const bytes = Buffer.concat([hex(length), rename.subarray(4)]);
    assert.throws(() => new FuseRequest(bytes), RangeError, length);
  }
});

test("a truncated request is refused at every length", () => {
  for (let length = 0; length < write.length; length += 1) {
    assert.throws(() => new FuseRequest(write.subarray(0, length)), RangeError, `${length}`);
  }
});

test("data longer than the request is refused, whatever length is claimed", () => {
  const request = new FuseRequest(write);
  for (const length of [5, 0x7fff_ffff, 0xffff_ffff]) {
    assert.throws(() => request.data(40, length), RangeError, `${length}`);
  }
});

test("names that don't end are not names", () => {
  const request = new FuseRequest(headed("01", "6f6c64 00 616263"));
  assert.deepEqual(request.names(0), ["old"]);
  const endless = new FuseRequest(headed("01", "616263"));
  assert.deepEqual(endless.names(0), []);
  assert.equal(endless.name(0), "");
  assert.equal(endless.name(100), "");
});

test("any header and names written by hand are read again", () => {
  const name = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 255 });
  const fields = fc.record({
    opcode: fc.nat(0xffff_ffff),
    unique: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    nodeId: fc.maxSafeNat(),
    uid: fc.nat(0xffff_ffff),
    names: fc.array(
      name.filter((text) => !text.includes("\0")),
      { maxLength: 3 },
    ),
  });
  fc.assert(
    fc.property(fields, ({ opcode, unique, nodeId, uid, names }) => {
      const body = Buffer.from(names.map((text) => `${text}\0`).join(""), "latin1");
      const bytes = Buffer.alloc(40 + body.length);
      bytes.writeUInt32LE(bytes.length, 0);
      bytes.writeUInt32LE(opcode, 4);
      bytes.writeBigUInt64LE(unique, 8);
      bytes.writeBigUInt64LE(BigInt(nodeId), 16);
      bytes.writeUInt32LE(uid, 24);
      body.copy(bytes, 40);
      const request = new FuseRequest(bytes);
      assert.equal(request.opcode, opcode);
      assert.equal(request.unique, unique);
      assert.equal(request.nodeId, nodeId);
      assert.equal(request.uid, uid);
      assert.deepEqual(request.names(0), names);
    }),
  );
});

test("damaged requests are read or refused", () => {
  const read = (bytes: Buffer): void => {
    const request = new FuseRequest(bytes);
    request.names(8);
    request.uint64(0);
    request.data(40, request.uint32(16));
    request.bigUint64(24);
  };
  fc.assert(
    fc.property(mutationLists, (mutations) => {
      for (const bytes of [rename, write, setLock]) {
        const damaged = mutated(bytes, mutations);
        // The device gives what one read gave, whatever the header says: try both.
        decodedOrRefused(RangeError, () => read(damaged));
        if (damaged.length >= 4) damaged.writeUInt32LE(damaged.length, 0);
        decodedOrRefused(RangeError, () => read(damaged));
      }
    }),
    { numRuns: 2000 },
  );
});
