/** Time is handed in, so that a test can run years in a second and replay a failure. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z, with a fraction where the platform has one. */
  nowMs(): number;
  /** Calls once after `delayMs`; the timer alone never keeps the process alive. */
  schedule(delayMs: number, call: () => void): Timer;
}

export interface Timer {
  /** Harmless when the timer has fired or was cancelled before. */
  cancel(): void;
}

/** Resolves after `delayMs` of the given clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.schedule(delayMs, resolve));
}

export class SystemClock implements Clock {
  nowMs(): number {
    return performance.timeOrigin + performance.now();
  }

  schedule(delayMs: number, call: () => void): Timer {
    const timer = setTimeout(call, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  }
}
