/** Where time and the event loop's next turn come from. */
export interface Turns {
  nowMs(): number;
  next(call: () => void): void;
}

/** How long the next piece of work is looked for before the process sleeps. */
const pollMs = 0.06;
/** Work that comes later than this after the last piece is none that looking for it would catch. */
const closeMs = 0.25;
/** Pieces of work in one turn of the event loop that show that it has no time to sleep anyway. */
const many = 3;
/** Pieces of work in close succession before looking for the next one begins. */
const closeEnough = 8;
/** After a vain look so many pieces of work go by without one, after each further twice as many. */
const fewestSkipped = 2;
const mostSkipped = 1024;

const systemTurns: Turns = {
  nowMs: () => performance.now(),
  next: (call) => void setImmediate(call),
};

/**
 * Keeps the event loop turning for a moment after a piece of work when the next one is likely to
 * come in that moment: one caller that asks, waits for the answer and asks again. To put a virtual
 * CPU to sleep and wake it again takes longer than most answers do, and more of its time, so that
 * this costs nothing where it succeeds. Where it doesn't succeed it soon stops.
 */
export class BusyPoll {
  readonly #turns: Turns;
  #polling = false;
  #untilMs = 0;
  #lastMs = 0;
  #close = 0;
  #vain = 0;
  #skipped = 0;
  #inTurn = 0;
  readonly #turn = (): void => {
    const isBusy = this.#inTurn >= many;
    this.#inTurn = 0;
    if (isBusy) this.#stop();
    else if (this.#turns.nowMs() < this.#untilMs) this.#turns.next(this.#turn);
    else this.#gaveUp();
  };

  constructor(turns = systemTurns) {
    this.#turns = turns;
  }

  /** A piece of work is done. */
  worked(): void {
    const nowMs = this.#turns.nowMs();
    if (this.#polling) {
      this.#inTurn += 1;
      this.#vain = 0;
      this.#untilMs = nowMs + pollMs;
      return;
    }
    const isClose = nowMs - this.#lastMs < closeMs;
    this.#lastMs = nowMs;
    this.#close = isClose ? this.#close + 1 : 0;
    if (this.#close < closeEnough + this.#skipped) return;
    this.#polling = true;
    this.#inTurn = 0;
    this.#untilMs = nowMs + pollMs;
    this.#turns.next(this.#turn);
  }

  #stop(): void {
    this.#polling = false;
    this.#close = 0;
  }

  #gaveUp(): void {
    this.#stop();
    this.#vain += 1;
    this.#skipped = Math.min(mostSkipped, fewestSkipped ** this.#vain);
  }
}
