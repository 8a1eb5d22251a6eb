import { NumberList } from "../base/number-list.ts";
import type { FileKey } from "../data/data.ts";
import type { Reader } from "../store/store.ts";
import type { FileType, Name } from "./file-system.ts";
import { Holdings } from "./holdings.ts";
import { inodeKey, openKey } from "./keys.ts";
import { Meter } from "./meter.ts";
import { decodeNode, type Node, unmetered } from "./node.ts";

/** What there is of an inode; `unreadable` where its record says nothing. */
type Kind = FileType | "inline file" | "unreadable" | "missing";

const kinds: readonly Kind[] = [
  "missing",
  "unreadable",
  "file",
  "inline file",
  "directory",
  "symlink",
  "fifo",
  "socket",
];

/** An entry of a directory. */
export interface Naming {
  readonly directory: FileKey;
  readonly name: Name;
  readonly child: FileKey;
  readonly cookie: number;
}

/** What `Survey` keeps of an inode. */
export interface Surveyed {
  readonly number: FileKey;
  readonly type: FileType;
  /** As its record counts them. */
  readonly links: number;
  readonly names: number;
}

/**
 * What the parts of a check learn of a file system, each for those after it. There may be many
 * millions of inodes: of each it keeps 17 bytes, and of a directory 48 more. Whoever needs the
 * rest reads the record again.
 */
export class Survey {
  readonly holdings = new Holdings();
  readonly meter = new Meter();
  /** Stands for a root that isn't there. */
  #madeRoot: Node | undefined;
  #readable = 0;
  readonly #numbers = new NumberList(Float64Array);
  readonly #kinds = new NumberList(Uint8Array);
  readonly #links = new NumberList(Uint32Array);
  readonly #names = new NumberList(Uint32Array);

  constructor() {
    // The place of the root: it comes first, and whether it is made shows when all were read.
    this.#push(1, "missing");
    this.holdings.push(1, 0);
  }

  /** Inodes come in the order of their numbers. */
  add(node: Node): void {
    const { number, type } = node;
    const index = number === 1 ? 0 : this.#push(number, "missing");
    const kind = type === "file" && node.isInline ? "inline file" : type;
    this.#kinds.set(index, kinds.indexOf(kind));
    this.#links.set(index, node.links);
    if (type === "directory" && number !== 1) this.holdings.push(number, node.parent);
    this.meter.change(unmetered, node.metered);
    this.#readable += 1;
  }

  addUnreadable(number: FileKey): void {
    if (number === 1) this.#kinds.set(0, kinds.indexOf("unreadable"));
    else this.#push(number, "unreadable");
  }

  makeRoot(root: Node): void {
    this.#madeRoot = root;
    this.add(root);
  }

  /** Whether nothing is known of any inode. */
  get isEmpty(): boolean {
    return this.#readable === 0;
  }

  get lastNumber(): FileKey {
    const last = this.#numbers.length - 1;
    return last === 0 && this.#kindAt(0) === "missing" ? 0 : this.#numbers.at(last);
  }

  /** Undefined as well where the record is unreadable. */
  typeOf(number: FileKey): FileType | undefined {
    return typeOfKind(this.#kindOf(number));
  }

  exists(number: FileKey): boolean {
    return this.#kindOf(number) !== "missing";
  }

  /** What belongs to such an inode is left alone. */
  isUnreadable(number: FileKey): boolean {
    return this.#kindOf(number) === "unreadable";
  }

  isInline(number: FileKey): boolean {
    return this.#kindOf(number) === "inline file";
  }

  /** How many names an inode has, once the names are repaired. */
  names(number: FileKey): number {
    const index = this.#numbers.find(number);
    return index < 0 ? 0 : this.#names.at(index);
  }

  count({ directory, name, child, cookie }: Naming): void {
    const index = this.#numbers.find(child);
    this.#names.add(index, 1);
    this.holdings.count(directory, name.length, cookie, this.#kindAt(index) === "directory");
  }

  /** Takes back what `count` did, for one name of each directory. */
  discount({ directory, name, child, cookie }: Naming): void {
    const index = this.#numbers.find(child);
    this.#names.add(index, -1);
    this.holdings.discount(directory, name.length, cookie, this.#kindAt(index) === "directory");
  }

  /** Every inode, in the order of their numbers, but those that are unreadable. */
  *inodes(): Generator<Surveyed> {
    for (let index = 0; index < this.#numbers.length; index += 1) {
      const type = typeOfKind(this.#kindAt(index));
      if (type === undefined) continue;
      yield {
        number: this.#numbers.at(index),
        type,
        links: this.#links.at(index),
        names: this.#names.at(index),
      };
    }
  }

  /** Of an inode that exists and isn't unreadable. */
  node(reader: Reader, number: FileKey): Node {
    if (number === 1 && this.#madeRoot !== undefined) return this.#madeRoot;
    return decodeNode(number, reader.get(inodeKey(number))!);
  }

  #push(number: FileKey, kind: Kind): number {
    this.#numbers.push(number);
    this.#kinds.push(kinds.indexOf(kind));
    this.#links.push(0);
    this.#names.push(0);
    return this.#numbers.length - 1;
  }

  #kindOf(number: FileKey): Kind {
    const index = this.#numbers.find(number);
    return index < 0 ? "missing" : this.#kindAt(index);
  }

  #kindAt(index: number): Kind {
    return kinds[this.#kinds.at(index)]!;
  }
}

function typeOfKind(kind: Kind): FileType | undefined {
  if (kind === "inline file") return "file";
  return kind === "missing" || kind === "unreadable" ? undefined : kind;
}

/** If not, the next opening removes what a crash left over (see ContentsSweep). */
export function wasClosed(reader: Reader): boolean {
  return reader.get(openKey) === undefined;
}

/** A name as people write it. */
export function quoted(name: string): string {
  return JSON.stringify(Buffer.from(name, "latin1").toString());
}
