import { sleep, type Clock } from "../../base/clock.ts";
import { encodeSettable } from "../../wire/nfs4/attributes.ts";
import {
  Access,
  CreateMode,
  LockType,
  OpenClaim,
  Operation,
  OpenType,
  ShareAccess,
  Stable,
} from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { decodeStateid, encodeStateid } from "../../wire/nfs4/stateid.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import { append, type Appended } from "./append.ts";
import type { FileHandle } from "./compound.ts";
import { reopenRetryMs, transferLimit, uncommittedLimit } from "./limits.ts";
import { NamesClient } from "./names-client.ts";
import { NfsError, unlessForgotten } from "./nfs-error.ts";
import {
  type ConflictingLock,
  HeldLock,
  lockLength,
  type LockRange,
  OpenFile,
  type UncommittedWrite,
} from "./open-file.ts";
import {
  decodeAccess,
  decodeFile,
  decodeOpened,
  decodeVerifier,
  encodeHandleAndAttributes,
  encodeOpenHeader,
  type RemoteFile,
} from "./results.ts";
import { SessionClient, type SessionClientOptions } from "./session-client.ts";

export type NfsClientOptions = Omit<SessionClientOptions, "reclaim" | "reopen">;

const once = { once: true };
const recovery = { once: true, urgent: true };

/**
 * An NFSv4.1 client of one export: file operations that survive lost connections and restarts of
 * the server. Errors are `NfsError` with the server's status; nothing fails because the server is
 * away.
 */
export class NfsClient {
  readonly names: NamesClient;
  readonly #session: SessionClient;
  readonly #clock: Clock;
  readonly #open = new Set<OpenFile>();
  /** Opens that the server would not let us reclaim, to be opened anew. */
  #unreclaimed: OpenFile[] = [];
  #lastOwner = 0;
  #lastWrite = 0;

  constructor(options: NfsClientOptions) {
    this.#clock = options.clock;
    this.#session = new SessionClient({
      ...options,
      reclaim: () => this.#reclaimAll(),
      reopen: () => this.#reopenAll(),
    });
    this.names = new NamesClient(this.#session);
  }

  /**
   * Connects and walks to the path that will be the mount's root, one character a byte, without
   * "." and "..". Fails with `NfsError` (ACCESS, NOENT, NOTDIR) or with the socket's error.
   */
  async connect(credential: AuthSys, path: string): Promise<RemoteFile> {
    await this.#session.connect();
    const names = path.split("/").filter((name) => name !== "");
    return this.#session.compound(
      credential,
      (compound) => {
        compound.operation(Operation.PUTROOTFH);
        for (const name of names) compound.lookup(name);
        encodeHandleAndAttributes(compound);
      },
      (results) => {
        results.expect(Operation.PUTROOTFH);
        for (const _ of names) results.expect(Operation.LOOKUP);
        return decodeFile(results);
      },
    );
  }

  /** Closes what is open and gives the session back, as far as the server can be reached. */
  async disconnect(timeoutMs: number): Promise<void> {
    const closing = Array.from(this.#open, (open) => this.closeFile(open).catch(() => {}));
    await Promise.race([Promise.all(closing), sleep(this.#clock, timeoutMs)]);
    await this.#session.disconnect(timeoutMs);
  }

  close(): void {
    this.#session.close();
  }

  /**
   * Opens a file by its handle, for reading it or `toRun` it: the server lets those read who may do
   * either, and leaves the difference to its clients, as Linux's server does.
   */
  async open(
    credential: AuthSys,
    handle: FileHandle,
    access: number,
    toRun = false,
  ): Promise<OpenFile> {
    const open = new OpenFile(this.#nextOwner(), credential, handle, access);
    const granted = await this.#openByHandle(open, OpenClaim.fileHandle, false);
    this.#open.add(open);
    const wanted = toRun ? Access.execute : Access.read;
    if ((access & ShareAccess.read) === 0 || (granted & wanted) !== 0) return open;
    await this.closeFile(open);
    throw new NfsError(Status.ACCESS, "OPEN");
  }

  /** Creates (or, unless `exclusive`, opens) a regular file. */
  async createFile(
    credential: AuthSys,
    directory: FileHandle,
    name: string,
    how: { readonly mode: number; readonly access: number; readonly exclusive: boolean },
  ): Promise<{ open: OpenFile; file: RemoteFile }> {
    const owner = this.#nextOwner();
    const result = await this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(directory);
        const xdr = compound.operation(Operation.OPEN);
        encodeOpenHeader(xdr, how.access, owner);
        xdr.uint32(OpenType.create);
        xdr.uint32(how.exclusive ? CreateMode.guarded : CreateMode.unchecked);
        encodeSettable(xdr, { mode: how.mode });
        xdr.uint32(OpenClaim.null);
        xdr.byteString(name);
        encodeHandleAndAttributes(compound);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const stateid = decodeOpened(results.expect(Operation.OPEN));
        return { stateid, file: decodeFile(results) };
      },
      once,
    );
    const open = new OpenFile(owner, credential, result.file.handle, how.access);
    open.stateid = result.stateid;
    this.#open.add(open);
    return { open, file: result.file };
  }

  async closeFile(open: OpenFile): Promise<void> {
    for (const lock of open.locks.values()) {
      await this.unlock(open, lock.owner, { start: 0, end: Infinity });
    }
    this.#open.delete(open);
    const closing = this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.CLOSE);
        xdr.uint32(0);
        encodeStateid(xdr, open.stateid);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        results.expect(Operation.CLOSE);
      },
      once,
    );
    await closing.catch(unlessForgotten);
  }

  /** Up to `length` bytes; fewer at the end of the file. The bytes are the caller's. */
  read(open: OpenFile, offset: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const take = (bytes: Uint8Array): void => resolve(Uint8Array.prototype.slice.call(bytes));
      this.readTo(open, offset, length, take, reject);
    });
  }

  /** The same without a copy: the bytes are there while `take` runs, and `isEnd` where no more are. */
  readTo(
    open: OpenFile,
    offset: number,
    length: number,
    take: (bytes: Uint8Array, isEnd: boolean) => void,
    fail: (error: Error) => void,
  ): void {
    this.#session.run(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.READ);
        encodeStateid(xdr, open.stateid);
        xdr.uint64(offset);
        xdr.uint32(length);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const xdr = results.expect(Operation.READ);
        const isEnd = xdr.boolean();
        take(xdr.opaque(transferLimit), isEnd);
      },
      fail,
    );
  }

  /** Writes all of the bytes, which must stay unchanged until they are committed. */
  async write(open: OpenFile, offset: number, bytes: Uint8Array, stable: boolean): Promise<void> {
    // What came before must not be written again on top of this.
    if (stable) await this.commit(open);
    const verifier = await this.#writeOnce(open, offset, bytes, stable);
    if (stable) return;
    this.#wrote(open, offset, bytes, verifier);
    if (open.writtenBytes >= uncommittedLimit) await this.commit(open);
  }

  /** Writes to the end of the file, wherever others have moved it; `believed` is the last known. */
  async append(
    open: OpenFile,
    believed: number,
    bytes: Uint8Array,
    stable: boolean,
  ): Promise<Appended> {
    const done = await append(this.#session, this.names, open, believed, bytes);
    this.#wrote(open, done.offset, bytes.subarray(0, done.written), done.verifier);
    if (stable || open.writtenBytes >= uncommittedLimit) await this.commit(open);
    return done;
  }

  #wrote(open: OpenFile, offset: number, bytes: Uint8Array, verifier: string): void {
    this.#lastWrite += 1;
    open.written.push({ order: this.#lastWrite, offset, bytes, verifier });
    open.writtenBytes += bytes.length;
  }

  /**
   * Everything written to the file, through whichever open, is on the server's disk afterwards. What
   * a restart of the server may have lost is written again (RFC 8881 §18.3.4).
   */
  async commit(open: OpenFile): Promise<void> {
    const writes = this.#uncommitted(open);
    if (writes.length === 0) return;
    const verifier = await this.#commitOnce(open);
    for (const { write, through } of writes) {
      const isLost = write.verifier !== verifier;
      if (isLost) await this.#writeOnce(through, write.offset, write.bytes, true);
    }
    const committed = new Set(writes.map(({ write }) => write));
    for (const through of new Set(writes.map((written) => written.through))) {
      through.written = through.written.filter((write) => !committed.has(write));
      through.writtenBytes = through.written.reduce((sum, { bytes }) => sum + bytes.length, 0);
    }
  }

  /** All of the file's, in order: one left behind could be written again over a later one. */
  #uncommitted(open: OpenFile): { through: OpenFile; write: UncommittedWrite }[] {
    const opens = new Set([open]);
    for (const other of this.#open) {
      const isSame = other.written.length > 0 && Buffer.compare(other.handle, open.handle) === 0;
      if (isSame) opens.add(other);
    }
    const writes = Array.from(opens, (through) =>
      through.written.map((write) => ({ through, write })),
    );
    return writes.flat().sort((one, other) => one.write.order - other.write.order);
  }

  /**
   * What the restarted server has lost is there again before anybody reads or writes on top of it.
   * What it doesn't take stays uncommitted, and the next commit fails.
   */
  async #writeAgain(opens: Iterable<OpenFile>): Promise<void> {
    const writes = Array.from(opens, (open) => open.written.map((write) => ({ open, write })));
    const inOrder = writes.flat().sort((one, other) => one.write.order - other.write.order);
    for (const { open, write } of inOrder) {
      try {
        write.verifier = await this.#writeOnce(open, write.offset, write.bytes, false, true);
      } catch (error) {
        if (!(error instanceof NfsError)) throw error;
      }
    }
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

  async #writeOnce(
    open: OpenFile,
    offset: number,
    bytes: Uint8Array,
    stable: boolean,
    urgent = false,
  ): Promise<string> {
    const { written, verifier } = await this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.WRITE);
        encodeStateid(xdr, open.stateid);
        xdr.uint64(offset);
        xdr.uint32(stable ? Stable.fileSync : Stable.unstable);
        compound.contents(bytes);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const xdr = results.expect(Operation.WRITE);
        const count = xdr.uint32();
        xdr.uint32();
        return { written: count, verifier: decodeVerifier(xdr) };
      },
      { urgent },
    );
    if (written === bytes.length) return verifier;
    return this.#writeOnce(open, offset + written, bytes.subarray(written), stable, urgent);
  }

  /** What stands in the way of a lock; undefined where it would be granted. */
  testLock(
    open: OpenFile,
    owner: string,
    range: LockRange,
    exclusive: boolean,
  ): Promise<ConflictingLock | undefined> {
    return this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.LOCKT);
        xdr.uint32(exclusive ? LockType.write : LockType.read);
        xdr.uint64(range.start);
        xdr.uint64(lockLength(range));
        xdr.uint64(0);
        xdr.byteString(owner);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const status = results.status(Operation.LOCKT);
        if (status === Status.OK) return undefined;
        if (status !== Status.DENIED) throw new NfsError(status, "LOCKT");
        const start = results.xdr.uint53();
        const length = results.xdr.uint64OrInfinity();
        return { start, end: start + length, exclusive: results.xdr.uint32() === LockType.write };
      },
    );
  }

  /** Whether the lock was granted. */
  async lock(
    open: OpenFile,
    owner: string,
    range: LockRange,
    exclusive: boolean,
  ): Promise<boolean> {
    const held = open.locks.get(owner) ?? new HeldLock(owner);
    open.locks.set(owner, held);
    return held.inTurn(async () => {
      const granted = await this.#lockOnce(open, held, range, exclusive, false);
      if (granted) held.add(range, exclusive);
      return granted;
    });
  }

  async unlock(open: OpenFile, owner: string, range: LockRange): Promise<void> {
    const held = open.locks.get(owner);
    await held?.inTurn(() => this.#unlockOnce(open, held, range));
  }

  async #unlockOnce(open: OpenFile, held: HeldLock, range: LockRange): Promise<void> {
    if (held.stateid === undefined) return;
    held.remove(range);
    await this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.LOCKU);
        xdr.uint32(LockType.write);
        xdr.uint32(0);
        encodeStateid(xdr, held.stateid ?? open.stateid);
        xdr.uint64(range.start);
        xdr.uint64(lockLength(range));
      },
      (results) => {
        results.expect(Operation.PUTFH);
        held.stateid = decodeStateid(results.expect(Operation.LOCKU));
      },
      once,
    );
  }

  #lockOnce(
    open: OpenFile,
    held: HeldLock,
    range: LockRange,
    exclusive: boolean,
    reclaim: boolean,
  ): Promise<boolean> {
    return this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.LOCK);
        xdr.uint32(exclusive ? LockType.write : LockType.read);
        xdr.boolean(reclaim);
        xdr.uint64(range.start);
        xdr.uint64(lockLength(range));
        const isNew = held.stateid === undefined;
        xdr.boolean(isNew);
        if (isNew) xdr.uint32(0);
        encodeStateid(xdr, held.stateid ?? open.stateid);
        xdr.uint32(0);
        if (isNew) {
          xdr.uint64(0);
          xdr.byteString(held.owner);
        }
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const status = results.status(Operation.LOCK);
        if (status === Status.DENIED) return false;
        if (status !== Status.OK) throw new NfsError(status, "LOCK");
        held.stateid = decodeStateid(results.xdr);
        return true;
      },
      reclaim ? recovery : once,
    );
  }

  /** Gives the bits of ACCESS that the user has. */
  async #openByHandle(open: OpenFile, claim: number, urgent: boolean): Promise<number> {
    const { stateid, granted } = await this.#session.compound(
      open.credential,
      (compound) => {
        compound.putHandle(open.handle);
        const xdr = compound.operation(Operation.OPEN);
        encodeOpenHeader(xdr, open.access, open.owner);
        xdr.uint32(OpenType.noCreate);
        xdr.uint32(claim);
        if (claim === OpenClaim.previous) xdr.uint32(0);
        compound.operation(Operation.ACCESS).uint32(Access.read | Access.execute);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const opened = decodeOpened(results.expect(Operation.OPEN));
        return { stateid: opened, granted: decodeAccess(results) };
      },
      { once: true, urgent },
    );
    open.stateid = stateid;
    return granted;
  }

  async #reclaimAll(): Promise<void> {
    this.#unreclaimed = [];
    for (const open of this.#open) {
      try {
        await this.#openByHandle(open, OpenClaim.previous, true);
        await this.#lockAgain(open, true);
      } catch (error) {
        if (!(error instanceof NfsError)) throw error;
        this.#unreclaimed.push(open);
      }
    }
    const reclaimed = new Set(this.#open);
    for (const open of this.#unreclaimed) reclaimed.delete(open);
    await this.#writeAgain(reclaimed);
  }

  async #reopenAll(): Promise<void> {
    for (const open of this.#unreclaimed) {
      try {
        await this.#openByHandle(open, OpenClaim.fileHandle, true);
        await this.#lockAgain(open, false);
      } catch (error) {
        // The file is gone or closed to us: its user learns from its next operation.
        if (!(error instanceof NfsError)) throw error;
        if (error.status === Status.GRACE) await sleep(this.#clock, reopenRetryMs);
      }
    }
    await this.#writeAgain(this.#unreclaimed);
    this.#unreclaimed = [];
  }

  async #lockAgain(open: OpenFile, reclaim: boolean): Promise<void> {
    for (const held of open.locks.values()) {
      held.stateid = undefined;
      for (const { exclusive, ...range } of held.ranges) {
        await this.#lockOnce(open, held, range, exclusive, reclaim);
      }
    }
  }

  #nextOwner(): string {
    this.#lastOwner += 1;
    return `open ${this.#lastOwner}`;
  }
}
