import { constants } from "node:fs";
import { constants as system } from "node:os";

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { FileHandle } from "../nfs/client/compound.ts";
import type { NewFileType } from "../nfs/client/names-client.ts";
import type { OpenFile } from "../nfs/client/open-file.ts";
import type { RemoteFile } from "../nfs/client/results.ts";
import {
  InitFlag,
  InitFlag2,
  Opcode,
  openToRun,
  protocolMajor,
  protocolMinor,
  SetAttribute,
  writeFromCache,
} from "../wire/fuse/protocol.ts";
import {
  DirectoryReply,
  encodeAttributes,
  encodeEntry,
  encodeInit,
  encodeOpen,
  encodeWritten,
} from "../wire/fuse/reply.ts";
import type { FuseRequest } from "../wire/fuse/request.ts";
import { Access, ShareAccess } from "../wire/nfs4/operations.ts";
import type { AuthSys } from "../wire/rpc/message.ts";
import { CallerGroups } from "./caller-groups.ts";
import {
  accessOf,
  directoryType,
  fuseAttributes,
  openFlags,
  settable,
  statfs,
} from "./conversions.ts";
import type { FuseDevice } from "./device.ts";
import { errnoOf, RefusedWith } from "./errno.ts";
import { backgroundRequests, requestPages, transferBytes, validitySeconds } from "./limits.ts";
import { LockForwarding } from "./lock-forwarding.ts";
import { type FuseNode, FuseNodes } from "./nodes.ts";

export interface BridgeOptions {
  readonly client: NfsClient;
  readonly root: FileHandle;
  readonly clock: Clock;
  readonly log: Log;
}

type Handler = (request: FuseRequest) => Promise<Uint8Array | undefined>;

const { errno } = system;
const validity = { seconds: validitySeconds };
/** Who opens a name gets the file that has it now, which only the server knows. */
const fileValidity = { seconds: validitySeconds, nameSeconds: 0 };
const initFlags =
  InitFlag.asyncRead |
  InitFlag.posixLocks |
  InitFlag.bigWrites |
  InitFlag.flockLocks |
  InitFlag.autoInvalidateData |
  InitFlag.readdirPlus |
  InitFlag.readdirPlusAuto |
  InitFlag.parallelDirectoryOperations |
  // The server clears the set-id bits: the kernel would do it as the writer, who may not chmod.
  InitFlag.handleKillPriv |
  InitFlag.maxPages |
  InitFlag.extended;
const initFlags2 = InitFlag2.directIoAllowMmap;
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
  readonly #log: Log;
  readonly #nodes: FuseNodes;
  readonly #groups: CallerGroups;
  readonly #locks: LockForwarding;
  readonly #files = new Map<number, OpenFile>();
  #lastFile = 0;
  #device: FuseDevice | undefined;
  readonly #handlers: ReadonlyMap<number, Handler>;

  constructor({ client, root, clock, log }: BridgeOptions) {
    this.#client = client;
    this.#log = log;
    this.#nodes = new FuseNodes(root);
    this.#groups = new CallerGroups(clock);
    this.#locks = new LockForwarding({
      client,
      clock,
      locked: async (nodeId) => this.#device?.invalidate(nodeId),
      unlocking: (open) => this.#commitFile(open.handle),
    });
    this.#handlers = this.#table();
  }

  serve(device: FuseDevice): void {
    this.#device = device;
    device.serve((request) => {
      if (this.#takeUnanswered(request)) {
        device.done(request);
        return;
      }
      const handler = this.#handlers.get(request.opcode);
      if (handler === undefined) {
        device.reply(request.unique, errno.ENOSYS);
        device.done(request);
        return;
      }
      handler(request).then(
        (payload) => {
          device.reply(request.unique, 0, payload);
          device.done(request);
        },
        (error: unknown) => this.#fail(device, request, error),
      );
    });
  }

  #fail(device: FuseDevice, request: FuseRequest, error: unknown): void {
    const { opcode, nodeId } = request;
    this.#log.debug({ opcode, nodeId, error: String(error) }, "a file operation failed");
    device.reply(request.unique, errnoOf(error));
    device.done(request);
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
      [Opcode.READ, (request) => this.#read(request)],
      [Opcode.WRITE, (request) => this.#write(request)],
      [Opcode.FLUSH, (request) => this.#flush(request)],
      [Opcode.FSYNC, (request) => this.#commit(request)],
      [Opcode.RELEASE, (request) => this.#release(request)],
      [Opcode.STATFS, async () => statfs],
      [Opcode.ACCESS, (request) => this.#access(request)],
      [Opcode.OPENDIR, (request) => this.#openDirectory(request)],
      [Opcode.RELEASEDIR, async () => undefined],
      [Opcode.FSYNCDIR, async () => undefined],
      [Opcode.READDIR, (request) => this.#readDirectory(request, false)],
      [Opcode.READDIRPLUS, (request) => this.#readDirectory(request, true)],
      [Opcode.GETLK, async (request) => this.#locks.test(request, this.#file(request.uint64(0)))],
      [
        Opcode.SETLK,
        async (request) => this.#locks.set(request, this.#file(request.uint64(0)), false),
      ],
      [
        Opcode.SETLKW,
        async (request) => this.#locks.set(request, this.#file(request.uint64(0)), true),
      ],
    ];
    return new Map(handlers);
  }

  async #init(request: FuseRequest): Promise<Uint8Array> {
    if (request.uint32(0) !== protocolMajor || request.uint32(4) < protocolMinor) {
      throw new RefusedWith(errno.EPROTO);
    }
    return encodeInit({
      major: protocolMajor,
      minor: protocolMinor,
      readAheadBytes: transferBytes,
      flags: initFlags & request.uint32(12),
      flags2: initFlags2 & request.uint32(16),
      background: backgroundRequests,
      writeBytes: transferBytes,
      pages: requestPages,
    });
  }

  async #lookup(request: FuseRequest): Promise<Uint8Array> {
    const directory = this.#node(request.nodeId);
    const { names } = this.#client;
    const file = await names.lookup(this.#caller(request), directory.handle, request.name(0));
    return this.#entry(file);
  }

  async #getAttributes(request: FuseRequest): Promise<Uint8Array> {
    const { handle } = this.#node(request.nodeId);
    const attributes = await this.#client.names.getAttributes(this.#caller(request), handle);
    return encodeAttributes(fuseAttributes(attributes), validity);
  }

  async #setAttributes(request: FuseRequest): Promise<Uint8Array> {
    const hasFile = (request.uint32(0) & SetAttribute.fileHandle) !== 0;
    const open = hasFile ? this.#files.get(request.uint64(8)) : undefined;
    const writable = open !== undefined && (open.access & ShareAccess.write) !== 0;
    const { handle } = this.#node(request.nodeId);
    // Written again after a crash, earlier bytes would undo a new size or time.
    await this.#commitFile(handle);
    const attributes = await this.#client.names.setAttributes(
      this.#caller(request),
      handle,
      settable(request),
      writable ? open : undefined,
    );
    return encodeAttributes(fuseAttributes(attributes), validity);
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
    const { handle } = this.#node(request.nodeId);
    const made = await this.#client.createFile(this.#caller(request), handle, name, how);
    await this.#client.closeFile(made.open);
    return this.#entry(made.file);
  }

  async #make(
    request: FuseRequest,
    name: string,
    type: NewFileType,
    mode: number,
    target?: string,
  ): Promise<Uint8Array> {
    const { handle } = this.#node(request.nodeId);
    const { names } = this.#client;
    const caller = this.#caller(request);
    return this.#entry(await names.create(caller, handle, name, type, mode, target));
  }

  /** The kernel has looked the name up and knows what it is; REMOVE takes both kinds. */
  async #remove(request: FuseRequest): Promise<undefined> {
    const { handle } = this.#node(request.nodeId);
    const caller = this.#caller(request);
    const name = request.name(0);
    await this.#client.names.remove(caller, handle, name);
    return undefined;
  }

  async #rename(request: FuseRequest, namesAt: number): Promise<undefined> {
    const flags = namesAt === 16 ? request.uint32(8) : 0;
    // RENAME_NOREPLACE and RENAME_EXCHANGE: NFS has nothing for them.
    if (flags !== 0) throw new RefusedWith(errno.EINVAL);
    const [fromName = "", toName = ""] = request.names(namesAt);
    const from = this.#node(request.nodeId).handle;
    const to = this.#node(request.uint64(0)).handle;
    await this.#client.names.rename(this.#caller(request), from, fromName, to, toName);
    return undefined;
  }

  async #link(request: FuseRequest): Promise<Uint8Array> {
    const file = this.#node(request.uint64(0));
    const directory = this.#node(request.nodeId).handle;
    const caller = this.#caller(request);
    const { names } = this.#client;
    const attributes = await names.link(caller, file.handle, directory, request.name(8));
    return this.#entry({ handle: file.handle, attributes });
  }

  async #open(request: FuseRequest): Promise<Uint8Array> {
    const node = this.#node(request.nodeId);
    const flags = request.uint32(0);
    if (node.listed) {
      // The kernel looks the name up and comes again: another file may have it by now.
      node.listed = false;
      throw new RefusedWith(errno.ESTALE);
    }
    const toRun = (flags & openToRun) !== 0;
    const caller = this.#caller(request);
    const open = await this.#client.open(caller, node.handle, accessOf(flags), toRun);
    return encodeOpen(this.#keep(open), openFlags(flags));
  }

  async #create(request: FuseRequest): Promise<Uint8Array> {
    const flags = request.uint32(0);
    const directory = this.#node(request.nodeId).handle;
    const made = await this.#client.createFile(this.#caller(request), directory, request.name(16), {
      mode: request.uint32(4) & 0o7777,
      access: accessOf(flags),
      exclusive: (flags & constants.O_EXCL) !== 0,
    });
    return Buffer.concat([
      this.#entry(made.file),
      encodeOpen(this.#keep(made.open), openFlags(flags)),
    ]);
  }

  async #read(request: FuseRequest): Promise<Uint8Array> {
    const open = this.#file(request.uint64(0));
    const offset = request.uint64(8);
    const length = request.uint32(16);
    const first = await this.#client.read(open, offset, length);
    if (first.length === length || first.length === 0) return first;
    // Short answers are the end of the file, or a server that gives less at a time.
    const rest = await this.#client.read(open, offset + first.length, length - first.length);
    return rest.length === 0 ? first : Buffer.concat([first, rest]);
  }

  async #write(request: FuseRequest): Promise<Uint8Array> {
    const open = this.#file(request.uint64(0));
    const bytes = request.data(40, request.uint32(16));
    const offset = request.uint64(8);
    const flags = request.uint32(32);
    const stable = (flags & constants.O_DSYNC) !== 0;
    const isCached = (request.uint32(20) & writeFromCache) !== 0;
    if ((flags & constants.O_APPEND) === 0 || isCached) {
      await this.#client.write(open, offset, bytes, stable);
      return encodeWritten(bytes.length);
    }
    const appended = await this.#client.append(open, offset, bytes, stable);
    // The kernel has the bytes, or the end, where it thought that the file ended.
    if (appended.offset !== offset) void this.#device?.invalidate(request.nodeId);
    return encodeWritten(appended.written);
  }

  /** close(2): others see the contents from here on; the process's locks go. */
  async #flush(request: FuseRequest): Promise<undefined> {
    const open = this.#file(request.uint64(0));
    const lockOwner = request.bigUint64(16);
    await this.#client.commit(open);
    await this.#locks.releaseOwner(lockOwner, request.nodeId);
    return undefined;
  }

  async #commit(request: FuseRequest): Promise<undefined> {
    await this.#commitFile(this.#file(request.uint64(0)).handle);
    return undefined;
  }

  /** fsync(2) covers what was written through any descriptor. */
  async #commitFile(handle: FileHandle): Promise<void> {
    for (const open of this.#files.values()) {
      if (open.written.length === 0) continue;
      if (Buffer.compare(open.handle, handle) === 0) await this.#client.commit(open);
    }
  }

  async #release(request: FuseRequest): Promise<undefined> {
    const number = request.uint64(0);
    const open = this.#file(number);
    this.#files.delete(number);
    this.#locks.forgetFile(open);
    try {
      await this.#client.commit(open);
    } finally {
      await this.#client.closeFile(open);
    }
    return undefined;
  }

  async #access(request: FuseRequest): Promise<undefined> {
    const mask = request.uint32(0);
    const { handle } = this.#node(request.nodeId);
    const caller = this.#caller(request);
    const attributes = await this.#client.names.getAttributes(caller, handle);
    const isDirectory = directoryType(attributes) === 4;
    let wanted = 0;
    if (mask & 4) wanted |= Access.read;
    if (mask & 2) wanted |= Access.modify;
    if (mask & 1) wanted |= isDirectory ? Access.lookup : Access.execute;
    await this.#require(request, wanted);
    return undefined;
  }

  async #require(request: FuseRequest, wanted: number): Promise<void> {
    const { handle } = this.#node(request.nodeId);
    const granted = await this.#client.names.access(this.#caller(request), handle, wanted);
    if ((wanted & ~granted) !== 0) throw new RefusedWith(errno.EACCES);
  }

  async #openDirectory(request: FuseRequest): Promise<Uint8Array> {
    await this.#require(request, Access.read);
    return encodeOpen(0);
  }

  async #readDirectory(request: FuseRequest, plus: boolean): Promise<Uint8Array> {
    const directory = this.#node(request.nodeId);
    const offset = request.uint64(8);
    const size = request.uint32(16);
    const reply = new DirectoryReply(size);
    if (offset < 1) reply.add(".", 1, 1, 4, plus ? noEntry : undefined);
    if (offset < 2) reply.add("..", 1, 2, 4, plus ? noEntry : undefined);
    const caller = this.#caller(request);
    const cookie = offset <= 2 ? 0 : offset;
    const wanted = Math.max(size, 4096) * 2;
    const { entries } = await this.#client.names.readDirectory(
      caller,
      directory.handle,
      cookie,
      Math.min(wanted, transferBytes / 4),
    );
    for (const { name, cookie: next, file } of entries) {
      const attributes = fuseAttributes(file.attributes);
      const type = directoryType(file.attributes);
      if (!plus) {
        if (!reply.add(name, attributes.inode, next, type)) break;
        continue;
      }
      const node = this.#nodes.remember(file.handle);
      node.listed = true;
      const entry = { nodeId: node.id, attributes, validity };
      if (reply.add(name, attributes.inode, next, type, entry)) continue;
      this.#nodes.forget(node.id, 1);
      break;
    }
    return reply.bytes();
  }

  #entry(file: RemoteFile): Buffer {
    const node = this.#nodes.remember(file.handle);
    node.listed = false;
    const isDirectory = directoryType(file.attributes) === 4;
    const how = isDirectory ? validity : fileValidity;
    return encodeEntry(node.id, fuseAttributes(file.attributes), how);
  }

  #keep(open: OpenFile): number {
    this.#lastFile += 1;
    this.#files.set(this.#lastFile, open);
    return this.#lastFile;
  }

  #node(id: number): FuseNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new RefusedWith(errno.ESTALE);
    return node;
  }

  #file(number: number): OpenFile {
    const open = this.#files.get(number);
    if (open === undefined) throw new RefusedWith(errno.EBADF);
    return open;
  }

  #caller(request: FuseRequest): AuthSys {
    const { uid, gid } = request;
    return { machineName: "mooring", uid, gid, gids: this.#groups.of(request) };
  }
}

/** A directory entry without a node: READDIRPLUS's "." and "..". */
const noEntry = {
  nodeId: 0,
  validity,
  attributes: fuseAttributes({
    type: 2,
    change: 0,
    size: 0,
    fileId: 0,
    mode: 0,
    links: 0,
    owner: "0",
    ownerGroup: "0",
    spaceUsed: 0,
    accessTime: { seconds: 0, nanoseconds: 0 },
    metadataTime: { seconds: 0, nanoseconds: 0 },
    modifyTime: { seconds: 0, nanoseconds: 0 },
  }),
};
