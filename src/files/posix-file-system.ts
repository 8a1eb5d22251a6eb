import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Data, FileKey } from "../data/data.ts";
import type { Sequence, Store, Writer } from "../store/store.ts";
import { applyAttributes, clearSetIdBits, mayChangeAttributes } from "./attribute-rules.ts";
import { Contents } from "./contents.ts";
import { ContentsSweep } from "./contents-sweep.ts";
import {
  addEntry,
  checkName,
  type Entry,
  entriesAfter,
  findEntry,
  type ListedEntry,
  removeEntry,
} from "./directories.ts";
import {
  EACCES,
  EEXIST,
  EFBIG,
  EINVAL,
  EISDIR,
  EMLINK,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  ESTALE,
  type Failure,
  failed,
} from "./failure.ts";
import type {
  AccessMask,
  AttributeChange,
  Caller,
  DirectoryEntry,
  FileSystem,
  Inode,
  MeteredBytes,
  Name,
  NewNode,
  ReadDirectoryEnd,
  StorageClass,
} from "./file-system.ts";
import { FreeRoom } from "./free-room.ts";
import { decodeHandle, encodeHandle } from "./handle.ts";
import { InlineContents } from "./inline-contents.ts";
import { InodeTable } from "./inode-table.ts";
import { openKey, targetKey } from "./keys.ts";
import {
  earlyFlushBytes,
  fileSizeLimit,
  inlineLimit,
  levelsLimit,
  linkLimit,
  symbolicLinkLimit,
} from "./limits.ts";
import type { Node } from "./node.ts";
import {
  grantedAccess,
  isRoot,
  mayChangeEntries,
  mayRead,
  mayRemoveEntry,
  maySearch,
  mayWrite,
} from "./permissions.ts";
import { RangeLocks } from "./range-locks.ts";

export interface PosixFileSystemOptions {
  readonly id: string;
  readonly store: Store;
  readonly data: Data;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of the largest file that has its contents in the store. */
  readonly inlineLimit?: number;
  /** Bytes written to a file after which a flush begins that nobody asked for. */
  readonly earlyFlushBytes?: number;
  /** Inodes kept in memory. */
  readonly cachedInodes?: number;
}

const setGroupBit = 0o2000;

/** A file system over a store for names and attributes and one for contents; it owns both. */
export class PosixFileSystem implements FileSystem {
  readonly id: string;
  readonly root: Node;
  readonly locks = new RangeLocks();
  readonly #store: Store;
  readonly #data: Data;
  readonly #inodes: InodeTable;
  readonly #contents: Contents;
  readonly #sweep: ContentsSweep | undefined;
  readonly #room: FreeRoom;

  constructor(options: PosixFileSystemOptions) {
    const { id, store, data, clock } = options;
    this.id = id;
    this.#store = store;
    this.#data = data;
    this.#room = new FreeRoom(data, clock);
    const inodes = new InodeTable(options);
    this.#inodes = inodes;
    const inline = new InlineContents(store, options.inlineLimit ?? inlineLimit);
    const early = options.earlyFlushBytes ?? earlyFlushBytes;
    this.#contents = new Contents({ store, data, clock, inodes, inline, earlyFlushBytes: early });
    this.#contents.recover();
    const wasOpen = store.read((reader) => reader.get(openKey)) !== undefined;
    if (wasOpen) this.#sweep = new ContentsSweep({ store, data, clock, inodes });
    else store.write((writer) => writer.put(openKey, Buffer.alloc(0)));
    this.root = inodes.get(1) ?? this.#makeRoot();
  }

  get applied(): Sequence {
    return this.#store.applied;
  }

  get durable(): Sequence {
    return this.#store.durable;
  }

  whenDurable(sequence: Sequence, call: () => void): void {
    this.#store.whenDurable(sequence, call);
  }

  handleOf(inode: Inode): Uint8Array {
    return encodeHandle(inode as Node);
  }

  inodeOf(handle: Uint8Array): Inode | Failure {
    const decoded = decodeHandle(handle);
    if (decoded === undefined) return EINVAL;
    const node = this.#inodes.get(decoded.number);
    const same =
      node !== undefined &&
      node.generationHigh === decoded.generationHigh &&
      node.generationLow === decoded.generationLow;
    return same ? node : ESTALE;
  }

  inode(number: FileKey): Inode | Failure {
    return this.#inodes.get(number) ?? ESTALE;
  }

  setAttributes(caller: Caller, inode: Inode, change: AttributeChange): Inode | Failure {
    const node = inode as Node;
    if (node.removed) return ESTALE;
    const refused = mayChangeAttributes(caller, node, change);
    if (refused) return refused;
    const failure = this.#store.write((writer) => {
      const full = change.size !== undefined && this.#setSize(writer, caller, node, change.size);
      if (full) return full;
      applyAttributes(caller, node, change, this.#inodes.now());
      this.#inodes.touch(node);
      this.#inodes.save(writer, node);
      return undefined;
    });
    if (failure) return failure;
    if (change.size !== undefined) this.#contents.resized(node);
    return node;
  }

  access(caller: Caller, inode: Inode, wanted: AccessMask): AccessMask {
    return grantedAccess(caller, inode, wanted);
  }

  lookup(caller: Caller, directory: Inode, name: Name): Inode | Failure {
    if (directory.type !== "directory") return ENOTDIR;
    if (!maySearch(caller, directory)) return EACCES;
    const refused = checkName(name);
    if (refused) return refused;
    return this.#find(directory as Node, name)?.node ?? ENOENT;
  }

  parent(caller: Caller, directory: Inode): Inode | Failure {
    if (directory.type !== "directory") return ENOTDIR;
    if (!maySearch(caller, directory)) return EACCES;
    return this.#inodes.get((directory as Node).parent) ?? ESTALE;
  }

  create(caller: Caller, directory: Inode, name: Name, wanted: NewNode): Inode | Failure {
    const parent = directory as Node;
    const refused = this.#mayAdd(caller, parent, name) ?? checkNewNode(wanted);
    if (refused) return refused;
    if (wanted.type === "directory" && this.#isTooDeep(parent)) return ENAMETOOLONG;
    const attributes = wanted.attributes ?? {};
    return this.#store.write((writer) => {
      const node = this.#inodes.make(writer, wanted.type);
      const inherits = (parent.mode & setGroupBit) !== 0;
      node.uid = caller.uid;
      node.gid = inherits ? parent.gid : caller.gid;
      applyAttributes(caller, node, { mode: wanted.mode }, node.birthTime);
      if (inherits && node.type === "directory") node.mode |= setGroupBit;
      // Size zero is what a new file has; another needs no more rights than creating it did.
      const change = { ...attributes, opened: true };
      const denied = mayChangeAttributes(caller, node, change);
      const size = denied ? 0 : (attributes.size ?? 0);
      const full = size === 0 ? undefined : this.#setSize(writer, caller, node, size);
      if (denied ?? full) {
        this.#inodes.forget(node);
        return (denied ?? full)!;
      }
      applyAttributes(caller, node, attributes, node.birthTime);
      node.verifierHigh = wanted.verifier?.high ?? 0;
      node.verifierLow = wanted.verifier?.low ?? 0;
      if (wanted.target !== undefined) {
        node.length = wanted.target.length;
        writer.put(targetKey(node.number), wanted.target);
      }
      node.links = node.type === "directory" ? 2 : 1;
      node.parent = parent.number;
      this.#inodes.save(writer, node);
      addEntry(writer, parent, name, node);
      this.#saveChanged(writer, parent);
      return node;
    });
  }

  link(caller: Caller, inode: Inode, directory: Inode, name: Name): Inode | Failure {
    const node = inode as Node;
    const parent = directory as Node;
    if (node.type === "directory") return EPERM;
    const refused = this.#mayAdd(caller, parent, name);
    if (refused) return refused;
    if (node.links === 0) return ENOENT;
    if (node.links >= linkLimit) return EMLINK;
    this.#store.write((writer) => {
      node.links += 1;
      this.#inodes.touch(node);
      this.#inodes.save(writer, node);
      addEntry(writer, parent, name, node);
      this.#saveChanged(writer, parent);
    });
    return node;
  }

  remove(
    caller: Caller,
    directory: Inode,
    name: Name,
    kind: "any" | "directory" | "file",
  ): Failure | undefined {
    const parent = directory as Node;
    const found = this.#findToRemove(caller, parent, name);
    if (failed(found)) return found;
    const { node, entry } = found;
    if (kind === "directory" && node.type !== "directory") return ENOTDIR;
    if (kind === "file" && node.type === "directory") return EISDIR;
    if (node.type === "directory" && node.entries > 0) return ENOTEMPTY;
    this.#store.write((writer) => {
      removeEntry(writer, parent, name, entry, node);
      this.#saveChanged(writer, parent);
      this.#dropName(writer, node);
    });
    this.#inodes.removeContentsOf(node);
    return undefined;
  }

  rename(
    caller: Caller,
    from: Inode,
    fromName: Name,
    to: Inode,
    toName: Name,
  ): Failure | undefined {
    const source = from as Node;
    const target = to as Node;
    const found = this.#findToRemove(caller, source, fromName);
    if (failed(found)) return found;
    if (target.type !== "directory") return ENOTDIR;
    const refused = checkName(toName);
    if (refused) return refused;
    if (target.links === 0) return ENOENT;
    if (!maySearch(caller, target)) return EACCES;
    const { node } = found;
    const existing = this.#find(target, toName);
    if (existing?.node === node) return undefined;
    const denied = this.#mayReplace(caller, node, source, target, existing?.node);
    if (denied) return denied;
    this.#store.write((writer) => {
      if (existing) {
        removeEntry(writer, target, toName, existing.entry, existing.node);
        this.#dropName(writer, existing.node);
      }
      removeEntry(writer, source, fromName, found.entry, node);
      // Moved to the end, it would be met again by who lists the directory and renames what is met.
      const own = source === target ? found.entry.cookie : undefined;
      addEntry(writer, target, toName, node, existing?.entry.cookie ?? own);
      if (node.type === "directory") node.parent = target.number;
      this.#inodes.touch(node);
      this.#inodes.save(writer, node);
      this.#saveChanged(writer, source);
      if (target !== source) this.#saveChanged(writer, target);
    });
    if (existing) this.#inodes.removeContentsOf(existing.node);
    return undefined;
  }

  readDirectory(
    caller: Caller,
    directory: Inode,
    cookie: number,
    withInodes: boolean,
    take: (entry: DirectoryEntry) => boolean,
  ): ReadDirectoryEnd | Failure {
    if (directory.type !== "directory") return ENOTDIR;
    if (!mayRead(caller, directory)) return EACCES;
    return this.#store.read((reader) => {
      const after = Math.max(cookie, 2);
      const show = ({ child, name, cookie: own }: ListedEntry): boolean => {
        const inode = withInodes ? this.#inodes.load(reader, child) : undefined;
        return take({ name, cookie: own, number: child, ...(inode && { inode }) });
      };
      for (const entry of entriesAfter(reader, directory as Node, after)) {
        if (!show(entry)) return "more";
      }
      return "end";
    });
  }

  readSymbolicLink(_caller: Caller, inode: Inode): Uint8Array | Failure {
    if (inode.type !== "symlink") return EINVAL;
    const target = this.#store.read((reader) => reader.get(targetKey(inode.number)));
    return target === undefined ? ESTALE : Uint8Array.prototype.slice.call(target);
  }

  hold(inode: Inode): void {
    (inode as Node).holds += 1;
  }

  release(inode: Inode): void {
    this.#inodes.release(inode as Node);
  }

  pin(inode: Inode): void {
    (inode as Node).pins += 1;
  }

  unpin(inode: Inode): void {
    (inode as Node).pins -= 1;
  }

  endRecovery(): void {
    this.#inodes.removeUnheldOrphans();
  }

  read(inode: Inode, offset: number, target: Uint8Array): number | Promise<number> {
    const left = inode.size - offset;
    if (left <= 0) return 0;
    const wanted = left < target.length ? target.subarray(0, left) : target;
    return this.#contents.read(inode as Node, offset, wanted);
  }

  write(
    caller: Caller,
    inode: Inode,
    offset: number,
    bytes: Uint8Array,
    stable = false,
  ): number | Failure | Promise<number | Failure> {
    const node = inode as Node;
    if (node.type !== "file") return node.type === "directory" ? EISDIR : EINVAL;
    if (offset + bytes.length > fileSizeLimit) return EFBIG;
    if (bytes.length === 0) return 0;
    if (this.#room.isShort) return ENOSPC;
    const written = this.#contents.write(node, offset, bytes, stable);
    if (written instanceof Promise)
      return written.then((count) => this.#wrote(caller, node, count));
    return this.#wrote(caller, node, written);
  }

  commit(inode: Inode, call: (error?: Error) => void): void {
    const node = inode as Node;
    this.#contents.whenDurable(node, (error) => {
      if (error) return call(error);
      if (!node.removed) this.#inodes.saveNow(node);
      this.#store.whenDurable(this.#store.applied, call);
    });
  }

  commitToStore(inode: Inode): boolean {
    const node = inode as Node;
    if (!this.#contents.isDurable(node)) return false;
    if (!node.removed) this.#inodes.saveNow(node);
    return true;
  }

  seek(inode: Inode, offset: number, what: "data" | "hole"): number | undefined {
    return this.#contents.seek(inode as Node, offset, what);
  }

  meteredBytes(): MeteredBytes {
    return this.#inodes.meter.bytes;
  }

  setStorageClass(inode: Inode, storageClass: StorageClass): Failure | undefined {
    const node = inode as Node;
    if (node.removed) return ESTALE;
    if (node.type !== "file") return EINVAL;
    node.storageClass = storageClass;
    this.#store.write((writer) => this.#inodes.save(writer, node));
    return undefined;
  }

  async close(): Promise<void> {
    this.#sweep?.stop();
    await this.#contents.settle();
    this.#contents.close();
    this.#inodes.close();
    // What was removed or cut off goes from the contents when that is durable.
    await new Promise<void>((resolve) => this.#store.whenDurable(this.#store.applied, resolve));
    await this.#data.close();
    if (this.#sweep?.isDone ?? true) this.#store.write((writer) => writer.remove(openKey));
    await this.#store.close();
  }

  #makeRoot(): Node {
    return this.#store.write((writer) => {
      const root = this.#inodes.make(writer, "directory");
      root.mode = 0o755;
      root.links = 2;
      root.parent = root.number;
      this.#inodes.save(writer, root);
      return root;
    });
  }

  #find(directory: Node, name: Name): { node: Node; entry: Entry } | undefined {
    return this.#store.read((reader) => {
      const entry = findEntry(reader, directory, name);
      const node = entry && this.#inodes.load(reader, entry.child);
      return node && { node, entry };
    });
  }

  #mayAdd(caller: Caller, directory: Node, name: Name): Failure | undefined {
    if (directory.type !== "directory") return ENOTDIR;
    if (!maySearch(caller, directory)) return EACCES;
    const refused = checkName(name);
    if (refused) return refused;
    if (directory.links === 0) return ENOENT;
    if (this.#find(directory, name)) return EEXIST;
    if (!mayChangeEntries(caller, directory)) return EACCES;
    return this.#room.isShort ? ENOSPC : undefined;
  }

  #findToRemove(
    caller: Caller,
    directory: Node,
    name: Name,
  ): { node: Node; entry: Entry } | Failure {
    if (directory.type !== "directory") return ENOTDIR;
    const refused = checkName(name);
    if (refused) return refused;
    if (!maySearch(caller, directory)) return EACCES;
    const found = this.#find(directory, name);
    if (found === undefined) return ENOENT;
    if (!mayChangeEntries(caller, directory)) return EACCES;
    return mayRemoveEntry(caller, directory, found.node) ? found : EPERM;
  }

  /** In the order in which Linux looks at it. */
  #mayReplace(
    caller: Caller,
    node: Node,
    source: Node,
    target: Node,
    existing: Node | undefined,
  ): Failure | undefined {
    const isDirectory = node.type === "directory";
    if (isDirectory && this.#isWithin(target, node)) return EINVAL;
    if (!mayChangeEntries(caller, target)) return EACCES;
    if (existing !== undefined) {
      if (!mayRemoveEntry(caller, target, existing)) return EPERM;
      if (isDirectory && existing.type !== "directory") return ENOTDIR;
      if (!isDirectory && existing.type === "directory") return EISDIR;
    }
    if (isDirectory && source !== target) {
      if (this.#isTooDeep(target)) return ENAMETOOLONG;
      // Its ".." changes, which is a write to it (rename(2)).
      if (!mayWrite(caller, node)) return EACCES;
    }
    return existing?.type === "directory" && existing.entries > 0 ? ENOTEMPTY : undefined;
  }

  #isWithin(directory: Node, ancestor: Node): boolean {
    for (let at: Node | undefined = directory; at; at = this.#inodes.get(at.parent)) {
      if (at === ancestor) return true;
      if (at.parent === at.number) return false;
    }
    return false;
  }

  /** Whether a directory in this one would be deeper than EFS lets it be (facts §2.6). */
  #isTooDeep(directory: Node): boolean {
    let levels = 1;
    for (let at: Node | undefined = directory; at && at !== this.root; levels += 1) {
      if (levels >= levelsLimit) return true;
      at = this.#inodes.get(at.parent);
    }
    return false;
  }

  #dropName(writer: Writer, node: Node): void {
    node.links = node.type === "directory" ? 0 : node.links - 1;
    this.#inodes.touch(node);
    if (node.links === 0) this.#inodes.nameless(writer, node);
    else this.#inodes.save(writer, node);
  }

  #saveChanged(writer: Writer, directory: Node): void {
    this.#inodes.touchContents(directory);
    this.#inodes.save(writer, directory);
  }

  #setSize(writer: Writer, caller: Caller, node: Node, size: number): Failure | undefined {
    const refused = this.#contents.resize(writer, node, size);
    if (refused) return refused;
    if (!isRoot(caller)) clearSetIdBits(node);
    node.storageClass = "standard";
    this.#inodes.touchContents(node);
    return undefined;
  }

  #wrote(caller: Caller, node: Node, written: number | Failure): number | Failure {
    if (failed(written)) return written;
    if ((node.mode & 0o6000) !== 0 && !isRoot(caller)) clearSetIdBits(node);
    node.storageClass = "standard";
    this.#inodes.touchContents(node);
    this.#inodes.saveLater(node);
    return written;
  }
}

function checkNewNode(wanted: NewNode): Failure | undefined {
  if (wanted.type !== "symlink") return undefined;
  const length = wanted.target?.length ?? 0;
  if (length === 0) return EINVAL;
  return length > symbolicLinkLimit ? ENAMETOOLONG : undefined;
}
