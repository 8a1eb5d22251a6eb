import { sleep, type Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import {
  decodeFileAttributes,
  encodeSettable,
  type FileAttributes,
} from "../../wire/nfs4/attributes.ts";
import {
  Access,
  CreateMode,
  OpenClaim,
  Operation,
  OpenType,
  ShareAccess,
} from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { encodeStateid } from "../../wire/nfs4/stateid.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import type { Appended } from "./append.ts";
import type { CompoundWriter, FileHandle } from "./compound.ts";
import { FileLocks } from "./file-locks.ts";
import { FileWrites } from "./file-writes.ts";
import { reopenRetryMs, transferLimit } from "./limits.ts";
import { NamesClient } from "./names-client.ts";
import { NfsError, unlessForgotten } from "./nfs-error.ts";
import { OpenFile } from "./open-file.ts";
import {
  decodeAccess,
  decodeFile,
  decodeOpened,
  encodeHandleAndAttributes,
  encodeOpenHeader,
  type RemoteFile,
} from "./results.ts";
import { SessionClient, type SessionClientOptions } from "./session-client.ts";
import type { Written } from "./write.ts";

export type NfsClientOptions = Omit<SessionClientOptions, "reclaim" | "reopen">;

const once = { once: true };

/**
 * An NFSv4.1 client of one export: file operations that survive lost connections and restarts of
 * the server. Errors are `NfsError` with the server's status; nothing fails because the server is
 * away.
 */
export class NfsClient {
  readonly names: NamesClient;
  readonly #session: SessionClient;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #open = new Set<OpenFile>();
  /** Opens that the server would not let us reclaim, to be opened anew. */
  #unreclaimed: OpenFile[] = [];
  #lastOwner = 0;
  readonly writes: FileWrites;
  readonly locks: FileLocks;
  /** Bytes that a file can have; known when connected. */
  fileSizeLimit = Infinity;

  constructor(options: NfsClientOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#session = new SessionClient({
      ...options,
      reclaim: () => this.#reclaimAll(),
      reopen: () => this.#reopenAll(),
    });
    this.names = new NamesClient(this.#session);
    this.writes = new FileWrites(this.#session, this.names, options.clock);
    this.locks = new FileLocks(this.#session);
  }

  /** Whether the server answers, as far as is known. */
  get isUp(): boolean {
    return this.#session.isUp;
  }

  /**
   * Connects and walks to the path that will be the mount's root, one character a byte, without
   * "." and "..". Fails with `NfsError` (ACCESS, NOENT, NOTDIR) or with the socket's error.
   */
  async connect(credential: AuthSys, path: string): Promise<RemoteFile> {
    await this.#session.connect();
    const found = await this.#walk(credential, path);
    // By its handle: who may not mount is shown the root, and refused only this.
    this.fileSizeLimit = await this.names.getFileSizeLimit(credential, found.handle);
    return found;
  }

  #walk(credential: AuthSys, path: string): Promise<RemoteFile> {
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

  /** Opens a file by its handle. */
  async open(credential: AuthSys, handle: FileHandle, access: number): Promise<OpenFile> {
    return (await this.openByHandle(credential, handle, access)).open;
  }

  /**
   * The same, with what the file was when it was opened. It is for reading it or `toRun` it: the
   * server lets those read who may do either, and leaves the difference to its clients, as Linux's
   * server does.
   */
  async openByHandle(
    credential: AuthSys,
    handle: FileHandle,
    access: number,
    toRun = false,
  ): Promise<{ open: OpenFile; attributes: FileAttributes }> {
    const open = new OpenFile(this.#nextOwner(), credential, handle, access);
    const { attributes, granted } = await this.#session.compound(
      credential,
      (compound) => {
        encodeOpenByHandle(compound, open, OpenClaim.fileHandle);
        encodeRights(compound);
        compound.getAttributes();
      },
      (results) => {
        results.expect(Operation.PUTFH);
        open.stateid = decodeOpened(results.expect(Operation.OPEN));
        const rights = decodeAccess(results);
        const attributes = decodeFileAttributes(results.expect(Operation.GETATTR));
        return { attributes, granted: rights };
      },
      once,
    );
    this.#open.add(open);
    await this.#require(open, granted, toRun);
    return { open, attributes };
  }

  /** Closes again what the user may not read, or not run, as it was opened for. */
  async #require(open: OpenFile, granted: number, toRun: boolean): Promise<void> {
    const wanted = toRun ? Access.execute : Access.read;
    if ((open.access & ShareAccess.read) === 0 || (granted & wanted) !== 0) return;
    await this.closeFile(open);
    throw new NfsError(Status.ACCESS, "OPEN");
  }

  /** Opens whatever file has the name now; as `openByHandle`. */
  async openNamed(
    credential: AuthSys,
    directory: FileHandle,
    name: string,
    access: number,
    toRun = false,
  ): Promise<{ open: OpenFile; file: RemoteFile }> {
    const encodeHow = (xdr: XdrWriter): void => xdr.uint32(OpenType.noCreate);
    const named = await this.#openByName(credential, directory, name, access, encodeHow);
    await this.#require(named.open, named.granted, toRun);
    return named;
  }

  /** Creates (or, unless `exclusive`, opens, cut to nothing with `truncate`) a regular file. */
  async createFile(
    credential: AuthSys,
    directory: FileHandle,
    name: string,
    how: {
      readonly mode: number;
      readonly access: number;
      readonly exclusive: boolean;
      readonly truncate?: boolean;
    },
  ): Promise<{ open: OpenFile; file: RemoteFile }> {
    const { mode, access, exclusive, truncate } = how;
    // Also where it need not be: by the verifier a server that was restarted knows a file that it
    // has made for us, and opens it whatever its mode says.
    const verifier = this.#random.bytes(8);
    const encodeExclusive = (xdr: XdrWriter): void => {
      xdr.uint32(OpenType.create);
      xdr.uint32(CreateMode.exclusive41);
      xdr.fixedOpaque(verifier);
      encodeSettable(xdr, { mode });
    };
    try {
      return await this.#openByName(credential, directory, name, access, encodeExclusive);
    } catch (error) {
      const isThere = error instanceof NfsError && error.status === Status.EXIST;
      if (exclusive || !isThere) throw error;
    }
    const lastWrite = this.writes.last;
    const found = await this.#openByName(credential, directory, name, access, (xdr) => {
      xdr.uint32(OpenType.create);
      xdr.uint32(CreateMode.unchecked);
      encodeSettable(xdr, { mode, ...(truncate && { size: 0 }) });
    });
    if (truncate) this.writes.cutToNothing(found.file.handle, lastWrite);
    return found;
  }

  async #openByName(
    credential: AuthSys,
    directory: FileHandle,
    name: string,
    access: number,
    encodeHow: (xdr: XdrWriter) => void,
  ): Promise<{ open: OpenFile; file: RemoteFile; granted: number }> {
    const owner = this.#nextOwner();
    const result = await this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(directory);
        const xdr = compound.operation(Operation.OPEN);
        encodeOpenHeader(xdr, access, owner);
        encodeHow(xdr);
        xdr.uint32(OpenClaim.null);
        xdr.byteString(name);
        encodeRights(compound);
        encodeHandleAndAttributes(compound);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const stateid = decodeOpened(results.expect(Operation.OPEN));
        const granted = decodeAccess(results);
        return { stateid, granted, file: decodeFile(results) };
      },
      once,
    );
    const open = new OpenFile(owner, credential, result.file.handle, access);
    open.stateid = result.stateid;
    this.#open.add(open);
    return { open, file: result.file, granted: result.granted };
  }

  async closeFile(open: OpenFile): Promise<void> {
    await this.locks.release(open);
    this.#open.delete(open);
    this.writes.forget(open);
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

  /** See `FileWrites.write`. */
  write(
    open: OpenFile,
    offset: number,
    bytes: Uint8Array,
    stable: boolean,
    release?: () => void,
  ): Promise<Written> {
    return this.writes.write(open, offset, bytes, stable, release);
  }

  /** See `FileWrites.append`. */
  append(open: OpenFile, believed: number, bytes: Uint8Array, stable: boolean): Promise<Appended> {
    return this.writes.append(open, believed, bytes, stable);
  }

  commit(open: OpenFile): Promise<void> {
    return this.writes.commit(open);
  }

  async #openAgain(open: OpenFile, claim: number): Promise<void> {
    open.stateid = await this.#session.compound(
      open.credential,
      (compound) => encodeOpenByHandle(compound, open, claim),
      (results) => {
        results.expect(Operation.PUTFH);
        return decodeOpened(results.expect(Operation.OPEN));
      },
      { once: true, urgent: true },
    );
  }

  async #reclaimAll(): Promise<void> {
    this.#unreclaimed = [];
    for (const open of this.#open) {
      try {
        await this.#openAgain(open, OpenClaim.previous);
        await this.locks.lockAgain(open, true);
      } catch (error) {
        if (!(error instanceof NfsError)) throw error;
        this.#unreclaimed.push(open);
      }
    }
    const reclaimed = new Set(this.#open);
    for (const open of this.#unreclaimed) reclaimed.delete(open);
    await this.writes.writeAgain(reclaimed);
  }

  async #reopenAll(): Promise<void> {
    for (const open of this.#unreclaimed) {
      try {
        await this.#openAgain(open, OpenClaim.fileHandle);
        await this.locks.lockAgain(open, false);
      } catch (error) {
        // The file is gone or closed to us: its user learns from its next operation.
        if (!(error instanceof NfsError)) throw error;
        if (error.status === Status.GRACE) await sleep(this.#clock, reopenRetryMs);
      }
    }
    await this.writes.writeAgain(this.#unreclaimed);
    this.#unreclaimed = [];
  }

  #nextOwner(): string {
    this.#lastOwner += 1;
    return `open ${this.#lastOwner}`;
  }
}

function encodeRights(compound: CompoundWriter): void {
  compound.operation(Operation.ACCESS).uint32(Access.read | Access.execute);
}

function encodeOpenByHandle(compound: CompoundWriter, open: OpenFile, claim: number): void {
  compound.putHandle(open.handle);
  const xdr = compound.operation(Operation.OPEN);
  encodeOpenHeader(xdr, open.access, open.owner);
  xdr.uint32(OpenType.noCreate);
  xdr.uint32(claim);
  if (claim === OpenClaim.previous) xdr.uint32(0);
}
