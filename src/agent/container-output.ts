// What the engine gives of a container's output, with timestamps, as log events. Docker Engine
// API, "Attach to a container": without a terminal each entry of the log comes in a frame of its
// own, behind a header of 8 bytes (which stream; length of the rest).
import type { InputLogEvent } from "@aws-sdk/client-cloudwatch-logs";

import { logEventBytes } from "./limits.ts";

export interface Output {
  readonly bytes: AsyncIterable<Buffer>;
  /** Of a container with a terminal: no frames, and one stream. */
  readonly isTerminal: boolean;
  /** Nothing can come after it, so that the last line needs no newline. */
  readonly isComplete: boolean;
}

/**
 * A line is an event, timed when it began; an empty one is none, and one that is longer than an
 * event goes on in the next. The engine cuts long lines into entries; only a newline ends one.
 */
export async function* outputEvents(output: Output): AsyncGenerator<InputLogEvent> {
  const entries = output.isTerminal ? lines(output.bytes) : frames(output.bytes);
  const open = new Map<number, OpenLine>();
  for await (const { stream, bytes } of entries) {
    const space = bytes.indexOf(" ");
    const timestamp = Date.parse(bytes.toString("latin1", 0, space));
    const line = open.get(stream) ?? { timestamp, bytes: Buffer.alloc(0) };
    const isEnd = bytes.at(-1) === newline;
    const text = bytes.subarray(space + 1, isEnd ? -1 : bytes.length);
    line.bytes = Buffer.concat([line.bytes, text]);
    while (line.bytes.length > logEventBytes) yield cut(line, wholeLetters(line.bytes));
    if (isEnd) open.delete(stream);
    else open.set(stream, line);
    if (isEnd) yield* rest(line);
  }
  if (!output.isComplete) return;
  for (const line of open.values()) yield* rest(line);
}

interface OpenLine {
  readonly timestamp: number;
  bytes: Buffer;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

function* rest(line: OpenLine): Generator<InputLogEvent> {
  if (line.bytes.at(-1) === carriageReturn) line.bytes = line.bytes.subarray(0, -1);
  if (line.bytes.length > 0) yield cut(line, line.bytes.length);
}

function cut(line: OpenLine, length: number): InputLogEvent {
  const message = line.bytes.toString("utf8", 0, length);
  line.bytes = line.bytes.subarray(length);
  return { timestamp: line.timestamp, message };
}

/** As much as fits into an event without cutting a letter's bytes (RFC 3629 §3) apart. */
function wholeLetters(bytes: Buffer): number {
  let length = logEventBytes;
  while (length > logEventBytes - 4 && (bytes[length]! & 0xc0) === 0x80) length -= 1;
  return length;
}

interface Entry {
  readonly stream: number;
  readonly bytes: Buffer;
}

const headerLength = 8;

async function* frames(output: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  let received = Buffer.alloc(0);
  for await (const chunk of output) {
    received = Buffer.concat([received, chunk]);
    while (received.length >= headerLength) {
      const end = headerLength + received.readUInt32BE(4);
      if (received.length < end) break;
      yield { stream: received[0]!, bytes: received.subarray(headerLength, end) };
      received = received.subarray(end);
    }
  }
}

async function* lines(output: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  let received = Buffer.alloc(0);
  for await (const chunk of output) {
    received = Buffer.concat([received, chunk]);
    for (let end = received.indexOf(newline); end >= 0; end = received.indexOf(newline)) {
      yield { stream: 0, bytes: received.subarray(0, end + 1) };
      received = received.subarray(end + 1);
    }
  }
  if (received.length > 0) yield { stream: 0, bytes: received };
}
