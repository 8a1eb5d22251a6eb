import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { hex } from "../testing.ts";
import { InitFlag, InitFlag2 } from "./protocol.ts";
import {
  DirectoryReply,
  encodeAttributes,
  encodeEntry,
  encodeEntryInvalidation,
  encodeInit,
  encodeLock,
  encodeOpen,
  encodeStatfs,
  encodeWritten,
  type FuseAttributes,
} from "./reply.ts";

const attributes: FuseAttributes = {
  inode: 42,
  size: 4_294_967_297,
  blocks: 9,
  accessTime: { seconds: 1, nanoseconds: 2 },
  modifyTime: { seconds: -1, nanoseconds: 999_999_999 },
  changeTime: { seconds: 5, nanoseconds: 6 },
  mode: 0o100644,
  links: 2,
  uid: 1000,
  gid: 100,
};

/** struct fuse_attr of include/uapi/linux/fuse.h: 88 bytes, each number from its low byte on. */
const attributeBytes = [
  "2a00000000000000", // ino
  "0100000001000000", // size
  "0900000000000000", // blocks
  "0100000000000000", // atime
  "ffffffffffffffff", // mtime
  "0500000000000000", // ctime
  "02000000 ffc99a3b 06000000", // atimensec, mtimensec, ctimensec
  "a4810000 02000000", // mode, nlink
  "e8030000 64000000", // uid, gid
  "00000000 00100000 00000000", // rdev, blksize, flags
].join("");

/** struct fuse_entry_out: nodeid, generation, both validities, their nanoseconds, fuse_attr. */
const entryBytes = [
  "0700000000000000 0000000000000000",
  "3c00000000000000 3c00000000000000",
  "00000000 00000000",
  attributeBytes,
].join("");

test("replies are laid out as the kernel reads them", () => {
  const cases: [string, Buffer, string][] = [
    [
      "fuse_notify_inval_entry_out",
      encodeEntryInvalidation(7, "name"),
      "0700000000000000 04000000 00000000 6e616d6500",
    ],
    ["fuse_entry_out", encodeEntry(7, attributes, { seconds: 60 }), entryBytes],
    [
      "fuse_attr_out",
      encodeAttributes(attributes, { seconds: 60 }),
      `3c00000000000000 00000000 00000000 ${attributeBytes}`,
    ],
    ["fuse_open_out", encodeOpen(258, 3), "0201000000000000 03000000 00000000"],
    ["fuse_open_out without flags", encodeOpen(1), "0100000000000000 00000000 00000000"],
    ["fuse_write_out", encodeWritten(0x1_0000), "00000100 00000000"],
    [
      "fuse_lk_out",
      encodeLock(5n, 0x7fff_ffff_ffff_ffffn, 1),
      "0500000000000000 ffffffffffffff7f 01000000 00000000",
    ],
    [
      // blocks, bfree, bavail, files, ffree, bsize, namelen, frsize, padding, spare
      "fuse_statfs_out",
      encodeStatfs({
        blocks: 0x7ff_ffff_ffffn,
        free: 0x7ff_ffff_fff0n,
        blockBytes: 0x10_0000,
        nameLength: 255,
      }),
      `ffffffffff070000 f0ffffffff070000 f0ffffffff070000 0000000000000000 0000000000000000
       00001000 ff000000 00001000 00000000 ${"00000000".repeat(6)}`.replaceAll("\n", ""),
    ],
    [
      // major, minor, max_readahead, flags, max_background, congestion_threshold, max_write,
      // time_gran, max_pages, map_alignment, flags2, the rest unused
      "fuse_init_out",
      encodeInit({
        major: 7,
        minor: 31,
        readAheadBytes: 0x2_0000,
        flags: InitFlag.asyncRead | InitFlag.posixLocks | InitFlag.maxPages,
        flags2: InitFlag2.directIoAllowMmap,
        background: 64,
        writeBytes: 0x10_0000,
        pages: 256,
      }),
      `07000000 1f000000 00000200 03004000 4000 3000 00001000 01000000 0001 0000
       10000000 ${"00000000".repeat(7)}`.replaceAll("\n", ""),
    ],
  ];
  for (const [what, bytes, expected] of cases) assert.deepEqual(bytes, hex(expected), what);
});

test("directory entries are laid out as the kernel reads them", () => {
  const reply = new DirectoryReply(4096);
  assert.ok(reply.empty);
  assert.ok(reply.add("a", 42, 3, 8));
  assert.ok(reply.add("12345678", 43, 4, 4));
  const first = "2a00000000000000 0300000000000000 01000000 08000000 61 00000000000000";
  const second = "2b00000000000000 0400000000000000 08000000 04000000 3132333435363738";
  assert.deepEqual(reply.bytes(), hex(first, second));
  assert.equal(reply.empty, false);
});

test("an entry of READDIRPLUS stands before its directory entry", () => {
  const reply = new DirectoryReply(4096);
  assert.ok(reply.add("n\xc3", 42, 3, 8, { nodeId: 7, attributes, validity: { seconds: 60 } }));
  const directoryEntry = "2a00000000000000 0300000000000000 02000000 08000000 6ec3 000000000000";
  assert.deepEqual(reply.bytes(), hex(entryBytes, directoryEntry));
});

test("an entry that doesn't fit is left out, and leaves no trace", () => {
  for (const [maximum, plus, fits] of [
    [31, false, false],
    [32, false, true],
    [159, true, false],
    [160, true, true],
  ] as const) {
    const reply = new DirectoryReply(maximum);
    const entry = plus ? { nodeId: 7, attributes, validity: { seconds: 1 } } : undefined;
    assert.equal(reply.add("a", 1, 1, 8, entry), fits, `${maximum}`);
    assert.equal(reply.bytes().length, fits ? maximum : 0);
    assert.equal(reply.add("b", 1, 1, 8, entry), false);
  }
});

test("whatever attributes are written stand where the kernel reads them", () => {
  const uint32 = fc.nat(0xffff_ffff);
  const time = fc.record({ seconds: fc.maxSafeInteger(), nanoseconds: fc.nat(999_999_999) });
  const any = fc.record(
    {
      inode: fc.maxSafeNat(),
      size: fc.maxSafeNat(),
      blocks: fc.maxSafeNat(),
      accessTime: time,
      modifyTime: time,
      changeTime: time,
      mode: uint32,
      links: uint32,
      uid: uint32,
      gid: uint32,
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(any, fc.nat(), (given, seconds) => {
      const bytes = encodeAttributes(given, { seconds });
      assert.equal(bytes.readBigUInt64LE(0), BigInt(seconds));
      const { accessTime, modifyTime, changeTime } = given;
      const at = 16;
      const numbers = [bytes.readBigUInt64LE(at), bytes.readBigUInt64LE(at + 8)];
      assert.deepEqual(numbers, [BigInt(given.inode), BigInt(given.size)]);
      assert.equal(bytes.readBigUInt64LE(at + 16), BigInt(given.blocks));
      for (const [index, { seconds, nanoseconds }] of [
        accessTime,
        modifyTime,
        changeTime,
      ].entries()) {
        assert.equal(bytes.readBigInt64LE(at + 24 + 8 * index), BigInt(seconds));
        assert.equal(bytes.readUInt32LE(at + 48 + 4 * index), nanoseconds);
      }
      const rest = [60, 64, 68, 72].map((offset) => bytes.readUInt32LE(at + offset));
      assert.deepEqual(rest, [given.mode, given.links, given.uid, given.gid]);
    }),
  );
});

test("any entries that were taken are read again, and never exceed the maximum", () => {
  const name = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 255 });
  const entry = fc.record(
    { name, inode: fc.maxSafeNat(), next: fc.maxSafeNat(), type: fc.nat(15), plus: fc.boolean() },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(entry), fc.nat(4096), (entries, maximum) => {
      const reply = new DirectoryReply(maximum);
      const taken = entries.filter(({ name, inode, next, type, plus }) => {
        const before = reply.bytes().length;
        const details = { nodeId: inode, attributes, validity: { seconds: 1 } };
        const fits = reply.add(name, inode, next, type, plus ? details : undefined);
        if (!fits) assert.equal(reply.bytes().length, before);
        return fits;
      });
      const bytes = reply.bytes();
      assert.ok(bytes.length <= maximum && bytes.length % 8 === 0);
      let at = 0;
      for (const { name, inode, next, type, plus } of taken) {
        if (plus) assert.equal(bytes.readBigUInt64LE(at), BigInt(inode));
        const start = at + (plus ? 128 : 0);
        assert.equal(bytes.readBigUInt64LE(start), BigInt(inode));
        assert.equal(bytes.readBigUInt64LE(start + 8), BigInt(next));
        assert.equal(bytes.readUInt32LE(start + 20), type);
        const nameEnd = start + 24 + bytes.readUInt32LE(start + 16);
        assert.equal(bytes.toString("latin1", start + 24, nameEnd), name);
        at = Math.ceil(nameEnd / 8) * 8;
      }
      assert.equal(at, bytes.length);
    }),
  );
});
