import { randomFillSync } from "node:crypto";

/** Randomness is handed in, so that a test can replay a failure from its seed. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number;
}

export function randomHex(random: Random, digits: number): string {
  return Buffer.from(random.bytes(Math.ceil(digits / 2)))
    .toString("hex")
    .slice(0, digits);
}

/** RFC 9562 version 4. */
export function randomUuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

/** From the operating system's cryptographic generator. */
export class SystemRandom implements Random {
  /** Each call of the generator costs more than the few bytes that are wanted at a time. */
  readonly #pool = new Uint8Array(pooledBytes);
  #used = pooledBytes;

  bytes(length: number): Uint8Array {
    if (length > pooledBytes / 16) return randomFillSync(new Uint8Array(length));
    const at = this.#take(length);
    const bytes = this.#pool.slice(at, at + length);
    // What was given out is not to be found here again.
    this.#pool.fill(0, at, at + length);
    return bytes;
  }

  uint32(): number {
    const at = this.#take(4);
    const pool = this.#pool;
    let value = 0;
    for (let index = at; index < at + 4; index += 1) {
      value = value * 0x100 + pool[index]!;
      pool[index] = 0;
    }
    return value;
  }

  /** Where in the pool `length` fresh bytes are. */
  #take(length: number): number {
    if (this.#used + length > pooledBytes) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += length;
    return at;
  }
}

const pooledBytes = 4096;

/** For tests: the same seed gives the same bytes (xorshift32). Not for secrets. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 0x9e3779b9;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff);
  }

  uint32(): number {
    return this.#next() >>> 0;
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    return this.uint32() % bound;
  }

  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state;
  }
}
