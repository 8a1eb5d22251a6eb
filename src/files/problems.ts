import type { Data, FileKey } from "../data/data.ts";
import type { Writer } from "../store/store.ts";
import { addEntry } from "./directories.ts";
import { cookieKey, decodeInodeKey, inodeKey, inodeRange, nameKey } from "./keys.ts";
import { Meter } from "./meter.ts";
import { decodeNode, encodeNode, isNodeRecord, type Node, unmetered } from "./node.ts";

/** Something in a file system that doesn't fit the rest of it. */
export interface Problem {
  /** A sentence for people, without a full stop. */
  readonly text: string;
  /** Undefined where nothing can be done about it. */
  readonly repair: ((repair: Repair) => void) | undefined;
}

export function problem(text: string, repair?: (repair: Repair) => void): Problem {
  return { text, repair };
}

/** The transaction in which the problems of one check are repaired, in the order of the check. */
export class Repair {
  readonly writer: Writer;
  readonly #data: Data;
  /** Those that are changed. */
  readonly #nodes = new Map<FileKey, Node>();
  readonly #contents: (() => void)[] = [];

  constructor(writer: Writer, data: Data) {
    this.writer = writer;
    this.#data = data;
  }

  /** An inode that a repair before has removed stays away. */
  change(number: FileKey, change: (node: Node) => void): void {
    const node = this.#node(number);
    if (node !== undefined) change(node);
  }

  add(node: Node): void {
    this.#nodes.set(node.number, node);
  }

  removeInode(number: FileKey): void {
    this.#nodes.delete(number);
    this.writer.remove(inodeKey(number));
  }

  /** Gives an inode that has lost its name another one in the root, with which it has `links`. */
  linkIntoRoot(number: FileKey, links: number): void {
    const node = this.#node(number);
    const root = this.#node(1);
    if (node === undefined || root?.type !== "directory") return;
    let name = `lost+found-${number}`;
    while (this.writer.get(nameKey(1, name)) !== undefined) name += "-again";
    // A directory with a broken counter may have given the next cookie away before.
    while (this.writer.get(cookieKey(1, root.nextCookie)) !== undefined) root.nextCookie += 1;
    addEntry(this.writer, root, name, node);
    node.links = links;
    if (node.type === "directory") node.parent = 1;
  }

  sizeFromContents(number: FileKey): void {
    const length = this.#data.length(number);
    this.change(number, (node) => {
      node.length = length;
      node.solidLength = length;
    });
  }

  removeContents(file: FileKey): void {
    this.#contents.push(() => this.#data.remove(file));
  }

  cutContents(file: FileKey, length: number): void {
    this.#contents.push(() => this.#data.truncate(file, length));
  }

  /** The last step of the transaction. */
  finish(): void {
    for (const node of this.#nodes.values())
      this.writer.put(inodeKey(node.number), encodeNode(node));
    const meter = new Meter();
    for (const { key, value } of this.writer.scan(inodeRange())) {
      if (!isNodeRecord(value)) continue;
      meter.change(unmetered, decodeNode(decodeInodeKey(key), value).metered);
    }
    meter.save(this.writer);
  }

  /** After the transaction. */
  finishContents(): void {
    for (const change of this.#contents) change();
  }

  #node(number: FileKey): Node | undefined {
    const known = this.#nodes.get(number);
    if (known !== undefined) return known;
    const record = this.writer.get(inodeKey(number));
    if (record === undefined || !isNodeRecord(record)) return undefined;
    const node = decodeNode(number, record);
    this.#nodes.set(number, node);
    return node;
  }
}
