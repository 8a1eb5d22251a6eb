import type { Clock, Timer } from "../../base/clock.ts";
import { Operation } from "../../wire/nfs4/operations.ts";
import { append, type Appended } from "./append.ts";
import type { FileHandle } from "./compound.ts";
import { allUncommittedLimit, commitMs, uncommittedLimit } from "./limits.ts";
import type { NamesClient } from "./names-client.ts";
import { NfsError } from "./nfs-error.ts";
import { askOf, type OnFile, outcomeOf } from "./on-file.ts";
import type { OpenFile, UncommittedWrite } from "./open-file.ts";
import { decodeVerifier } from "./results.ts";
import type { SessionClient } from "./session-client.ts";
import { decodeWrite, encodeWrite, type WriteAnswer, type Written } from "./write.ts";

const once = { once: true };

/** What is written, as `write` has it. */
export interface WriteParts {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly release?: (() => void) | undefined;
}

interface WrittenThrough {
  readonly through: OpenFile;
  readonly write: UncommittedWrite;
}

/** Writes that survive the server's restarts: what it may have lost is written again. */
export class FileWrites {
  readonly #session: SessionClient;
  /** Files with something that is written and not committed. */
  readonly #uncommitted = new Set<OpenFile>();
  readonly #names: NamesClient;
  readonly #clock: Clock;
  #uncommittedBytes = 0;
  #sweep: Timer | undefined;
  #lastWrite = 0;

  constructor(session: SessionClient, names: NamesClient, clock: Clock) {
    this.#session = session;
    this.#names = names;
    this.#clock = clock;
  }

  /**
   * Writes all of the bytes, which must stay unchanged until they are committed; `release` is
   * called then.
   */
  async write(
    open: OpenFile,
    offset: number,
    bytes: Uint8Array,
    stable: boolean,
    release?: () => void,
  ): Promise<Written> {
    // What came before must not be written again on top of this.
    if (stable) await this.commit(open);
    const answer = await this.#writeAll(open, offset, bytes, stable);
    if (stable) {
      release?.();
      return answer;
    }
    await this.#keep(open, offset, bytes, answer.verifier, release);
    return answer;
  }

  /**
   * The same, and in the same compound what is to be done on top of the bytes. Where that fails the
   * bytes are written nevertheless.
   */
  async writeAnd<T>(
    open: OpenFile,
    { offset, bytes, release }: WriteParts,
    stable: boolean,
    next: OnFile<T>,
  ): Promise<Written & { readonly outcome: () => T }> {
    if (stable) await this.commit(open);
    const sent = await this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        encodeWrite(compound, open, offset, bytes, stable);
        next.encode(compound);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const answer = decodeWrite(results);
        return { answer, outcome: outcomeOf(() => next.decode(results)) };
      },
      once,
    );
    // A server may take fewer bytes than it is given: what came too early, the rest would undo.
    const isShort = sent.answer.count < bytes.length;
    const written = isShort ? await this.#writeAll(open, offset, bytes, stable) : sent.answer;
    const outcome = isShort ? await this.#outcomeAlone(open, next) : sent.outcome;
    if (stable) release?.();
    else await this.#keep(open, offset, bytes, written.verifier, release);
    return { ...written, outcome };
  }

  #outcomeAlone<T>(open: OpenFile, asked: OnFile<T>): Promise<() => T> {
    return askOf(this.#session, open.credential, open.handle, asked, once).then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
  }

  /** Writes to the end of the file, wherever others have moved it; `believed` is the last known. */
  async append(
    open: OpenFile,
    believed: number,
    bytes: Uint8Array,
    stable: boolean,
  ): Promise<Appended> {
    if (stable) await this.commit(open);
    const done = await append(this.#session, this.#names, open, believed, bytes, stable);
    if (!stable) {
      const written = bytes.subarray(0, done.written);
      await this.#keep(open, done.offset, written, done.verifier, undefined);
    }
    return done;
  }

  hasUncommitted(handle: FileHandle): boolean {
    return this.#uncommittedOpen(handle) !== undefined;
  }

  /** As `commit`, for whatever was written to the file. */
  async commitFile(handle: FileHandle): Promise<void> {
    const open = this.#uncommittedOpen(handle);
    if (open !== undefined) await this.commit(open);
  }

  /**
   * Everything written to the file, through whichever open, is on the server's disk afterwards. What
   * a restart of the server may have lost is written again (RFC 8881 §18.3.4).
   */
  async commit(open: OpenFile): Promise<void> {
    const writes = this.#writesTo(open.handle);
    if (writes.length === 0) return;
    const verifier = await this.#commitOnce(open);
    for (const { write, through } of writes) {
      // Another commit may have done with it meanwhile, and its bytes are somebody else's.
      const isLost = !write.isCommitted && write.verifier !== verifier;
      if (isLost) await this.#writeAll(through, write.offset, write.bytes, true);
    }
    this.#doneWith(writes);
  }

  /** They need not be written again, whatever becomes of the server. */
  #doneWith(writes: readonly WrittenThrough[]): void {
    const done = new Set(writes.map(({ write }) => write));
    for (const through of new Set(writes.map((written) => written.through))) {
      const left = through.written.filter((write) => !done.has(write));
      this.#setWritten(through, left);
    }
    for (const write of done) {
      if (!write.isCommitted) write.release?.();
      write.isCommitted = true;
    }
  }

  /**
   * What the restarted server has lost is there again before anybody reads or writes on top of it.
   * What it doesn't take stays uncommitted, and the next commit fails.
   */
  async writeAgain(opens: Iterable<OpenFile>): Promise<void> {
    const writes = Array.from(opens, (open) => open.written.map((write) => ({ open, write })));
    const inOrder = writes.flat().sort((one, other) => one.write.order - other.write.order);
    for (const { open, write } of inOrder) {
      try {
        const { verifier } = await this.#writeAll(open, write.offset, write.bytes, false, true);
        write.verifier = verifier;
      } catch (error) {
        if (!(error instanceof NfsError)) throw error;
      }
    }
  }

  /** The number of the write that was answered last, for `cutToNothing`. */
  get last(): number {
    return this.#lastWrite;
  }

  /** What was written up to a number must not be written again: the file was cut after it. */
  cutToNothing(handle: FileHandle, last: number): void {
    this.#doneWith(this.#writesTo(handle).filter(({ write }) => write.order <= last));
  }

  /** The file is closed: what it still has can't be written any more. */
  forget(open: OpenFile): void {
    this.#setWritten(open, []);
  }

  #setWritten(open: OpenFile, writes: UncommittedWrite[]): void {
    this.#uncommittedBytes -= open.writtenBytes;
    open.written = writes;
    open.writtenBytes = writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#uncommittedBytes += open.writtenBytes;
    if (writes.length === 0) this.#uncommitted.delete(open);
  }

  /** Nothing stays uncommitted for long, though its application never asks. */
  #commitLater(): void {
    if (this.#sweep !== undefined) return;
    const newest = this.#lastWrite;
    this.#sweep = this.#clock.schedule(commitMs, () => {
      this.#sweep = undefined;
      this.#commitOlder(newest);
      if (this.#uncommitted.size > 0) this.#commitLater();
    });
  }

  #commitOlder(newest: number): void {
    const handled = new Set<string>();
    for (const open of this.#uncommitted) {
      const key = Buffer.from(open.handle).toString("latin1");
      if (handled.has(key) || !open.written.some(({ order }) => order <= newest)) continue;
      handled.add(key);
      this.commit(open).catch((error: Error) => (open.writeFailure ??= error));
    }
  }

  async #keep(
    open: OpenFile,
    offset: number,
    bytes: Uint8Array,
    verifier: string,
    release: (() => void) | undefined,
  ): Promise<void> {
    this.#lastWrite += 1;
    const order = this.#lastWrite;
    const write = { order, offset, bytes, verifier, release, isCommitted: false };
    open.written.push(write);
    open.writtenBytes += bytes.length;
    this.#uncommittedBytes += bytes.length;
    this.#uncommitted.add(open);
    this.#commitLater();
    const isMuch =
      open.writtenBytes >= uncommittedLimit || this.#uncommittedBytes >= allUncommittedLimit;
    if (!isMuch || open.isCommitting) return;
    open.isCommitting = true;
    try {
      await this.commit(open);
    } finally {
      open.isCommitting = false;
    }
  }

  #uncommittedOpen(handle: FileHandle): OpenFile | undefined {
    for (const open of this.#uncommitted) {
      if (Buffer.compare(open.handle, handle) === 0) return open;
    }
    return undefined;
  }

  /** All of the file's, in order: one left behind could be written again over a later one. */
  #writesTo(handle: FileHandle): WrittenThrough[] {
    const writes: WrittenThrough[] = [];
    for (const through of this.#uncommitted) {
      if (Buffer.compare(through.handle, handle) !== 0) continue;
      for (const write of through.written) writes.push({ through, write });
    }
    return writes.sort((one, other) => one.write.order - other.write.order);
  }

  #commitOnce(open: OpenFile): Promise<string> {
    return this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.COMMIT);
        xdr.uint64(0);
        xdr.uint32(0);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        return decodeVerifier(results.expect(Operation.COMMIT));
      },
    );
  }

  async #writeAll(
    open: OpenFile,
    offset: number,
    bytes: Uint8Array,
    stable: boolean,
    urgent = false,
  ): Promise<WriteAnswer> {
    const answer = await this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        encodeWrite(compound, open, offset, bytes, stable);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        return decodeWrite(results);
      },
      { urgent },
    );
    if (answer.count === bytes.length) return answer;
    const rest = bytes.subarray(answer.count);
    const more = await this.#writeAll(open, offset + answer.count, rest, stable, urgent);
    return joined(answer, more);
  }
}

/** Two writes as one, which explains no change that somebody else made between them. */
function joined(first: WriteAnswer, second: WriteAnswer): WriteAnswer {
  const isWhole = first.after === second.before;
  return { ...second, before: isWhole ? first.before : second.before };
}
