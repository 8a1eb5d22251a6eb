import type { Data, FileKey } from "../data/data.ts";
import type { Writer } from "../store/store.ts";
import { addEntry } from "./directories.ts";
import { cookieKey, inodeKey, nameKey } from "./keys.ts";
import { Meter } from "./meter.ts";
import { encodeNode, type Node, unmetered } from "./node.ts";

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
  readonly #nodes: Map<FileKey, Node>;
  readonly #changed = new Set<Node>();
  readonly #contents: (() => void)[] = [];

  /** `nodes`: every inode, as the check found it. */
  constructor(writer: Writer, data: Data, nodes: Map<FileKey, Node>) {
    this.writer = writer;
    this.#data = data;
    this.#nodes = nodes;
  }

  change(node: Node, change: (node: Node) => void): void {
    change(node);
    this.add(node);
  }

  add(node: Node): void {
    this.#nodes.set(node.number, node);
    this.#changed.add(node);
  }

  removeInode(node: Node): void {
    this.#nodes.delete(node.number);
    this.#changed.delete(node);
    this.writer.remove(inodeKey(node.number));
  }

  /** Gives an inode that has lost its name another one in the root. */
  linkIntoRoot(node: Node): void {
    const root = this.#nodes.get(1);
    if (root?.type !== "directory") return;
    let name = `lost+found-${node.number}`;
    while (this.writer.get(nameKey(1, name)) !== undefined) name += "-again";
    // A directory with a broken counter may have given the next cookie away before.
    while (this.writer.get(cookieKey(1, root.nextCookie)) !== undefined) root.nextCookie += 1;
    addEntry(this.writer, root, name, node);
    if (node.type === "directory") node.parent = 1;
    else node.links = 1;
    this.add(root);
    this.add(node);
  }

  sizeFromContents(node: Node): void {
    node.length = this.#data.length(node.number);
    node.solidLength = node.length;
    this.add(node);
  }

  removeContents(file: FileKey): void {
    this.#contents.push(() => this.#data.remove(file));
  }

  cutContents(file: FileKey, length: number): void {
    this.#contents.push(() => this.#data.truncate(file, length));
  }

  /** The last step of the transaction. */
  finish(): void {
    for (const node of this.#changed) this.writer.put(inodeKey(node.number), encodeNode(node));
    const meter = new Meter();
    for (const node of this.#nodes.values()) meter.change(unmetered, node.metered);
    meter.save(this.writer);
  }

  /** After the transaction. */
  finishContents(): void {
    for (const change of this.#contents) change();
  }
}
