import type { Clock, Timer } from "./clock.ts";

/** A clock that stands still until a test moves it; timers fire in order of their time. */
export class FakeClock implements Clock {
  #nowMs: number;
  #pending: { readonly atMs: number; readonly call: () => void }[] = [];

  constructor(startMs = Date.UTC(2026, 10, 23, 10)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, call: () => void): Timer {
    const entry = { atMs: this.#nowMs + delayMs, call };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
    };
  }

  /** Moves on by `durationMs`, firing what is due on the way, timers set meanwhile included. */
  advance(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      const due = this.#pending
        .filter((entry) => entry.atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#pending = this.#pending.filter((entry) => entry !== due);
      this.#nowMs = due.atMs;
      due.call();
    }
    this.#nowMs = endMs;
  }
}
