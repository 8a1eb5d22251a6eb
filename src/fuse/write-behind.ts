import type { Clock, Timer } from "../base/clock.ts";
import type { OpenFile } from "../nfs/client/open-file.ts";
import {
  gatherMs,
  transferBytes,
  writesInFlight,
  writesInFlightBytes as unsentLimit,
} from "./limits.ts";

/** Bytes in one piece of a file, on their way to the server. */
export interface OutgoingWrite {
  readonly open: OpenFile;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** To be called when the bytes are not needed any more. */
  readonly release: () => void;
}

/** Sends a write; resolves when the server has it, for good where `durably`. */
export type Sender = (write: OutgoingWrite, durably: boolean) => Promise<unknown>;

export interface WriteBehindOptions {
  readonly send: Sender;
  /** The server refused what its application believes to be written. */
  readonly failed: (error: Error) => void;
  /** Whether nothing of the file is written and not committed. */
  readonly isClean: () => boolean;
  readonly budget: WriteBudget;
  readonly clock: Clock;
}

/** What all files of a mount may have on the way, together. */
export class WriteBudget {
  #bytes = 0;
  readonly #waiting: (() => void)[] = [];

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    while (this.#bytes < unsentLimit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }

  /** Undefined where there is room for more. */
  room(): Promise<void> | undefined {
    if (this.#bytes < unsentLimit) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** A row of writes that follow on each other. */
class Run {
  readonly open: OpenFile;
  readonly offset: number;
  length = 0;
  #pieces: Uint8Array[] = [];
  #releases: (() => void)[] = [];

  constructor(open: OpenFile, offset: number) {
    this.open = open;
    this.offset = offset;
  }

  get end(): number {
    return this.offset + this.length;
  }

  takes(open: OpenFile, offset: number, length: number): boolean {
    return open === this.open && offset === this.end && this.length + length <= transferBytes;
  }

  add(bytes: Uint8Array, release: (() => void) | undefined): void {
    this.#pieces.push(bytes);
    this.length += bytes.length;
    if (release !== undefined) this.#releases.push(release);
  }

  overlaps(start: number, end: number): boolean {
    return start < this.end && this.offset < end;
  }

  outgoing(): OutgoingWrite {
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    const releases = this.#releases;
    this.#pieces = [];
    const { open, offset } = this;
    return { open, offset, bytes, release: () => releases.forEach((release) => release()) };
  }
}

/**
 * Writes to one file that their application doesn't wait for (as Linux's NFS client has them):
 * small ones that follow on each other go out as one, and several are on the way at once.
 */
export class WriteBehind {
  readonly #send: Sender;
  readonly #failed: (error: Error) => void;
  readonly #isClean: () => boolean;
  readonly #budget: WriteBudget;
  readonly #clock: Clock;
  readonly #unsent: Run[] = [];
  #unsentBytes = 0;
  readonly #sent = new Set<Run>();
  #idle: (() => void)[] = [];
  #settling = 0;
  #timer: Timer | undefined;

  constructor({ send, failed, isClean, budget, clock }: WriteBehindOptions) {
    this.#send = send;
    this.#failed = failed;
    this.#isClean = isClean;
    this.#budget = budget;
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#unsent.length === 0 && this.#sent.size === 0;
  }

  /** Takes the bytes, which must stay as they are; `release` is called when they may change. */
  add(open: OpenFile, offset: number, bytes: Uint8Array, release?: () => void): void {
    let last = this.#unsent.at(-1);
    if (last === undefined || !last.takes(open, offset, bytes.length)) {
      last = new Run(open, offset);
      this.#unsent.push(last);
    }
    last.add(bytes, release);
    this.#unsentBytes += bytes.length;
    this.#budget.add(bytes.length);
    this.#sendMore();
    if (this.#unsent.length > 0) this.#watch();
  }

  overlaps(offset: number, length: number): boolean {
    const end = offset + length;
    const isIn = (run: Run): boolean => run.overlaps(offset, end);
    return this.#unsent.some(isIn) || [...this.#sent].some(isIn);
  }

  /** Resolves when the server has everything, or has refused it. */
  async settle(): Promise<void> {
    if (this.isEmpty) return;
    this.#settling += 1;
    try {
      while (!this.isEmpty) {
        this.#sendMore();
        await new Promise<void>((resolve) => this.#idle.push(resolve));
      }
    } finally {
      this.#settling -= 1;
    }
  }

  /**
   * The same before a COMMIT. A few small writes of which none was sent yet are made durable by
   * themselves, which leaves nothing for that.
   */
  async settleDurably(): Promise<void> {
    if (this.#isLittle()) await this.#sendDurably();
    else await this.settle();
  }

  /**
   * Who opened the file for the one write that waits; undefined where there are others, on their way
   * or, `durably`, uncommitted.
   */
  single(durably: boolean): OpenFile | undefined {
    const isOne = this.#unsent.length === 1 && this.#sent.size === 0;
    return isOne && (!durably || this.#isClean()) ? this.#unsent[0]!.open : undefined;
  }

  /** Has that write sent together with something else; undefined where it was refused. */
  async sendSingle<T>(send: (write: OutgoingWrite) => Promise<T>): Promise<T | undefined> {
    const run = this.#unsent.pop()!;
    this.#unsentBytes = 0;
    this.#sent.add(run);
    return this.#sendBy(run, send);
  }

  #isLittle(): boolean {
    const isFew = this.#unsent.length <= writesInFlight && this.#unsentBytes <= transferBytes;
    return isFew && this.#sent.size === 0 && this.#isClean() && !haveOverlap(this.#unsent);
  }

  async #sendDurably(): Promise<void> {
    const runs = this.#unsent.splice(0);
    this.#unsentBytes = 0;
    for (const run of runs) this.#sent.add(run);
    await Promise.all(runs.map((run) => this.#sendRun(run, true)));
  }

  #sendRun(run: Run, durably: boolean): Promise<unknown> {
    return this.#sendBy(run, (write) => this.#send(write, durably));
  }

  async #sendBy<T>(run: Run, send: (write: OutgoingWrite) => Promise<T>): Promise<T | undefined> {
    try {
      return await send(run.outgoing());
    } catch (error) {
      this.#failed(error as Error);
      return undefined;
    } finally {
      this.#landed(run);
    }
  }

  #timeIsUp(): void {
    this.#timer = undefined;
    if (this.#unsent.length === 0) return;
    this.#settling += 1;
    this.#sendMore();
    this.#settling -= 1;
    if (this.#unsent.length > 0) this.#watch();
  }

  #watch(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#clock.schedule(gatherMs, () => this.#timeIsUp());
  }

  /** In order; a few small ones wait for more to come, unless somebody waits for them. */
  #sendMore(): void {
    while (this.#sent.size < writesInFlight) {
      const run = this.#unsent[0];
      if (run === undefined) return;
      const isMuch = this.#unsentBytes >= transferBytes || this.#unsent.length > writesInFlight;
      if (!isMuch && this.#settling === 0) return;
      // The server may do two at once in either order.
      for (const other of this.#sent) if (other.overlaps(run.offset, run.end)) return;
      this.#unsent.shift();
      this.#unsentBytes -= run.length;
      this.#sent.add(run);
      void this.#sendRun(run, false);
    }
  }

  #landed(run: Run): void {
    this.#sent.delete(run);
    this.#budget.remove(run.length);
    this.#sendMore();
    if (!this.isEmpty && this.#sent.size > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}

function haveOverlap(runs: readonly Run[]): boolean {
  const inOrder = runs.toSorted((one, other) => one.offset - other.offset);
  return inOrder.some((run, index) => index > 0 && inOrder[index - 1]!.end > run.offset);
}
