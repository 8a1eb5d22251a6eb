import type { Clock, Timer } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Data, FileKey } from "../data/data.ts";
import type { ByteString } from "../store/byte-string.ts";
import type { Reader, Sequence, Store, Writer } from "../store/store.ts";
import type { FileType, Timestamp } from "./file-system.ts";
import {
  encodeNumber,
  inodeKey,
  decodeInodeKey,
  decodeNumber,
  numbersKey,
  orphanKey,
  orphanRange,
  targetKey,
} from "./keys.ts";
import { InlineContents } from "./inline-contents.ts";
import {
  cachedInodesLimit,
  inodeNumbersReserved,
  lazyAttributesMs,
  unsavedFilesLimit,
} from "./limits.ts";
import { Meter } from "./meter.ts";
import { decodeNode, encodeNode, type Metered, Node, unmetered } from "./node.ts";

export interface InodeTableOptions {
  readonly store: Store;
  readonly data: Data;
  readonly clock: Clock;
  readonly random: Random;
  /** How many are kept in memory though nobody needs them. */
  readonly cachedInodes?: number;
}

/** A file system's inodes: cached, numbered, stored, and forgotten when nothing needs them. */
export class InodeTable {
  readonly #store: Store;
  readonly #data: Data;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #cachedInodes: number;
  readonly #cache = new Map<FileKey, Node>();
  readonly #dirty = new Set<Node>();
  #nextNumber: FileKey;
  #reservedTo: FileKey;
  /** The commit of the last reservation. */
  #reservedAt: Sequence = 0;
  #saving: Timer | undefined;
  #evicting: Timer | undefined;
  #lastMs = -1;
  #lastTime: Timestamp = { seconds: 0, nanoseconds: 0 };
  /** Of what is stored; attributes that are still lazy are not in it. */
  readonly meter: Meter;

  constructor({ store, data, clock, random, cachedInodes }: InodeTableOptions) {
    this.#store = store;
    this.#data = data;
    this.#clock = clock;
    this.#random = random;
    this.#cachedInodes = cachedInodes ?? cachedInodesLimit;
    this.#nextNumber = numberIn(store, numbersKey, 1);
    this.#reservedTo = this.#nextNumber;
    this.meter = store.read(Meter.read);
  }

  get(number: FileKey): Node | undefined {
    return this.#cache.get(number) ?? this.#store.read((reader) => this.load(reader, number));
  }

  load(reader: Reader, number: FileKey): Node | undefined {
    const cached = this.#cache.get(number);
    if (cached !== undefined) return cached;
    const record = reader.get(inodeKey(number));
    if (record === undefined) return undefined;
    const node = decodeNode(number, record);
    node.meteredSaved = node.metered;
    node.isOrphan = node.links === 0;
    this.#remember(node);
    return node;
  }

  /** As `get`, but not remembered: for walks over everything. */
  peek(number: FileKey): Node | undefined {
    const cached = this.#cache.get(number);
    if (cached !== undefined) return cached;
    return this.#store.read((reader) => {
      const record = reader.get(inodeKey(number));
      return record && decodeNode(number, record);
    });
  }

  /** A node with a number of its own and its times set; it exists once `save` was called. */
  make(writer: Writer, type: FileType): Node {
    if (this.#nextNumber >= this.#reservedTo) {
      this.#reservedTo = this.#nextNumber + inodeNumbersReserved;
      writer.put(numbersKey, encodeNumber(this.#reservedTo));
      this.#reservedAt = this.#store.applied + 1;
    }
    const random = this.#random;
    const node = new Node(this.#nextNumber, type, random.uint32(), random.uint32());
    this.#nextNumber += 1;
    node.isInline = type === "file";
    // A number that a crash lets give again must not find contents.
    node.changeableAt = this.#reservedAt;
    const now = this.now();
    node.accessTime = now;
    node.birthTime = now;
    this.touchContents(node);
    this.#remember(node);
    return node;
  }

  /** Undoes `make` for a node that was not saved. */
  forget(node: Node): void {
    this.#cache.delete(node.number);
  }

  save(writer: Writer, node: Node): void {
    writer.put(inodeKey(node.number), encodeNode(node));
    if (node.isInline) InlineContents.save(writer, node);
    node.redo?.save(writer);
    this.#meter(writer, node, node.metered);
    this.#dirty.delete(node);
  }

  /** The attributes reach the store soon, with those of other files. */
  saveLater(node: Node): void {
    this.#dirty.add(node);
    if (this.#dirty.size >= unsavedFilesLimit) this.saveAll();
    this.#saving ??= this.#clock.schedule(lazyAttributesMs, () => {
      this.#saving = undefined;
      this.saveAll();
    });
  }

  /** Stores the node's attributes if they are ahead of what is stored. */
  saveNow(node: Node): void {
    if (this.#dirty.has(node)) this.#store.write((writer) => this.save(writer, node));
  }

  saveAll(): void {
    if (this.#dirty.size === 0) return;
    this.#store.write((writer) => {
      for (const node of this.#dirty) this.save(writer, node);
    });
  }

  /** The last name is gone: removes the node, or keeps it as an orphan while it is held open. */
  nameless(writer: Writer, node: Node): void {
    if (node.holds > 0) {
      writer.put(orphanKey(node.number), new Uint8Array(0));
      node.isOrphan = true;
      this.save(writer, node);
    } else {
      this.#remove(writer, node);
    }
  }

  release(node: Node): void {
    node.holds -= 1;
    if (node.holds > 0 || node.links > 0) return;
    this.#store.write((writer) => this.#remove(writer, node));
    this.#removeContentsWhenDurable(node);
  }

  removeUnheldOrphans(): void {
    const numbers = this.#store.read((reader) =>
      Array.from(reader.scan(orphanRange()), (entry) => decodeInodeKey(entry.key)),
    );
    for (const number of numbers) {
      const node = this.get(number);
      if (node === undefined || node.holds > 0) continue;
      this.#store.write((writer) => this.#remove(writer, node));
      this.#removeContentsWhenDurable(node);
    }
  }

  /** Called after the transaction in which `nameless` was. */
  removeContentsOf(node: Node): void {
    if (node.links === 0 && node.holds === 0) this.#removeContentsWhenDurable(node);
  }

  touchContents(node: Node): void {
    node.modifyTime = this.now();
    this.touch(node);
  }

  touch(node: Node): void {
    node.changeTime = this.now();
    node.change = Math.max(node.change + 1, Math.floor(this.#lastMs * 1000));
  }

  now(): Timestamp {
    const ms = this.#clock.nowMs();
    if (ms !== this.#lastMs) {
      this.#lastMs = ms;
      const seconds = Math.floor(ms / 1000);
      const nanoseconds = Math.floor((ms - seconds * 1000) * 1000) * 1000;
      this.#lastTime = { seconds, nanoseconds };
    }
    return this.#lastTime;
  }

  close(): void {
    this.#saving?.cancel();
    this.#evicting?.cancel();
    this.saveAll();
  }

  #remove(writer: Writer, node: Node): void {
    writer.remove(inodeKey(node.number));
    if (node.isOrphan) writer.remove(orphanKey(node.number));
    InlineContents.remove(writer, node);
    node.redo?.remove(writer);
    if (node.type === "symlink") writer.remove(targetKey(node.number));
    this.#meter(writer, node, unmetered);
    this.#cache.delete(node.number);
    this.#dirty.delete(node);
    node.removed = true;
  }

  #removeContentsWhenDurable(node: Node): void {
    if (node.type !== "file" || node.isInline) return;
    // Not before: after a crash the name may be there still, and then so must be the contents.
    this.#store.whenDurable(this.#store.applied, () => this.#data.remove(node.number));
  }

  #meter(writer: Writer, node: Node, metered: Metered): void {
    if (!this.meter.change(node.meteredSaved, metered)) return;
    this.meter.save(writer);
    node.meteredSaved = metered;
  }

  #remember(node: Node): void {
    this.#cache.set(node.number, node);
    if (this.#cache.size <= this.#cachedInodes) return;
    // Later, when nobody is in the middle of an operation with nodes in hand.
    this.#evicting ??= this.#clock.schedule(0, () => {
      this.#evicting = undefined;
      this.#evict();
    });
  }

  #evict(): void {
    for (const node of this.#cache.values()) {
      if (this.#cache.size <= this.#cachedInodes) return;
      if (this.#mayEvict(node)) this.#cache.delete(node.number);
    }
  }

  #mayEvict(node: Node): boolean {
    const isStored = node.changeableAt <= this.#store.durable && !this.#dirty.has(node);
    const isNeeded = node.holds > 0 || node.pins > 0 || node.number === 1;
    return isStored && node.isSettled && !isNeeded;
  }
}

function numberIn(store: Store, key: ByteString, otherwise: number): number {
  return store.read((reader) => {
    const value = reader.get(key);
    return value === undefined ? otherwise : decodeNumber(value);
  });
}
