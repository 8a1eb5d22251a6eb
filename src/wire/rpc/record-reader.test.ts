import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { decodedOrRefused, hex, mutated, mutationLists } from "../testing.ts";
import { RecordReader, RecordTooLarge } from "./record-reader.ts";
import { marked } from "./testing.ts";

const limit = 64;

/** RFC 5531 §11: one fragment; three with an empty one between; an empty record; one byte. */
const stream = hex(
  "80000005 0102030405",
  "00000002 1111 00000000 80000003 222222",
  "80000000",
  "00000001 33 80000000",
  "80000001 44",
);
const records = ["0102030405", "1111222222", "", "33", "44"];

/** Every record that is there, as hexadecimal digits. */
function drained(reader: RecordReader): string[] {
  const found: string[] = [];
  for (let record = reader.next(); record; record = reader.next()) {
    found.push(record.bytes.toString("hex", record.start, record.end));
  }
  return found;
}

function readInPieces(pieces: readonly Uint8Array[], capacity: number): string[] {
  const reader = new RecordReader(limit, capacity);
  return pieces.flatMap((piece) => {
    reader.push(piece);
    return drained(reader);
  });
}

test("records in one or more fragments are put together from one chunk", () => {
  assert.deepEqual(readInPieces([stream], 1024), records);
});

test("a record comes out as soon as its last byte is there, and not before", () => {
  const reader = new RecordReader(limit, 8);
  const ends = new Map([
    [9, records[0]],
    [26, records[1]],
    [30, records[2]],
    [39, records[3]],
    [44, records[4]],
  ]);
  for (const [index, byte] of stream.entries()) {
    reader.push(Uint8Array.of(byte));
    const expected = ends.get(index + 1);
    assert.deepEqual(drained(reader), expected === undefined ? [] : [expected], `byte ${index}`);
  }
});

test("the stream split at any two places gives the same records, whatever the first buffer", () => {
  for (const capacity of [1, 16, 1024]) {
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= stream.length; second += 1) {
        const pieces = [
          stream.subarray(0, first),
          stream.subarray(first, second),
          stream.subarray(second),
        ];
        assert.deepEqual(readInPieces(pieces, capacity), records, `${first}, ${second}`);
      }
    }
  }
});

test("bytes that the transport puts into the given space are the same as pushed ones", () => {
  for (let split = 0; split <= stream.length; split += 1) {
    const reader = new RecordReader(limit, 1);
    const found: string[] = [];
    for (const piece of [stream.subarray(0, split), stream.subarray(split)]) {
      const space = reader.space(piece.length);
      assert.ok(space.length >= piece.length);
      space.set(piece);
      reader.received(piece.length);
      found.push(...drained(reader));
    }
    assert.deepEqual(found, records, `split at ${split}`);
  }
});

test("any records in any fragments and any chunks come out as they were", () => {
  const fragmented = fc.record({
    record: fc.uint8Array({ maxLength: limit }),
    sizes: fc.array(fc.nat(12), { maxLength: 6 }),
  });
  const chunks = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(fragmented, { maxLength: 6 }), chunks, (sent, chunkSizes) => {
      const bytes = Buffer.concat(sent.map(({ record, sizes }) => marked(record, sizes)));
      const pieces: Buffer[] = [];
      for (let from = 0; from < bytes.length;) {
        const size = chunkSizes[pieces.length % chunkSizes.length]!;
        pieces.push(bytes.subarray(from, from + size));
        from += size;
      }
      const expected = sent.map(({ record }) => Buffer.from(record).toString("hex"));
      assert.deepEqual(readInPieces(pieces, 8), expected);
    }),
    { numRuns: 500 },
  );
});

test("a record of the greatest length is taken, in one fragment or in several", () => {
  const record = Buffer.alloc(limit, 7);
  for (const sizes of [[], [1], [limit], [limit - 1, 0]]) {
    assert.deepEqual(readInPieces([marked(record, sizes)], 8), [record.toString("hex")]);
  }
});

test("a record above the greatest length is refused on its mark, before its bytes arrive", () => {
  for (const marks of [
    "80000041",
    "00000041",
    "ffffffff",
    "7fffffff",
    // Fragments count together.
    `00000020 ${"00".repeat(32)} 80000021`,
    `0000003f ${"00".repeat(63)} 00000000 7fffffff`,
  ]) {
    const reader = new RecordReader(limit, 8);
    reader.push(hex(marks));
    assert.throws(() => reader.next(), RecordTooLarge, marks);
  }
});

test("a record before a refused one still comes out", () => {
  const reader = new RecordReader(limit, 8);
  reader.push(hex("80000001 aa ffffffff"));
  const record = reader.next()!;
  assert.equal(record.bytes[record.start], 0xaa);
  assert.throws(() => reader.next(), RecordTooLarge);
});

test("a record that never ends, in empty fragments, is refused", () => {
  const reader = new RecordReader(limit, 8);
  const sendEndlessly = (): void => {
    for (let sent = 0; sent < 10_000; sent += 1) {
      reader.push(hex("00000000"));
      assert.equal(reader.next(), undefined);
    }
  };
  assert.throws(sendEndlessly, RecordTooLarge);
});

test("the buffer grows with what arrives, not with what a mark announces", () => {
  const greatest = 1024 * 1024;
  const reader = new RecordReader(greatest, 64);
  reader.push(hex("80100000"));
  assert.equal(reader.next(), undefined);
  assert.ok(reader.space(1).length <= 128);
});

test("the buffer stays within the greatest record and a chunk, however long the stream", () => {
  const reader = new RecordReader(limit, 8);
  const record = marked(Buffer.alloc(limit, 1), [30]);
  const bytes = Buffer.concat(Array.from({ length: 500 }, () => record));
  let count = 0;
  for (let from = 0; from < bytes.length; from += 7) {
    reader.push(bytes.subarray(from, from + 7));
    count += drained(reader).length;
    assert.ok(reader.space(1).length <= 4 * limit);
  }
  assert.equal(count, 500);
});

test("damaged streams are split into records or refused", () => {
  fc.assert(
    fc.property(mutationLists, fc.nat(stream.length), (mutations, split) => {
      const bytes = mutated(stream, mutations);
      const reader = new RecordReader(limit, 8);
      const read = (): void => {
        for (const piece of [bytes.subarray(0, split), bytes.subarray(split)]) {
          reader.push(piece);
          for (let record = reader.next(); record; record = reader.next()) {
            assert.ok(record.start <= record.end && record.end - record.start <= limit);
            assert.ok(record.end <= record.bytes.length);
          }
        }
      };
      decodedOrRefused(RecordTooLarge, read);
    }),
    { numRuns: 3000 },
  );
});
