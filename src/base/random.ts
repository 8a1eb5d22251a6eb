import { randomFillSync } from "node:crypto";

/** Randomness is handed in, so that a test can replay a failure from its seed. */
export interface Random {
  bytes(length: number): Uint8Array;
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
    if (this.#used + length > pooledBytes) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const bytes = this.#pool.slice(this.#used, this.#used + length);
    // What was given out is not to be found here again.
    this.#pool.fill(0, this.#used, this.#used + length);
    this.#used += length;
    return bytes;
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

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    return (this.#next() >>> 0) % bound;
  }

  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state;
  }
}
