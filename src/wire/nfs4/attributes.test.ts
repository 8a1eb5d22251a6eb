import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { decodedOrRefused, hex, mutated, mutationLists } from "../testing.ts";
import { XdrError, XdrReader } from "../xdr/xdr-reader.ts";
import { XdrWriter } from "../xdr/xdr-writer.ts";
import {
  Attribute,
  bitmapOf,
  decodeBitmap,
  decodeFileAttributes,
  decodeSettable,
  decodeTime,
  encodeBitmap,
  encodeSettable,
  encodeTime,
  type FileAttributes,
  fileAttributesBitmap,
  hasAttribute,
  type NfsTime,
  type SettableAttributes,
} from "./attributes.ts";

/**
 * A fattr4 (RFC 8881 §3.3.9) of everything that can be set. Bits: size 4; mode 33, owner 36,
 * owner_group 37, time_access_set 48, time_modify_set 54 (§5.8).
 */
const settable = hex(
  "00000002 00000010 00410032",
  "00000030",
  "00000001 00000005", // size
  "000001a4", // mode
  "00000004 31303030", // owner "1000"
  "00000003 31303000", // owner_group "100"
  "00000001 ffffffff ffffffff 3b9ac9ff", // SET_TO_CLIENT_TIME4, one ns before 1970
  "00000000", // SET_TO_SERVER_TIME4
);
const settableValues: SettableAttributes = {
  size: 4_294_967_301,
  mode: 0o644,
  owner: "1000",
  ownerGroup: "100",
  accessTime: { seconds: -1, nanoseconds: 999_999_999 },
  modifyTime: "now",
};

/**
 * What a client of ours asks for: type 1, change 3, size 4, fileid 20; mode 33, numlinks 35,
 * owner 36, owner_group 37, space_used 45, time_access 47, time_metadata 52, time_modify 53.
 */
const file = hex(
  "00000002 0010001a 0030a03a",
  "00000064",
  "00000001", // NF4REG
  "ffffffff 00000001", // change
  "00000000 00000003", // size
  "00000000 0000002a", // fileid
  "000001ff", // mode
  "00000002", // numlinks
  "00000001 30000000", // owner "0"
  "00000005 6e6f626f 64000000", // owner_group "nobod"
  "00000000 00001000", // space_used
  "00000000 00000001 00000002", // time_access
  "00000000 00000003 00000004", // time_metadata
  "00000000 00000005 00000006", // time_modify
);

function encoded(write: (writer: XdrWriter) => void): Buffer {
  const writer = new XdrWriter();
  write(writer);
  return Buffer.from(writer.written());
}

test("attributes to set are read as the specification lays them out", () => {
  const reader = new XdrReader(settable);
  const { attributes, bitmap, unsupported } = decodeSettable(reader);
  assert.deepEqual(attributes, settableValues);
  assert.deepEqual(bitmap, [0x10, 0x0041_0032]);
  assert.equal(unsupported, false);
  assert.equal(reader.remaining, 0);
});

test("attributes to set are written as the specification lays them out", () => {
  assert.deepEqual(
    encoded((writer) => encodeSettable(writer, settableValues)),
    settable,
  );
  assert.deepEqual(
    encoded((writer) => encodeSettable(writer, {})),
    hex("00000000 00000000"),
  );
});

test("a file's attributes are read as the specification lays them out", () => {
  const reader = new XdrReader(file);
  assert.deepEqual(decodeFileAttributes(reader), {
    type: 1,
    change: 0xffff_ffff_0000_0001n,
    size: 3,
    fileId: 42,
    mode: 0o777,
    links: 2,
    owner: "0",
    ownerGroup: "nobod",
    spaceUsed: 4096,
    accessTime: { seconds: 1, nanoseconds: 2 },
    metadataTime: { seconds: 3, nanoseconds: 4 },
    modifyTime: { seconds: 5, nanoseconds: 6 },
  } satisfies FileAttributes);
  assert.equal(reader.remaining, 0);
});

test("a bitmap has the attribute's bit in the word of its number, and no trailing zeros", () => {
  const cases: [number[], string][] = [
    [[], "00000000"],
    [[Attribute.supported], "00000001 00000001"],
    [[31], "00000001 80000000"],
    [[Attribute.mode], "00000002 00000000 00000002"],
    [[Attribute.type, Attribute.supportedExclusiveCreate], "00000003 00000002 00000000 00000800"],
  ];
  for (const [attributes, expected] of cases) {
    const bytes = encoded((writer) => encodeBitmap(writer, bitmapOf(attributes)));
    assert.deepEqual(bytes, hex(expected));
    const read = decodeBitmap(new XdrReader(bytes));
    for (let attribute = 0; attribute < 100; attribute += 1) {
      assert.equal(hasAttribute(read, attribute), attributes.includes(attribute), `${attribute}`);
    }
  }
});

test("values of attributes that can't be set are stepped over, with their padding", () => {
  for (const [what, bytes] of [
    ["fileid, which is read only", "00000001 00100000 00000008 00000000 0000002a"],
    ["an attribute of a fourth word", "00000004 00000000 00000000 00000000 00000001 00000000"],
    ["size along with an ACL", "00000001 00001010 0000000c 00000000 00000001 00000000"],
    ["a length that needs padding", "00000001 00100000 00000005 01020304 05ffffff"],
  ] as const) {
    const reader = new XdrReader(hex(bytes, "5555aaaa"));
    const { unsupported, attributes } = decodeSettable(reader);
    assert.equal(unsupported, true, what);
    assert.deepEqual(attributes, {}, what);
    assert.equal(reader.uint32(), 0x5555_aaaa, what);
  }
});

test("attributes whose length is not what they take are refused", () => {
  for (const length of ["00000000", "0000002c", "0000002f", "00000034", "7fffffff", "ffffffff"]) {
    const bytes = Buffer.concat([settable, Buffer.alloc(8)]);
    hex(length).copy(bytes, 12);
    assert.throws(() => decodeSettable(new XdrReader(bytes)), XdrError, length);
  }
  for (const length of ["00000000", "00000060", "00000068", "ffffffff"]) {
    const bytes = Buffer.concat([file, Buffer.alloc(8)]);
    hex(length).copy(bytes, 12);
    assert.throws(() => decodeFileAttributes(new XdrReader(bytes)), XdrError, length);
  }
});

test("an answer with fewer or more attributes than were asked for is refused", () => {
  for (const bitmap of [
    "00000002 0010001a 0030a03b",
    "00000002 0010001a 0030a032",
    "00000001 0010001a 00000000",
  ]) {
    const bytes = Buffer.concat([hex(bitmap), file.subarray(12)]);
    assert.throws(() => decodeFileAttributes(new XdrReader(bytes)), XdrError, bitmap);
  }
});

test("values that no file can have are refused", () => {
  const cases: [string, string][] = [
    [
      "an owner of 1025 bytes",
      `00000002 00000000 00000010 00000408 00000401 ${"61".repeat(1025)} 000000`,
    ],
    ["an unknown time_how4", "00000002 00000000 00010000 00000004 00000002"],
    ["a bitmap of 65 words", `00000041 ${"00000000".repeat(66)}`],
    ["a bitmap of 2^32 - 1 words", `ffffffff ${"00000000".repeat(10)}`],
  ];
  for (const [what, bytes] of cases) {
    assert.throws(() => decodeSettable(new XdrReader(hex(bytes))), XdrError, what);
  }
});

test("a size past what a double counts is larger than any file", () => {
  for (const size of ["00200000 00000000", "ffffffff ffffffff"]) {
    const reader = new XdrReader(hex(`00000001 00000010 00000008 ${size}`));
    assert.equal(decodeSettable(reader).attributes.size, Infinity);
  }
});

test("a time past what a double counts is the farthest that it does", () => {
  const time = "00000002 00000000 00010000 00000010 00000001 7fffffff ffffffff 00000007";
  const { accessTime } = decodeSettable(new XdrReader(hex(time))).attributes;
  assert.deepEqual(accessTime, { seconds: Number.MAX_SAFE_INTEGER, nanoseconds: 7 });
});

test("attributes that end early are refused at every length", () => {
  for (let length = 0; length < settable.length; length += 1) {
    const cut = new XdrReader(settable.subarray(0, length));
    assert.throws(() => decodeSettable(cut), XdrError, `${length} bytes to set`);
  }
  for (let length = 0; length < file.length; length += 1) {
    const cut = new XdrReader(file.subarray(0, length));
    assert.throws(() => decodeFileAttributes(cut), XdrError, `${length} bytes of a file`);
  }
});

const plain = { noNullPrototype: true } as const;
const uint32 = fc.nat(0xffff_ffff);
const times: fc.Arbitrary<NfsTime> = fc.record(
  { seconds: fc.maxSafeInteger(), nanoseconds: fc.nat(999_999_999) },
  plain,
);
const owners = fc.string({ unit: "binary-ascii", maxLength: 100 });
const setTimes = fc.oneof(times, fc.constant("now" as const));

test("whatever attributes to set are written are read again", () => {
  const anySettable = fc.record(
    {
      size: fc.maxSafeNat(),
      mode: uint32,
      owner: owners,
      ownerGroup: owners,
      accessTime: setTimes,
      modifyTime: setTimes,
    },
    { ...plain, requiredKeys: [] },
  );
  fc.assert(
    fc.property(anySettable, (attributes) => {
      const reader = new XdrReader(encoded((writer) => encodeSettable(writer, attributes)));
      const decoded = decodeSettable(reader);
      assert.deepEqual(decoded.attributes, attributes);
      assert.equal(decoded.unsupported, false);
      assert.equal(reader.remaining, 0);
    }),
    { numRuns: 500 },
  );
});

test("whatever times and bitmaps are written are read again", () => {
  const attributeSets = fc.uniqueArray(fc.nat(95));
  fc.assert(
    fc.property(times, attributeSets, (time, attributes) => {
      const bytes = encoded((writer) => {
        encodeTime(writer, time);
        encodeBitmap(writer, bitmapOf(attributes));
      });
      const reader = new XdrReader(bytes);
      assert.deepEqual(decodeTime(reader), time);
      const bitmap = decodeBitmap(reader);
      const all = Array.from({ length: 96 }, (_, attribute) => attribute);
      const found = all.filter((attribute) => hasAttribute(bitmap, attribute));
      assert.deepEqual(
        found,
        attributes.sort((a, b) => a - b),
      );
      assert.equal(reader.remaining, 0);
    }),
  );
});

test("whatever a server says of a file is read", () => {
  const files: fc.Arbitrary<FileAttributes> = fc.record(
    {
      type: fc.integer({ min: 1, max: 9 }),
      change: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
      size: fc.maxSafeNat(),
      fileId: fc.maxSafeNat(),
      mode: uint32,
      links: uint32,
      owner: owners,
      ownerGroup: owners,
      spaceUsed: fc.maxSafeNat(),
      accessTime: times,
      metadataTime: times,
      modifyTime: times,
    },
    plain,
  );
  fc.assert(
    fc.property(files, (attributes) => {
      const values = encoded((writer) => encodeValues(writer, attributes));
      const bytes = encoded((writer) => {
        encodeBitmap(writer, fileAttributesBitmap);
        writer.opaque(values);
      });
      const reader = new XdrReader(bytes);
      assert.deepEqual(decodeFileAttributes(reader), attributes);
      assert.equal(reader.remaining, 0);
    }),
  );
});

function encodeValues(writer: XdrWriter, attributes: FileAttributes): void {
  writer.uint32(attributes.type);
  const change = Buffer.alloc(8);
  change.writeBigUInt64BE(BigInt(attributes.change));
  writer.fixedOpaque(change);
  writer.uint64(attributes.size);
  writer.uint64(attributes.fileId);
  writer.uint32(attributes.mode);
  writer.uint32(attributes.links);
  writer.byteString(attributes.owner);
  writer.byteString(attributes.ownerGroup);
  writer.uint64(attributes.spaceUsed);
  encodeTime(writer, attributes.accessTime);
  encodeTime(writer, attributes.metadataTime);
  encodeTime(writer, attributes.modifyTime);
}

test("damaged attributes are read or refused, never read past their end", () => {
  fc.assert(
    fc.property(mutationLists, (mutations) => {
      for (const [bytes, decode] of [
        [settable, decodeSettable],
        [file, decodeFileAttributes],
      ] as const) {
        const damaged = mutated(bytes, mutations);
        const reader = new XdrReader(damaged);
        decodedOrRefused<unknown>(XdrError, () => decode(reader));
        assert.ok(reader.offset <= damaged.length);
      }
    }),
    { numRuns: 3000 },
  );
});
