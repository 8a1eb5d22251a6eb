import { assert } from "../../base/assert.ts";
import { type ByteString, writeByteString } from "../byte-string.ts";
import type { Change, Layer } from "../layers.ts";
import { OrderedMap } from "../ordered-map.ts";
import type { Sequence } from "../store.ts";
import { batchHeaderLength, changeHeaderLength, removedMark, sealBatch } from "./journal-batch.ts";

/**
 * The newest changes, in memory, laid out as the journal's segment has them: what is written to
 * the journal is a part of these bytes as it is, and a key leads to where its last change begins.
 * Nothing is allocated for a change but its key's place in the index.
 */
export class ChangeLog implements Layer {
  readonly #index = new OrderedMap<number>();
  #bytes: Buffer;
  #length = 0;
  /** Where the batch begins that is not written yet; -1: nothing came since the last one. */
  #batchStart = -1;
  #first: Sequence = 0;
  #last: Sequence = 0;
  /** What the commit that is under way did, to undo it: keys, and where they led before. */
  readonly #undoKeys: ByteString[] = [];
  readonly #undoPositions: (number | undefined)[] = [];
  #undoLength = 0;

  /** `bytes`: room from a former log, or none. */
  constructor(bytes: Buffer = Buffer.allocUnsafeSlow(initialCapacity)) {
    this.#bytes = bytes;
  }

  /** Keys that changed. */
  get size(): number {
    return this.#index.size;
  }

  /** Bytes of the journal's segment. */
  get length(): number {
    return this.#length;
  }

  /** The room, for the next log once this one is of no use any more. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  begin(): void {
    assert(this.#undoKeys.length === 0, "a commit within a commit");
    this.#undoLength = this.#length;
    if (this.#batchStart >= 0) return;
    this.#reserve(batchHeaderLength);
    this.#batchStart = this.#length;
    this.#length += batchHeaderLength;
    this.#first = 0;
  }

  commit(sequence: Sequence): void {
    if (this.#first === 0) this.#first = sequence;
    this.#last = sequence;
    this.#undoKeys.length = 0;
    this.#undoPositions.length = 0;
  }

  rollback(): void {
    for (let step = this.#undoKeys.length - 1; step >= 0; step -= 1) {
      const key = this.#undoKeys[step]!;
      const position = this.#undoPositions[step];
      if (position === undefined) this.#index.delete(key);
      else this.#index.set(key, position);
    }
    this.#undoKeys.length = 0;
    this.#undoPositions.length = 0;
    this.#length = this.#undoLength;
    if (this.#first === 0) this.#batchStart = -1;
  }

  put(key: ByteString, value: Uint8Array): void {
    const at = this.#append(key, value.length, value.length);
    this.#bytes.set(value, at);
  }

  remove(key: ByteString): void {
    this.#append(key, removedMark, 0);
  }

  get(key: ByteString): Change | undefined {
    const position = this.#index.get(key);
    return position === undefined ? undefined : this.#changeAt(position);
  }

  *walk(from: ByteString, to: ByteString, reverse: boolean): Generator<[ByteString, Change]> {
    for (const [key, position] of this.#index.walk(from, to, reverse)) {
      yield [key, this.#changeAt(position)];
    }
  }

  /** All changes, each key's last one, in no order. */
  *changes(): Generator<[ByteString, Change]> {
    for (const [key, position] of this.#index.entries()) yield [key, this.#changeAt(position)];
  }

  /** The bytes since the last call, sealed, and where in the segment they belong. */
  takeBatch(): { readonly bytes: Uint8Array; readonly offset: number; last: Sequence } | undefined {
    const offset = this.#batchStart;
    if (offset < 0) return undefined;
    const bytes = this.#bytes.subarray(offset, this.#length);
    sealBatch(bytes, this.#first, this.#last);
    this.#batchStart = -1;
    return { bytes, offset, last: this.#last };
  }

  #append(key: ByteString, valueLength: number, room: number): number {
    this.#reserve(changeHeaderLength + key.length + room);
    const position = this.#length;
    const bytes = this.#bytes;
    bytes[position] = key.length >>> 8;
    bytes[position + 1] = key.length;
    bytes[position + 2] = valueLength >>> 24;
    bytes[position + 3] = valueLength >>> 16;
    bytes[position + 4] = valueLength >>> 8;
    bytes[position + 5] = valueLength;
    const valueAt = writeByteString(bytes, key, position + changeHeaderLength);
    this.#undoKeys.push(key);
    this.#undoPositions.push(this.#index.get(key));
    this.#index.set(key, position);
    this.#length = valueAt + room;
    return valueAt;
  }

  #changeAt(position: number): Change {
    const bytes = this.#bytes;
    const length = bytes.readUInt32BE(position + 2);
    if (length === removedMark) return null;
    const start = position + changeHeaderLength + bytes.readUInt16BE(position);
    return bytes.subarray(start, start + length);
  }

  #reserve(room: number): void {
    const needed = this.#length + room;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

const initialCapacity = 1 << 20;
