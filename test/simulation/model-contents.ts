// What a file may hold after a crash. Bytes that were committed are there; bytes written since may
// be there or not, each for itself; a new size came at once or not at all.
import assert from "node:assert/strict";

/** Longer than any file of the simulation. */
export const modelBytes = 32_768;

interface Snapshot {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** The changes that it contains. */
  readonly changes: number;
}

type Change =
  | {
      readonly kind: "write";
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly length: number;
      /** The newest commit at that time: a later one may have stored the length. */
      readonly applied: number;
    }
  | { readonly kind: "resize"; readonly size: number; readonly sequence: number };

export class ModelContents {
  bytes: Uint8Array = new Uint8Array(modelBytes);
  length = 0;
  #base: Snapshot = { bytes: new Uint8Array(modelBytes), length: 0, changes: 0 };
  /** Since `#base`. */
  #changes: Change[] = [];

  wrote(offset: number, bytes: Uint8Array, applied: number): void {
    this.bytes.set(bytes, offset);
    this.length = Math.max(this.length, offset + bytes.length);
    this.#changes.push({ kind: "write", offset, bytes, length: this.length, applied });
  }

  resized(size: number, sequence: number): void {
    if (size < this.length) this.bytes.fill(0, size);
    this.length = size;
    this.#changes.push({ kind: "resize", size, sequence });
  }

  /** What a commit that begins now will make durable. */
  snapshot(): Snapshot {
    const changes = this.#base.changes + this.#changes.length;
    return { bytes: this.bytes.slice(), length: this.length, changes };
  }

  committed(snapshot: Snapshot): void {
    if (snapshot.changes <= this.#base.changes) return;
    this.#changes.splice(0, snapshot.changes - this.#base.changes);
    this.#base = snapshot;
  }

  /** Asserts that a crash that kept the commits up to `kept` may have left this. */
  assertPossible(actual: Uint8Array, kept: number, what: string): void {
    let lengths = new Set([this.#base.length]);
    for (const change of this.#changes) {
      if (change.kind === "resize") {
        if (change.sequence <= kept) lengths = new Set([change.size]);
      } else if (change.applied < kept) lengths.add(change.length);
    }
    const allowed = `one of ${[...lengths].join(", ")}`;
    assert.ok(lengths.has(actual.length), `${what} has ${actual.length} bytes, not ${allowed}`);
    for (const [at, byte] of actual.entries()) {
      if (this.#isPossible(at, byte, kept)) continue;
      assert.fail(`${what} has ${byte} at ${at}, where ${this.#base.bytes[at]} was committed`);
    }
  }

  /** Whether the byte was committed there, or written since and not cut off by what was kept. */
  #isPossible(at: number, byte: number, kept: number): boolean {
    let isPossible = this.#base.bytes[at] === byte;
    for (const change of this.#changes) {
      if (change.kind === "write") {
        isPossible ||= change.bytes[at - change.offset] === byte;
      } else if (change.sequence <= kept && at >= change.size) isPossible = byte === 0;
    }
    return isPossible;
  }

  /** After a crash what is read is what is there. */
  settle(actual: Uint8Array): void {
    this.bytes = new Uint8Array(modelBytes);
    this.bytes.set(actual);
    this.length = actual.length;
    this.#base = { bytes: this.bytes.slice(), length: this.length, changes: 0 };
    this.#changes = [];
  }
}
