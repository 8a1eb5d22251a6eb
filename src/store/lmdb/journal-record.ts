// One commit in the journal: length, checksum, sequence number and the changes. A record is whole
// or it isn't there: what a crash tore fails the checksum, and recovery stops before it.
import { crc32 } from "node:zlib";

import type { Change } from "../layers.ts";
import { type ByteString, byteString } from "../ordered-map.ts";
import type { Sequence } from "../store.ts";

export interface JournalRecord {
  readonly sequence: Sequence;
  readonly changes: readonly (readonly [ByteString, Change])[];
}

const headerLength = 16;
const removed = 0xffffffff;

export function encodeRecord(
  sequence: Sequence,
  changes: Iterable<readonly [ByteString, Change]>,
): Buffer {
  const list = [...changes];
  let length = headerLength;
  for (const [key, change] of list) length += 6 + key.length + (change?.length ?? 0);
  const record = Buffer.allocUnsafe(length);
  record.writeUInt32BE(length, 0);
  record.writeUInt32BE(Math.floor(sequence / 0x1_0000_0000), 8);
  record.writeUInt32BE(sequence >>> 0, 12);
  let at = headerLength;
  for (const [key, change] of list) {
    record.writeUInt16BE(key.length, at);
    record.writeUInt32BE(change === null ? removed : change.length, at + 2);
    record.write(key, at + 6, "latin1");
    if (change !== null) record.set(change, at + 6 + key.length);
    at += 6 + key.length + (change?.length ?? 0);
  }
  record.writeUInt32BE(crc32(record.subarray(8)), 4);
  return record;
}

/**
 * The records at the start of `bytes` that are whole and follow `after` without a gap: a recycled
 * segment still holds older ones behind them.
 */
export function* decodeRecords(bytes: Buffer, after: Sequence): Generator<JournalRecord> {
  let at = 0;
  let expected: Sequence | undefined;
  while (bytes.length - at >= headerLength) {
    const length = bytes.readUInt32BE(at);
    if (length < headerLength || length > bytes.length - at) return;
    const record = bytes.subarray(at, at + length);
    if (crc32(record.subarray(8)) !== record.readUInt32BE(4)) return;
    const sequence = record.readUInt32BE(8) * 0x1_0000_0000 + record.readUInt32BE(12);
    if (expected !== undefined && sequence !== expected) return;
    expected = sequence + 1;
    at += length;
    if (sequence > after) yield { sequence, changes: decodeChanges(record) };
  }
}

function decodeChanges(record: Buffer): (readonly [ByteString, Change])[] {
  const changes: (readonly [ByteString, Change])[] = [];
  let at = headerLength;
  while (at < record.length) {
    const keyLength = record.readUInt16BE(at);
    const valueLength = record.readUInt32BE(at + 2);
    const keyEnd = at + 6 + keyLength;
    const key = byteString(record.subarray(at + 6, keyEnd));
    if (valueLength === removed) {
      changes.push([key, null]);
      at = keyEnd;
    } else {
      changes.push([key, record.subarray(keyEnd, keyEnd + valueLength)]);
      at = keyEnd + valueLength;
    }
  }
  return changes;
}
