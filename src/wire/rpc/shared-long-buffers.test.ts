import assert from "node:assert/strict";
import { test } from "node:test";

import { SeededRandom } from "../../base/random.ts";
import { RecordReader } from "./record-reader.ts";
import { SharedLongBuffers } from "./shared-long-buffers.ts";
import { marked } from "./testing.ts";

const limit = 700_000;
function record(length: number, filling: number): Buffer {
  return marked(Buffer.alloc(length, filling));
}

class CountedBuffers extends SharedLongBuffers {
  taken = 0;

  override take(minimum: number): Buffer {
    this.taken += 1;
    return super.take(minimum);
  }

  override giveBack(buffer: Buffer): void {
    this.taken -= 1;
    super.giveBack(buffer);
  }
}

test("a reader has a long buffer only while there is something of a large record", () => {
  const buffers = new CountedBuffers(4 * limit, 2);
  const reader = new RecordReader(limit, 1024, buffers);
  const large = record(600_000, 7);
  for (let round = 0; round < 3; round += 1) {
    reader.push(record(9, 1));
    assert.ok(reader.next());
    reader.push(large.subarray(0, 4));
    reader.push(large.subarray(4, 500_000));
    assert.equal(reader.next(), undefined);
    assert.equal(buffers.taken, 1);
    reader.push(large.subarray(500_000));
    assert.ok(reader.next());
    reader.space(1);
    assert.equal(buffers.taken, 0);
  }
});

test("only so many long buffers are kept, the last one first, and none of another length", () => {
  const buffers = new SharedLongBuffers(100, 2);
  const taken = [buffers.take(1), buffers.take(100), buffers.take(5)];
  assert.deepEqual(
    taken.map(({ length }) => length),
    [100, 100, 100],
  );
  buffers.giveBack(buffers.take(101));
  for (const buffer of taken) buffers.giveBack(buffer);
  assert.equal(buffers.take(1), taken[1]);
  assert.equal(buffers.take(1), taken[0]);
  assert.ok(!taken.includes(buffers.take(1)));
  assert.equal(buffers.take(1000).length, 1000);
});

test("readers that share long buffers don't write over what another one has", () => {
  const buffers = new CountedBuffers(4 * limit, 1);
  const random = new SeededRandom(5);
  const lengths = [0, 10, 5000, 70_000, 262_144, 300_000, 699_999];
  const streams = [1, 2, 3].map((filling) => {
    const sent = Array.from({ length: 60 }, () => lengths[random.below(lengths.length)]!);
    const bytes = Buffer.concat(sent.map((length) => record(length, filling)));
    return { filling, sent, bytes, at: 0, reader: new RecordReader(limit, 1024, buffers) };
  });
  for (
    let open = streams;
    open.length > 0;
    open = open.filter(({ at, bytes }) => at < bytes.length)
  ) {
    const stream = open[random.below(open.length)]!;
    const { reader, bytes, filling, sent } = stream;
    const space = reader.space(1024);
    const length = Math.min(space.length, bytes.length - stream.at, 1 + random.below(400_000));
    space.set(bytes.subarray(stream.at, stream.at + length));
    stream.at += length;
    reader.received(length);
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      assert.equal(found.end - found.start, sent.shift());
      const contents = found.bytes.subarray(found.start, found.end);
      assert.ok(contents.every((byte) => byte === filling));
    }
  }
  assert.deepEqual(
    streams.map(({ sent }) => sent.length),
    [0, 0, 0],
  );
});
