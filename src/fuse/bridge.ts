import { constants } from "node:fs";
import { constants as system } from "node:os";

import { type Clock, sleep } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { NewFileType } from "../nfs/client/names-client.ts";
import type { RemoteFile } from "../nfs/client/results.ts";
import {
  InitFlag,
  InitFlag2,
  Opcode,
  protocolMajor,
  protocolMinor,
  SetAttribute,
} from "../wire/fuse/protocol.ts";
import { encodeInit, encodeOpen } from "../wire/fuse/reply.ts";
import type { FuseRequest } from "../wire/fuse/request.ts";
import { Access, FileTypeNumber, ShareAccess } from "../wire/nfs4/operations.ts";
import type { AuthSys } from "../wire/rpc/message.ts";
import { AttributeOperations } from "./attribute-operations.ts";
import { CallerGroups } from "./caller-groups.ts";
import { accessOf, settable, statfs } from "./conversions.ts";
import type { FuseDevice } from "./device.ts";
import { DirectoryListings } from "./directory-listings.ts";
import { RefusedWith } from "./errno.ts";
import { FileOperations, type OpenedFile } from "./file-operations.ts";
import { KernelView } from "./kernel-view.ts";
import { backgroundRequests, finishMs, requestPages, transferBytes } from "./limits.ts";
import { LockForwarding } from "./lock-forwarding.ts";
import { type FuseNode, FuseNodes } from "./nodes.ts";
import { PendingRequests } from "./pending-requests.ts";

export interface BridgeOptions {
  readonly client: NfsClient;
  readonly root: RemoteFile;
  readonly device: FuseDevice;
  readonly clock: Clock;
  readonly log: Log;
}

type Handler = (request: FuseRequest) => Promise<Uint8Array | undefined>;

const { errno } = system;
const initFlags =
  InitFlag.asyncRead |
  InitFlag.posixLocks |
  InitFlag.bigWrites |
  InitFlag.flockLocks |
  InitFlag.readdirPlus |
  InitFlag.readdirPlusAuto |
  InitFlag.parallelDirectoryOperations |
  // The server clears the set-id bits: the kernel would do it as the writer, who may not chmod.
  InitFlag.handleKillPriv |
  InitFlag.maxPages |
  InitFlag.cacheSymlinks |
  // The kernel would drop a file's pages after each write of its own.
  InitFlag.explicitInvalidateData |
  InitFlag.extended;
const fileTypes: ReadonlyMap<number, NewFileType> = new Map([
  [0o010000, "fifo"],
  [0o140000, "socket"],
]);

/**
 * Turns the kernel's FUSE requests into NFS operations. Permissions are the server's decision, as
 * an access point may see another user than the kernel does. Close-to-open: a close commits, an
 * open asks anew.
 */
export class FuseBridge {
  readonly #client: NfsClient;
  readonly #device: FuseDevice;
  readonly #clock: Clock;
  readonly #nodes: FuseNodes;
  readonly #view: KernelView;
  readonly #pending: PendingRequests;
  readonly #files: FileOperations;
  readonly #attributes: AttributeOperations;
  readonly #listings: DirectoryListings;
  readonly #groups: CallerGroups;
  readonly #locks: LockForwarding;
  readonly #handlers: ReadonlyMap<number, Handler>;

  constructor({ client, root, device, clock, log }: BridgeOptions) {
    this.#client = client;
    this.#device = device;
    this.#clock = clock;
    this.#nodes = new FuseNodes(root.handle);
    this.#view = new KernelView(this.#nodes, root.attributes, client, device, clock);
    this.#pending = new PendingRequests({
      device,
      clock,
      log,
      isUp: () => client.isUp,
      unwanted: (request, payload) => this.#undo(request, payload),
    });
    const [view, pending] = [this.#view, this.#pending];
    this.#files = new FileOperations({ client, view, device, pending, clock });
    this.#attributes = new AttributeOperations(client, view, this.#files);
    this.#listings = new DirectoryListings(client, view, clock);
    this.#groups = new CallerGroups(clock);
    this.#locks = new LockForwarding({
      locks: client.locks,
      clock,
      locking: async ({ node }) => node.writes?.settle(),
      locked: ({ node }, change) => view.locked(node, change),
      unlocking: ({ open }) => this.#files.commitFile(open.handle),
    });
    this.#handlers = this.#table();
  }

  serve(): void {
    this.#device.serve((request) => this.#take(request));
  }

  /** After the device has ended; as long as the server answers, and not for long. */
  async finish(): Promise<void> {
    if (!this.#client.isUp) return;
    await Promise.race([this.#files.finish(), sleep(this.#clock, finishMs)]);
  }

  #take(request: FuseRequest): void {
    const { opcode } = request;
    if (this.#takeUnanswered(request)) {
      this.#device.done(request);
      return;
    }
    const pending = this.#pending;
    pending.begin(request);
    try {
      if (opcode === Opcode.READ) return this.#files.read(request);
      if (opcode === Opcode.WRITE) return this.#files.write(request);
    } catch (error) {
      pending.fail(request, error);
      return;
    }
    const handler = this.#handlers.get(opcode);
    if (handler === undefined) {
      pending.fail(request, new RefusedWith(errno.ENOSYS));
      return;
    }
    handler(request).then(
      (payload) => pending.succeed(request, payload),
      (error: unknown) => pending.fail(request, error),
    );
  }

  #takeUnanswered(request: FuseRequest): boolean {
    if (request.opcode === Opcode.FORGET) {
      this.#nodes.forget(request.nodeId, request.uint64(0));
    } else if (request.opcode === Opcode.BATCH_FORGET) {
      const count = request.uint32(0);
      for (let index = 0; index < count; index += 1) {
        const at = 8 + index * 16;
        this.#nodes.forget(request.uint64(at), request.uint64(at + 8));
      }
    } else if (request.opcode === Opcode.INTERRUPT) {
      this.#locks.interrupt(request.bigUint64(0));
    } else {
      return false;
    }
    return true;
  }

  #table(): ReadonlyMap<number, Handler> {
    const handlers: [number, Handler][] = [
      [Opcode.INIT, (request) => this.#init(request)],
      [Opcode.DESTROY, async () => undefined],
      [Opcode.LOOKUP, (request) => this.#lookup(request)],
      [Opcode.GETATTR, (request) => this.#getAttributes(request)],
      [Opcode.SETATTR, (request) => this.#setAttributes(request)],
      [Opcode.READLINK, (request) => this.#readLink(request)],
      [Opcode.SYMLINK, (request) => this.#symlink(request)],
      [Opcode.MKNOD, (request) => this.#makeNode(request)],
      [Opcode.MKDIR, (request) => this.#makeDirectory(request)],
      [Opcode.UNLINK, (request) => this.#remove(request)],
      [Opcode.RMDIR, (request) => this.#remove(request)],
      [Opcode.RENAME, (request) => this.#rename(request, 8)],
      [Opcode.RENAME2, (request) => this.#rename(request, 16)],
      [Opcode.LINK, (request) => this.#link(request)],
      [Opcode.OPEN, (request) => this.#open(request)],
      [Opcode.CREATE, (request) => this.#create(request)],
      [Opcode.FLUSH, (request) => this.#flush(request)],
      [Opcode.FSYNC, (request) => this.#commit(request)],
      [Opcode.RELEASE, (request) => this.#release(request)],
      [Opcode.STATFS, async () => statfs],
      [Opcode.ACCESS, (request) => this.#access(request)],
      [Opcode.OPENDIR, (request) => this.#openDirectory(request)],
      [Opcode.RELEASEDIR, async (request) => this.#listings.release(request.uint64(0))],
      [Opcode.FSYNCDIR, async () => undefined],
      [Opcode.READDIR, (request) => this.#readDirectory(request, false)],
      [Opcode.READDIRPLUS, (request) => this.#readDirectory(request, true)],
      [Opcode.GETLK, async (request) => this.#locks.test(request, this.#file(request))],
      [Opcode.SETLK, async (request) => this.#locks.set(request, this.#file(request), false)],
      [Opcode.SETLKW, async (request) => this.#locks.set(request, this.#file(request), true)],
    ];
    return new Map(handlers);
  }

  async #init(request: FuseRequest): Promise<Uint8Array> {
    if (request.uint32(0) !== protocolMajor || request.uint32(4) < protocolMinor) {
      throw new RefusedWith(errno.EPROTO);
    }
    const isExtended = (request.uint32(12) & InitFlag.extended) !== 0;
    return encodeInit({
      major: protocolMajor,
      minor: protocolMinor,
      readAheadBytes: transferBytes,
      flags: initFlags & request.uint32(12),
      flags2: isExtended ? InitFlag2.directIoAllowMmap & request.uint32(16) : 0,
      background: backgroundRequests,
      writeBytes: transferBytes,
      pages: requestPages,
    });
  }

  async #lookup(request: FuseRequest): Promise<Uint8Array> {
    const directory = this.#node(request.nodeId);
    const name = request.name(0);
    const caller = this.#caller(request);
    if (this.#view.isMissed(directory, name)) {
      const held = await this.#files.lookAndHold(caller, directory, name);
      if (held !== undefined) return held;
    }
    const file = await this.#client.names.lookup(caller, directory.handle, name);
    return this.#view.entry(caller, file, { directory, name });
  }

  async #getAttributes(request: FuseRequest): Promise<Uint8Array> {
    return this.#attributes.get(this.#caller(request), this.#node(request.nodeId));
  }

  async #setAttributes(request: FuseRequest): Promise<Uint8Array> {
    const hasFile = (request.uint32(0) & SetAttribute.fileHandle) !== 0;
    const open = hasFile ? this.#files.find(request.uint64(8))?.open : undefined;
    const writable = open !== undefined && (open.access & ShareAccess.write) !== 0;
    return this.#attributes.set(
      this.#caller(request),
      this.#node(request.nodeId),
      settable(request),
      writable ? open : undefined,
    );
  }

  async #readLink(request: FuseRequest): Promise<Uint8Array> {
    const { handle } = this.#node(request.nodeId);
    const target = await this.#client.names.readLink(this.#caller(request), handle);
    return Buffer.from(target, "latin1");
  }

  async #symlink(request: FuseRequest): Promise<Uint8Array> {
    const [name = "", target = ""] = request.names(0);
    return this.#make(request, name, "symlink", 0o777, target);
  }

  async #makeDirectory(request: FuseRequest): Promise<Uint8Array> {
    return this.#make(request, request.name(8), "directory", request.uint32(0) & 0o7777);
  }

  async #makeNode(request: FuseRequest): Promise<Uint8Array> {
    const mode = request.uint32(0);
    const name = request.name(16);
    const format = mode & 0o170000;
    const type = fileTypes.get(format);
    if (type !== undefined) return this.#make(request, name, type, mode & 0o7777);
    if (format !== 0o100000 && format !== 0) throw new RefusedWith(errno.EPERM);
    const how = { mode: mode & 0o7777, access: ShareAccess.write, exclusive: true };
    const directory = this.#node(request.nodeId);
    const caller = this.#caller(request);
    const made = await this.#client.createFile(caller, directory.handle, name, how);
    await this.#client.closeFile(made.open);
    return this.#view.entry(caller, made.file, { directory, name });
  }

  async #make(
    request: FuseRequest,
    name: string,
    type: NewFileType,
    mode: number,
    target?: string,
  ): Promise<Uint8Array> {
    const directory = this.#node(request.nodeId);
    const caller = this.#caller(request);
    const { names } = this.#client;
    const file = await names.create(caller, directory.handle, name, type, mode, target);
    return this.#view.entry(caller, file, { directory, name });
  }

  /** The kernel has looked the name up and knows what it is; REMOVE takes both kinds. */
  async #remove(request: FuseRequest): Promise<undefined> {
    const { handle } = this.#node(request.nodeId);
    await this.#client.names.remove(this.#caller(request), handle, request.name(0));
    return undefined;
  }

  async #rename(request: FuseRequest, namesAt: number): Promise<undefined> {
    const flags = namesAt === 16 ? request.uint32(8) : 0;
    // RENAME_NOREPLACE and RENAME_EXCHANGE: NFS has nothing for them.
    if (flags !== 0) throw new RefusedWith(errno.EINVAL);
    const [fromName = "", toName = ""] = request.names(namesAt);
    const from = this.#node(request.nodeId);
    const to = this.#node(request.uint64(0));
    const { names } = this.#client;
    await names.rename(
      this.#caller(request),
      { directory: from.handle, name: fromName },
      { directory: to.handle, name: toName },
      (file) => {
        const found = this.#nodes.find(file)?.found;
        return found?.directory === from && found.name === fromName;
      },
    );
    this.#view.renamed({ directory: from, name: fromName }, { directory: to, name: toName });
    return undefined;
  }

  async #link(request: FuseRequest): Promise<Uint8Array> {
    const { handle } = this.#node(request.uint64(0));
    const to = { directory: this.#node(request.nodeId).handle, name: request.name(8) };
    const caller = this.#caller(request);
    const attributes = await this.#client.names.link(caller, handle, to);
    return this.#view.entry(caller, { handle, attributes });
  }

  async #open(request: FuseRequest): Promise<Uint8Array> {
    const node = this.#node(request.nodeId);
    return this.#files.open(this.#caller(request), node, request.uint32(0));
  }

  async #create(request: FuseRequest): Promise<Uint8Array> {
    const flags = request.uint32(0);
    const directory = this.#node(request.nodeId);
    const name = request.name(16);
    const caller = this.#caller(request);
    const { open, file } = await this.#client.createFile(caller, directory.handle, name, {
      mode: request.uint32(4) & 0o7777,
      access: accessOf(flags),
      exclusive: (flags & constants.O_EXCL) !== 0,
      truncate: (flags & constants.O_TRUNC) !== 0,
    });
    const entry = await this.#view.entry(caller, file, { directory, name });
    const node = this.#view.find(file.handle)!;
    return Buffer.concat([entry, this.#files.keep(node, open, flags)]);
  }

  /** close(2): others see the contents from here on; the process's locks go. */
  async #flush(request: FuseRequest): Promise<undefined> {
    const lockOwner = request.bigUint64(16);
    try {
      await this.#files.flush(this.#file(request));
    } finally {
      await this.#locks.releaseOwner(lockOwner, request.nodeId);
    }
    return undefined;
  }

  async #commit(request: FuseRequest): Promise<undefined> {
    await this.#files.commit(this.#file(request));
    return undefined;
  }

  async #release(request: FuseRequest): Promise<undefined> {
    const number = request.uint64(0);
    this.#locks.forgetFile(this.#files.get(number));
    await this.#files.release(number);
    return undefined;
  }

  async #access(request: FuseRequest): Promise<undefined> {
    const mask = request.uint32(0);
    const { handle } = this.#node(request.nodeId);
    const { names } = this.#client;
    const { granted, attributes } = await names.access(this.#caller(request), handle, everyAccess);
    let wanted = 0;
    if (mask & 4) wanted |= Access.read;
    if (mask & 2) wanted |= Access.modify;
    const isDirectory = attributes.type === FileTypeNumber.directory;
    if (mask & 1) wanted |= isDirectory ? Access.lookup : Access.execute;
    if ((wanted & ~granted) !== 0) throw new RefusedWith(errno.EACCES);
    return undefined;
  }

  /** The kernel leaves it to us whether the user may list it. */
  async #openDirectory(request: FuseRequest): Promise<Uint8Array> {
    const directory = this.#node(request.nodeId);
    if (!directory.isReadByAll) {
      const { names } = this.#client;
      const caller = this.#caller(request);
      const { granted } = await names.access(caller, directory.handle, Access.read);
      if (granted === 0) throw new RefusedWith(errno.EACCES);
    }
    return encodeOpen(this.#listings.open());
  }

  async #readDirectory(request: FuseRequest, plus: boolean): Promise<Uint8Array> {
    const directory = this.#node(request.nodeId);
    return this.#listings.read(request, this.#caller(request), directory, plus);
  }

  /** Nobody took the answer: the kernel won't close or forget what it doesn't know of. */
  #undo({ opcode }: FuseRequest, payload: Uint8Array | undefined): void {
    if (payload === undefined) return;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    const isCreate = opcode === Opcode.CREATE;
    if (!isCreate && opcode !== Opcode.OPEN) return;
    const openedAt = isCreate ? payload.length - encodeOpen(0).length : 0;
    const number = Number(bytes.readBigUInt64LE(openedAt));
    this.#files.release(number).catch(() => {});
    if (isCreate) this.#nodes.forget(Number(bytes.readBigUInt64LE(0)), 1);
  }

  #node(id: number): FuseNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new RefusedWith(errno.ESTALE);
    return node;
  }

  #file(request: FuseRequest): OpenedFile {
    return this.#files.get(request.uint64(0));
  }

  #caller(request: FuseRequest): AuthSys {
    const { uid, gid } = request;
    return { machineName: "mooring", uid, gid, gids: this.#groups.of(request) };
  }
}

const everyAccess = Access.read | Access.lookup | Access.modify | Access.execute;
