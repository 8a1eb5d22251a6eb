// What every implementation of Data has to pass; run from each one's test file.
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Data } from "./data.ts";

async function read(data: Data, file: number, offset: number, length: number): Promise<Buffer> {
  const target = Buffer.alloc(length, 0xee);
  assert.equal(await data.read(file, offset, target), length);
  return target;
}

const durable = (data: Data, file: number) =>
  new Promise<void>((resolve, reject) => {
    data.whenDurable(file, (error) => (error ? reject(error) : resolve()));
  });

export function dataContract(name: string, open: () => Data): void {
  test(`${name}: bytes are read as they were written, zeros around them`, async () => {
    const data = open();
    await data.write(1, 5000, Buffer.from("hello"));
    const expected = Buffer.alloc(10_000);
    expected.write("hello", 5000);
    assert.deepEqual(await read(data, 1, 0, 10_000), expected);
    await data.close();
  });

  test(`${name}: files do not share contents`, async () => {
    const data = open();
    await data.write(1, 0, Buffer.from("one"));
    await data.write(257, 0, Buffer.from("two"));
    assert.equal((await read(data, 1, 0, 3)).toString(), "one");
    assert.equal((await read(data, 257, 0, 3)).toString(), "two");
    assert.deepEqual(new Set(data.list()), new Set([1, 257]));
    await data.close();
  });

  test(`${name}: what was cut off reads as zeros after the file grows again`, async () => {
    const data = open();
    await data.write(1, 0, Buffer.alloc(9000, 7));
    data.truncate(1, 4100);
    await data.write(1, 8999, Buffer.from([9]));
    const contents = await read(data, 1, 0, 9000);
    assert.ok(contents.subarray(0, 4100).every((byte) => byte === 7));
    assert.ok(contents.subarray(4100, 8999).every((byte) => byte === 0));
    assert.equal(contents[8999], 9);
    await data.close();
  });

  test(`${name}: contents end after the last byte written, or where they were cut`, async () => {
    const data = open();
    assert.equal(data.length(1), 0);
    await data.write(1, 5000, Buffer.from("hello"));
    await data.write(1, 10, Buffer.from("before"));
    assert.equal(data.length(1), 5005);
    data.truncate(1, 6000);
    assert.equal(data.length(1), 5005);
    data.truncate(1, 5001);
    assert.equal(data.length(1), 5001);
    data.remove(1);
    assert.equal(data.length(1), 0);
    await data.close();
  });

  test(`${name}: looking at a file that has no contents gives it none`, async () => {
    const data = open();
    assert.equal((await read(data, 1, 0, 1))[0], 0);
    data.truncate(1, 0);
    assert.equal(data.allocated(1), 0);
    assert.equal(data.seek(1, 0, "data"), undefined);
    await durable(data, 1);
    assert.deepEqual([...data.list()], []);
    await data.close();
  });

  test(`${name}: a hole takes no room`, async () => {
    const data = open();
    await data.write(1, 1 << 30, Buffer.from("x"));
    await durable(data, 1);
    assert.ok(data.allocated(1) <= 64 << 10, `${data.allocated(1)} bytes`);
    await data.close();
  });

  test(`${name}: a removed file reads as zeros, removing it again is no error`, async () => {
    const data = open();
    await data.write(1, 0, Buffer.from("x"));
    data.remove(1);
    data.remove(1);
    assert.deepEqual([...data.list()], []);
    assert.equal((await read(data, 1, 0, 1))[0], 0);
    await data.close();
  });

  test(`${name}: who waits for durability of a file that goes meanwhile is told too`, async () => {
    const data = open();
    await data.write(1, 0, Buffer.alloc(1 << 20));
    const waits = [durable(data, 1), durable(data, 1)];
    data.remove(1);
    await Promise.all(waits);
    await data.close();
  });

  test(`${name}: everybody who waits for durability is told`, async () => {
    const data = open();
    const waits: Promise<void>[] = [];
    for (let index = 0; index < 50; index += 1) {
      await data.write(1, index * 10, Buffer.alloc(10, index));
      waits.push(durable(data, 1));
    }
    await Promise.all(waits);
    assert.equal((await read(data, 1, 490, 1))[0], 49);
    await data.close();
  });

  test(`${name}: there is room for more`, async () => {
    const data = open();
    assert.ok(data.room() > 0);
    await data.close();
  });
}
