import type { ByteString } from "../byte-string.ts";

/**
 * Leads from keys to positions: a hash table in one block of memory (open addressing, linear
 * probing). The keys themselves are where the positions are, and `isAt` tells whether one is there.
 * A Map of strings takes twice the time, and every key in it is the garbage collector's to visit.
 */
export class KeyIndex {
  /** Hash and position in turns; a position of 0 ends a search. */
  #slots = new Int32Array(2 * initialSlots);
  #used = 0;
  readonly #isAt: (position: number, key: ByteString) => boolean;

  constructor(isAt: (position: number, key: ByteString) => boolean) {
    this.#isAt = isAt;
  }

  /** 0: nowhere. */
  get(key: ByteString, hash: number): number {
    return this.#slots[this.#find(key, hash) + 1]!;
  }

  /** Positions are above 0. Returns where the key led before, or 0. */
  set(key: ByteString, hash: number, position: number): number {
    const at = this.#find(key, hash);
    const slots = this.#slots;
    const before = slots[at + 1]!;
    slots[at] = hash;
    slots[at + 1] = position;
    if (before === 0) {
      this.#used += 1;
      if (this.#used * 4 > slots.length) this.#grow();
    }
    return before;
  }

  /** Lets a key that was set lead nowhere. */
  forget(key: ByteString, hash: number): void {
    this.#slots[this.#find(key, hash) + 1] = gone;
  }

  /** Where the key stands, or would stand. */
  #find(key: ByteString, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 2;
    let at = (hash << 1) & mask;
    for (;;) {
      const position = slots[at + 1]!;
      if (position === 0) return at;
      if (slots[at] === hash && position > 0 && this.#isAt(position, key)) return at;
      at = (at + 2) & mask;
    }
  }

  /** Makes room, if only that of keys that are gone. */
  #grow(): void {
    const former = this.#slots;
    let left = 0;
    for (let from = 0; from < former.length; from += 2) if (former[from + 1]! > 0) left += 1;
    const isEnough = left * 8 <= former.length;
    const slots = new Int32Array(isEnough ? former.length : former.length * 2);
    const mask = slots.length - 2;
    for (let from = 0; from < former.length; from += 2) {
      if (former[from + 1]! <= 0) continue;
      const hash = former[from]!;
      let at = (hash << 1) & mask;
      while (slots[at + 1] !== 0) at = (at + 2) & mask;
      slots[at] = hash;
      slots[at + 1] = former[from + 1]!;
    }
    this.#slots = slots;
    this.#used = left;
  }
}

const initialSlots = 1024;
/** In place of a position: a search goes on. */
const gone = -1;

/** Of 32 bits (FNV-1a, whose low bits are mixed once more). */
export function hashOf(key: ByteString): number {
  let hash = hashBegin;
  for (let at = 0; at < key.length; at += 1) hash = hashStep(hash, key.charCodeAt(at));
  return hashEnd(hash);
}

/** The same, a byte at a time. */
export const hashBegin = 0x811c_9dc5 | 0;
export function hashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x0100_0193);
}
export function hashEnd(hash: number): number {
  return hash ^ (hash >>> 15);
}
