import { assert } from "../../base/assert.ts";
import { type ByteString, byteString } from "../byte-string.ts";
import type { Change, Layer } from "../layers.ts";
import { OrderedKeys } from "../ordered-keys.ts";
import type { Sequence } from "../store.ts";
import { batchHeaderLength, changeHeaderLength, removedMark, sealBatch } from "./journal-batch.ts";
import { hashBegin, hashEnd, hashOf, hashStep, KeyIndex } from "./key-index.ts";

/**
 * The newest changes, in memory, laid out as the journal's segment has them: what is written to
 * the journal is a part of these bytes as it is, and a key leads to where its last change begins.
 * Nothing is allocated for a change but its key's place in the index.
 */
export class ChangeLog implements Layer {
  readonly #index = new KeyIndex((position, key) => this.#isAt(position, key));
  /** Where each key's first change begins, in the order of those. */
  readonly #firsts: number[] = [];
  readonly #ordered = new OrderedKeys();
  /** How many of the keys are in order. */
  #orderedCount = 0;
  #bytes: Buffer;
  #length = 0;
  /** Where the batch begins that is not written yet; -1: nothing came since the last one. */
  #batchStart = -1;
  #first: Sequence = 0;
  #last: Sequence = 0;
  /**
   * What the commit that is under way did, to undo it: keys, and where they led before. The arrays
   * stay, as they are used for every commit; only so many of them count.
   */
  readonly #undoKeys: ByteString[] = [];
  readonly #undoPositions: number[] = [];
  #undoSteps = 0;
  #undoLength = 0;
  #undoCount = 0;

  /** `bytes`: room from a former log, or none. */
  constructor(bytes: Buffer = Buffer.allocUnsafeSlow(initialCapacity)) {
    this.#bytes = bytes;
  }

  /** Keys that changed. */
  get size(): number {
    return this.#firsts.length;
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
    assert(this.#undoSteps === 0, "a commit within a commit");
    this.#undoLength = this.#length;
    this.#undoCount = this.#firsts.length;
    if (this.#batchStart >= 0) return;
    this.#reserve(batchHeaderLength);
    this.#batchStart = this.#length;
    this.#length += batchHeaderLength;
    this.#first = 0;
  }

  commit(sequence: Sequence): void {
    if (this.#first === 0) this.#first = sequence;
    this.#last = sequence;
    this.#undoSteps = 0;
  }

  rollback(): void {
    for (let step = this.#undoSteps - 1; step >= 0; step -= 1) {
      const key = this.#undoKeys[step]!;
      const position = this.#undoPositions[step]!;
      if (position === 0) this.#index.forget(key, hashOf(key));
      else this.#index.set(key, hashOf(key), position);
    }
    this.#undoSteps = 0;
    this.#length = this.#undoLength;
    this.#firsts.length = this.#undoCount;
    this.#orderedCount = Math.min(this.#orderedCount, this.#undoCount);
    if (this.#first === 0) this.#batchStart = -1;
  }

  put(key: ByteString, value: Uint8Array): void {
    const at = this.#append(key, value.length, value.length);
    this.#bytes.set(value, at);
  }

  remove(key: ByteString): void {
    this.#append(key, removedMark, 0);
  }

  /** `hash`: `hashOf(key)`, where the caller has it. */
  get(key: ByteString, hash = hashOf(key)): Change | undefined {
    const position = this.#index.get(key, hash);
    return position === 0 ? undefined : this.#changeAt(position);
  }

  *walk(from: ByteString, to: ByteString, reverse: boolean): Generator<[ByteString, Change]> {
    while (this.#orderedCount < this.#firsts.length) {
      this.#ordered.add(this.#keyAt(this.#firsts[this.#orderedCount++]!));
    }
    for (const key of this.#ordered.walk(from, to, reverse)) {
      const change = this.get(key);
      if (change !== undefined) yield [key, change];
    }
  }

  /** All changes, each key's last one. */
  *changes(): Generator<[ByteString, Change]> {
    for (const position of this.#firsts) {
      const key = this.#keyAt(position);
      yield [key, this.get(key)!];
    }
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
    const keyAt = position + changeHeaderLength;
    let hash = hashBegin;
    for (let index = 0; index < key.length; index += 1) {
      const byte = key.charCodeAt(index);
      bytes[keyAt + index] = byte;
      hash = hashStep(hash, byte);
    }
    const before = this.#index.set(key, hashEnd(hash), position);
    if (before === 0) this.#firsts.push(position);
    this.#undoKeys[this.#undoSteps] = key;
    this.#undoPositions[this.#undoSteps] = before;
    this.#undoSteps += 1;
    const valueAt = keyAt + key.length;
    this.#length = valueAt + room;
    return valueAt;
  }

  #isAt(position: number, key: ByteString): boolean {
    const bytes = this.#bytes;
    const length = (bytes[position]! << 8) | bytes[position + 1]!;
    if (length !== key.length) return false;
    const keyAt = position + changeHeaderLength;
    for (let index = 0; index < length; index += 1) {
      if (bytes[keyAt + index] !== key.charCodeAt(index)) return false;
    }
    return true;
  }

  #keyAt(position: number): ByteString {
    const bytes = this.#bytes;
    const keyAt = position + changeHeaderLength;
    return byteString(bytes.subarray(keyAt, keyAt + bytes.readUInt16BE(position)));
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
