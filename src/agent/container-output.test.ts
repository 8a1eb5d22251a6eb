import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";

import { type Output, outputEvents } from "./container-output.ts";
import { logEventBytes } from "./limits.ts";

const second = "2026-11-24T10:00:00";
const atMs = Date.UTC(2026, 10, 24, 10);

/** One entry as the engine frames it. */
function frame(stream: 1 | 2, text: string): Buffer {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

async function eventsOf(output: Buffer, split: number, kind: Partial<Output> = {}) {
  const bytes = Readable.from([output.subarray(0, split), output.subarray(split)]);
  const events: [number, string][] = [];
  for await (const { timestamp = 0, message = "" } of outputEvents({
    bytes,
    isTerminal: false,
    isComplete: true,
    ...kind,
  })) {
    events.push([timestamp, message]);
  }
  return events;
}

test("framed output, split anywhere, is an event for each line in order", async () => {
  const output = Buffer.concat([
    frame(1, `${second}.001000000Z one\r\n`),
    frame(2, `${second}.002000000Z cut `),
    frame(1, `${second}.003000000Z two ä\n`),
    frame(2, `${second}.004000000Z in half\n`),
    frame(1, `${second}.005000000Z \n`),
    frame(1, `${second}.006000000Z not ended`),
  ]);
  for (let split = 0; split <= output.length; split += 1) {
    assert.deepEqual(await eventsOf(output, split), [
      [atMs + 1, "one"],
      [atMs + 3, "two ä"],
      [atMs + 2, "cut in half"],
      [atMs + 6, "not ended"],
    ]);
  }
});

test("a last line without a newline waits for its end where more can come", async () => {
  const output = Buffer.concat([
    frame(1, `${second}.001000000Z one\n`),
    frame(1, `${second}.002000000Z half`),
  ]);
  assert.deepEqual(await eventsOf(output, 0, { isComplete: false }), [[atMs + 1, "one"]]);
});

test("a terminal's output, split anywhere, is an event for each line", async () => {
  const output = Buffer.from(`${second}.001000000Z one\r\n${second}.002000000Z two`);
  for (let split = 0; split <= output.length; split += 1) {
    const expected = [
      [atMs + 1, "one"],
      [atMs + 2, "two"],
    ];
    assert.deepEqual(await eventsOf(output, split, { isTerminal: true }), expected);
  }
});

test("a line that is longer than an event goes on in the next, between two letters", async () => {
  const text = `a${"日".repeat(100_000)}`;
  const events = await eventsOf(frame(1, `${second}.001000000Z ${text}\n`), 0);
  assert.equal(events.map(([, message]) => message).join(""), text);
  assert.deepEqual(
    events.map(([timestamp, message]) => [timestamp, Buffer.byteLength(message) <= logEventBytes]),
    [
      [atMs + 1, true],
      [atMs + 1, true],
    ],
  );
});
