import { constants } from "node:fs";
import { constants as system } from "node:os";

import type { Clock } from "../base/clock.ts";
import type { FileHandle } from "../nfs/client/compound.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import { NfsError } from "../nfs/client/nfs-error.ts";
import type { OpenFile } from "../nfs/client/open-file.ts";
import { openToRun, writeFromCache } from "../wire/fuse/protocol.ts";
import { encodeOpen, encodeWritten } from "../wire/fuse/reply.ts";
import type { FuseRequest } from "../wire/fuse/request.ts";
import { ShareAccess } from "../wire/nfs4/operations.ts";
import { Status } from "../wire/nfs4/status.ts";
import type { AuthSys } from "../wire/rpc/message.ts";
import { ContentWatch } from "./content-watch.ts";
import { accessOf, openFlags } from "./conversions.ts";
import type { FuseDevice } from "./device.ts";
import { RefusedWith } from "./errno.ts";
import type { KernelView } from "./kernel-view.ts";
import { holdMs, ownBufferBytes } from "./limits.ts";
import { type FuseNode, keyOf, type OpenedHeld, type Place } from "./nodes.ts";
import type { PendingRequests } from "./pending-requests.ts";
import { WriteBehind, WriteBudget } from "./write-behind.ts";

const { errno } = system;
const synchronous = constants.O_DSYNC | constants.O_DIRECT;

/** An open file as the kernel knows it, by a number. */
export interface OpenedFile {
  readonly open: OpenFile;
  readonly node: FuseNode;
}

export interface FileOperationsOptions {
  readonly client: NfsClient;
  readonly view: KernelView;
  readonly device: FuseDevice;
  readonly pending: PendingRequests;
  readonly clock: Clock;
}

/** Open files: what is read and written, and when the server has it for good. */
export class FileOperations {
  readonly #client: NfsClient;
  readonly #view: KernelView;
  readonly #device: FuseDevice;
  readonly #pending: PendingRequests;
  readonly #clock: Clock;
  readonly #watch: ContentWatch;
  readonly #budget = new WriteBudget();
  readonly #files = new Map<number, OpenedFile>();
  #last = 0;

  constructor({ client, view, device, pending, clock }: FileOperationsOptions) {
    this.#client = client;
    this.#view = view;
    this.#device = device;
    this.#pending = pending;
    this.#clock = clock;
    this.#watch = new ContentWatch(client, view, clock);
  }

  get(number: number): OpenedFile {
    const opened = this.#files.get(number);
    if (opened === undefined) throw new RefusedWith(errno.EBADF);
    return opened;
  }

  find(number: number): OpenedFile | undefined {
    return this.#files.get(number);
  }

  /** By its name where the kernel may have kept that: another file may have it by now. */
  async open(caller: AuthSys, node: FuseNode, flags: number): Promise<Uint8Array> {
    await node.writes?.settle();
    const begun = node.changesBegun;
    const access = accessOf(flags);
    const toRun = (flags & openToRun) !== 0;
    const { place } = node;
    const { open, attributes } =
      (toRun ? undefined : this.#takeHeld(caller, node, access)) ??
      (place === undefined
        ? await this.#openFound(caller, node, access, toRun)
        : await this.#openNamed(caller, node, place, access, toRun));
    await this.#view.opened(node, attributes, begun);
    return this.keep(node, open, flags);
  }

  /**
   * Looks up a name that led elsewhere when it was opened. The kernel comes back with the file that
   * is found here, and only once: it is kept open, as it may be replaced again before that.
   * Undefined where there is nothing to be opened for reading.
   */
  async lookAndHold(
    caller: AuthSys,
    directory: FuseNode,
    name: string,
  ): Promise<Uint8Array | undefined> {
    const found = await this.#client
      .openNamed(caller, directory.handle, name, ShareAccess.read)
      .catch((error: unknown) => {
        if (error instanceof NfsError) return undefined;
        throw error;
      });
    if (found === undefined) return undefined;
    const entry = await this.#view.entry(caller, found.file, { directory, name });
    const node = this.#view.find(found.file.handle)!;
    const held = { open: found.open, attributes: found.file.attributes };
    this.#letGo(node);
    node.held = held;
    this.#clock.schedule(holdMs, () => {
      if (node.held === held) this.#letGo(node);
    });
    return entry;
  }

  #takeHeld(caller: AuthSys, node: FuseNode, access: number): OpenedHeld | undefined {
    const { held } = node;
    if (held === undefined || access !== ShareAccess.read) return undefined;
    if (!isSameUser(held.open.credential, caller)) return undefined;
    node.held = undefined;
    return held;
  }

  #letGo(node: FuseNode): void {
    if (node.held !== undefined) this.#client.closeFile(node.held.open).catch(() => {});
    node.held = undefined;
  }

  keep(node: FuseNode, open: OpenFile, flags: number): Uint8Array {
    this.#last += 1;
    this.#files.set(this.#last, { node, open });
    this.#watch.opened(node, open);
    return encodeOpen(this.#last, openFlags(flags));
  }

  /** As it was looked up just now, unless it has gone since. */
  async #openFound(
    caller: AuthSys,
    node: FuseNode,
    access: number,
    toRun: boolean,
  ): ReturnType<NfsClient["openByHandle"]> {
    try {
      return await this.#client.openByHandle(caller, node.handle, access, toRun);
    } catch (error) {
      const isGone = error instanceof NfsError && error.status === Status.STALE;
      if (isGone && node.found !== undefined) this.#view.missed(node, node.found);
      throw error;
    }
  }

  async #openNamed(
    caller: AuthSys,
    node: FuseNode,
    place: Place,
    access: number,
    toRun: boolean,
  ): ReturnType<NfsClient["openByHandle"]> {
    try {
      const found = await this.#client.openNamed(
        caller,
        place.directory.handle,
        place.name,
        access,
        toRun,
      );
      if (keyOf(found.file.handle) === node.key) {
        return { open: found.open, attributes: found.file.attributes };
      }
      this.#client.closeFile(found.open).catch(() => {});
    } catch (error) {
      if (!(error instanceof NfsError) || !leadsElsewhere.has(error.status)) throw error;
    }
    // The kernel looks the name up and comes again.
    this.#view.missed(node, place);
    throw new RefusedWith(errno.ESTALE);
  }

  read(request: FuseRequest): void {
    const { open, node } = this.get(request.uint64(0));
    const offset = request.uint64(8);
    const length = request.uint32(16);
    node.hasPages = true;
    if (node.writes?.overlaps(offset, length)) this.#readSettled(request, open, node);
    else this.#readNow(request, open, node);
  }

  #readSettled(request: FuseRequest, open: OpenFile, node: FuseNode): void {
    node.writes!.settle().then(
      () => this.#readNow(request, open, node),
      (error: unknown) => this.#pending.fail(request, error),
    );
  }

  #readNow(request: FuseRequest, open: OpenFile, node: FuseNode): void {
    const offset = request.uint64(8);
    const length = request.uint32(16);
    // What is written behind the place that is read makes the file longer than the server knows.
    const mayGrow = node.writes?.isEmpty === false;
    node.readBegins();
    const fail = (error: unknown): void => {
      node.readEnds();
      this.#pending.fail(request, error);
    };
    const take = (bytes: Uint8Array, isEnd: boolean): void => {
      if (mayGrow && bytes.length < length) {
        node.readEnds();
        this.#readSettled(request, open, node);
        return;
      }
      if (bytes.length < length && !isEnd && bytes.length > 0) {
        // A server that gives less at a time.
        const first = Uint8Array.prototype.slice.call(bytes);
        this.#readRest(open, offset, length, first).then((whole) => {
          node.readEnds();
          this.#pending.succeed(request, whole);
        }, fail);
        return;
      }
      node.readEnds();
      this.#pending.succeed(request, bytes);
    };
    this.#client.readTo(open, offset, length, take, fail);
  }

  async #readRest(
    open: OpenFile,
    offset: number,
    length: number,
    first: Uint8Array,
  ): Promise<Uint8Array> {
    const pieces = [first];
    let read = first.length;
    while (read < length) {
      const more = await this.#client.read(open, offset + read, length - read);
      if (more.length === 0) break;
      pieces.push(more);
      read += more.length;
    }
    return Buffer.concat(pieces);
  }

  write(request: FuseRequest): void {
    const { open, node } = this.get(request.uint64(0));
    throwFailure(open);
    const offset = request.uint64(8);
    const length = request.uint32(16);
    // Known at once, though the server would only refuse it when it goes out.
    if (offset + length > this.#client.fileSizeLimit) throw new RefusedWith(errno.EFBIG);
    const isFromCache = (request.uint32(20) & writeFromCache) !== 0;
    // What a mapping wrote stands where it was written.
    const flags = isFromCache ? 0 : request.uint32(32);
    const bytes = request.bytes(40, length);
    if ((flags & (constants.O_APPEND | synchronous)) !== 0) {
      const writing =
        (flags & constants.O_APPEND) !== 0
          ? this.#append(open, node, offset, bytes, flags)
          : this.#writeNow(open, node, offset, bytes, flags);
      writing.then(
        () => this.#written(request, node, length),
        (error: unknown) => this.#pending.fail(request, error),
      );
      return;
    }
    node.hasPages = true;
    const behind = this.#behind(node);
    if (length >= ownBufferBytes) {
      request.isKept = true;
      behind.add(open, offset, bytes, () => this.#device.giveBack(request.buffer));
    } else {
      behind.add(open, offset, Buffer.from(bytes));
    }
    const room = this.#budget.room();
    if (room === undefined) this.#written(request, node, length);
    else void room.then(() => this.#written(request, node, length));
  }

  #written(request: FuseRequest, node: FuseNode, length: number): void {
    this.#view.written(node);
    this.#pending.succeed(request, encodeWritten(length));
  }

  #behind(node: FuseNode): WriteBehind {
    node.writes ??= new WriteBehind({
      send: ({ open, offset, bytes, release }, durably) =>
        node.changing(() => this.#client.write(open, offset, bytes, durably, release)),
      failed: (error) => this.#failed(node, error),
      isClean: () => !this.#client.writes.hasUncommitted(node.handle),
      budget: this.#budget,
      clock: this.#clock,
    });
    return node.writes;
  }

  /**
   * Told by the next write, fsync or close through each descriptor: who synchronises a file is often
   * another than who has written it.
   */
  #failed(node: FuseNode, error: Error): void {
    for (const opened of this.#files.values()) {
      if (opened.node === node) opened.open.writeFailure ??= error;
    }
  }

  async #writeNow(
    open: OpenFile,
    node: FuseNode,
    offset: number,
    bytes: Uint8Array,
    flags: number,
  ): Promise<void> {
    await node.writes?.settle();
    const isStable = (flags & constants.O_DSYNC) !== 0;
    // Unless it is durable at once, it may have to be written again.
    const kept = isStable ? bytes : Buffer.from(bytes);
    await node.changing(() => this.#client.write(open, offset, kept, isStable));
  }

  async #append(
    open: OpenFile,
    node: FuseNode,
    offset: number,
    bytes: Uint8Array,
    flags: number,
  ): Promise<void> {
    await node.writes?.settle();
    const isStable = (flags & constants.O_DSYNC) !== 0;
    const kept = Buffer.from(bytes);
    const { writes } = this.#client;
    let left: Uint8Array = kept;
    let end = offset;
    while (left.length > 0) {
      const believed = end;
      const piece = left;
      const done = await node.changing(() => writes.append(open, believed, piece, isStable));
      left = left.subarray(done.written);
      end = done.offset + done.written;
    }
    if (end !== offset + bytes.length) this.#device.invalidateAttributes(node.id);
  }

  /** fsync(2) and close(2): all that was written is on the server's disk, or the caller is told. */
  async commit({ open, node }: OpenedFile): Promise<void> {
    await this.#commitNode(node, open.handle);
    throwFailure(open);
  }

  /** As `commit` on close(2): who can't write has written nothing. */
  async flush(opened: OpenedFile): Promise<void> {
    if ((opened.open.access & ShareAccess.write) !== 0) await this.commit(opened);
  }

  async commitFile(handle: FileHandle): Promise<void> {
    const node = this.#view.find(handle);
    if (node === undefined) await this.#client.writes.commitFile(handle);
    else await this.#commitNode(node, handle);
  }

  async #commitNode(node: FuseNode, handle: FileHandle): Promise<void> {
    const { writes } = this.#client;
    await node.writes?.settleDurably();
    await writes.commitFile(handle);
  }

  /** The mount is gone: what was answered and not sent yet still goes out, and is committed. */
  async finish(): Promise<void> {
    const nodes = new Set(Array.from(this.#files.values(), ({ node }) => node));
    const committing = Array.from(nodes, (node) => this.#commitNode(node, node.handle));
    await Promise.allSettled(committing);
  }

  async release(number: number): Promise<OpenFile> {
    const opened = this.get(number);
    const { open, node } = opened;
    this.#files.delete(number);
    this.#watch.closed(node, open);
    try {
      await this.#commitNode(node, open.handle);
    } finally {
      await this.#client.closeFile(open);
    }
    return open;
  }
}

/** A name that has gone to another file, or to none. */
const leadsElsewhere: ReadonlySet<number> = new Set<number>([
  Status.NOENT,
  Status.NOTDIR,
  Status.ISDIR,
  Status.SYMLINK,
  Status.WRONG_TYPE,
  Status.INVAL,
  Status.STALE,
  // The name may have gone to a file of somebody else's.
  Status.ACCESS,
]);

export function isSameUser(one: AuthSys, other: AuthSys): boolean {
  const sameGroups = String(one.gids) === String(other.gids);
  return one.uid === other.uid && one.gid === other.gid && sameGroups;
}

function throwFailure(open: OpenFile): void {
  const { writeFailure } = open;
  if (writeFailure === undefined) return;
  open.writeFailure = undefined;
  throw writeFailure;
}
