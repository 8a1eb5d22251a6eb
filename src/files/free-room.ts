import type { Clock } from "../base/clock.ts";
import type { Data } from "../data/data.ts";
import { roomKeptFree, roomLookedAtMs } from "./limits.ts";

/**
 * Whether there is room for more. What a file system is told to keep it needs room for: a little is
 * left free, so that a full disk refuses changes in order, and removing still works.
 */
export class FreeRoom {
  readonly #data: Data;
  readonly #clock: Clock;
  #lookedAtMs = -Infinity;
  #isShort = false;

  constructor(data: Data, clock: Clock) {
    this.#data = data;
    this.#clock = clock;
  }

  get isShort(): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#lookedAtMs >= roomLookedAtMs) {
      this.#lookedAtMs = nowMs;
      this.#isShort = this.#data.room() < roomKeptFree;
    }
    return this.#isShort;
  }
}
