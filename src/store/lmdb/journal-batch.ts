// A batch of commits in the journal: a header, and the changes one after the other. A batch is
// whole or it isn't there: what a crash tore fails the checksum, and recovery stops before it.
import { crc32 } from "node:zlib";

import type { Change } from "../layers.ts";
import { type ByteString, byteString } from "../byte-string.ts";
import type { Sequence } from "../store.ts";

/** Length and checksum of what follows the checksum, the first and the last commit's number. */
export const batchHeaderLength = 24;
/** Lengths of the key and of the value stand before them. */
export const changeHeaderLength = 6;
/** In place of the value's length: the key was removed. */
export const removedMark = 0xffff_ffff;

export interface JournalBatch {
  readonly first: Sequence;
  readonly last: Sequence;
  readonly changes: Iterable<readonly [ByteString, Change]>;
}

/** Fills in the header of a batch that takes all of `batch`. */
export function sealBatch(batch: Buffer, first: Sequence, last: Sequence): void {
  batch.writeUInt32BE(batch.length, 0);
  batch.writeDoubleBE(first, 8);
  batch.writeDoubleBE(last, 16);
  batch.writeUInt32BE(crc32(batch.subarray(8)), 4);
}

/**
 * The batches at the start of `bytes` that are whole and follow one another without a gap: a
 * segment that is used again still holds older ones behind them.
 */
export function* decodeBatches(bytes: Buffer): Generator<JournalBatch> {
  let at = 0;
  let expected: Sequence | undefined;
  while (bytes.length - at >= batchHeaderLength) {
    const length = bytes.readUInt32BE(at);
    if (length < batchHeaderLength || length > bytes.length - at) return;
    const batch = bytes.subarray(at, at + length);
    if (crc32(batch.subarray(8)) !== batch.readUInt32BE(4)) return;
    const first = batch.readDoubleBE(8);
    const last = batch.readDoubleBE(16);
    if (expected !== undefined && first !== expected) return;
    expected = last + 1;
    at += length;
    yield { first, last, changes: decodeChanges(batch) };
  }
}

function* decodeChanges(batch: Buffer): Generator<readonly [ByteString, Change]> {
  let at = batchHeaderLength;
  while (at < batch.length) {
    const keyEnd = at + changeHeaderLength + batch.readUInt16BE(at);
    const valueLength = batch.readUInt32BE(at + 2);
    const key = byteString(batch.subarray(at + changeHeaderLength, keyEnd));
    const isRemoved = valueLength === removedMark;
    at = isRemoved ? keyEnd : keyEnd + valueLength;
    yield [key, isRemoved ? null : batch.subarray(keyEnd, at)];
  }
}
