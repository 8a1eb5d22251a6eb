import type { Random } from "../base/random.ts";
import type { FileKey } from "../data/data.ts";
import type { Reader } from "../store/store.ts";
import { decodeInodeKey, inodeRange } from "./keys.ts";
import { decodeNode, isNodeRecord, Node } from "./node.ts";
import { type Problem, problem, type Repair } from "./problems.ts";

/** What the parts of a check learn of a file system, each for those after it. */
export interface Survey {
  readonly nodes: Map<FileKey, Node>;
  /** Inodes whose record says nothing; what belongs to them is left alone. */
  readonly unreadable: ReadonlySet<FileKey>;
  /** For each inode how many names it has, once the names are repaired. */
  readonly names: Map<FileKey, number>;
  /** For each directory what it holds, once the names are repaired. */
  readonly holdings: Map<FileKey, Holding>;
  readonly problems: readonly Problem[];
}

export interface Holding {
  entries: number;
  bytes: number;
  directories: number;
  lastCookie: number;
}

/** Reads every inode; `random` is for the handle of a root that has to be made again. */
export function survey(reader: Reader, random?: Random): Survey {
  const nodes = new Map<FileKey, Node>();
  const unreadable = new Set<FileKey>();
  const problems: Problem[] = [];
  for (const { key, value } of reader.scan(inodeRange())) {
    const number = decodeInodeKey(key);
    if (isNodeRecord(value)) nodes.set(number, decodeNode(number, value));
    else {
      unreadable.add(number);
      problems.push(problem(`the record of inode ${number} is broken`));
    }
  }
  const root = nodes.get(1);
  if (root !== undefined && root.type !== "directory") {
    problems.push(problem(`inode 1 should be the root directory, it is a ${root.type}`));
  }
  if (nodes.size > 0 && root === undefined && !unreadable.has(1)) {
    // The rest is looked at as if it were there again: its entries may have survived.
    const made = makeRoot(random);
    nodes.set(1, made);
    const repair = random && ((repair: Repair) => repair.add(made));
    problems.push(problem("there is no root directory", repair));
  }
  return { nodes, unreadable, names: new Map(), holdings: new Map(), problems };
}

function makeRoot(random: Random | undefined): Node {
  const generation = random?.bytes(8) ?? new Uint8Array(8);
  const view = new DataView(generation.buffer, generation.byteOffset, 8);
  const root = new Node(1, "directory", view.getUint32(0), view.getUint32(4));
  root.mode = 0o755;
  root.links = 2;
  root.parent = 1;
  return root;
}

/** A name as people write it. */
export function quoted(name: string): string {
  return JSON.stringify(Buffer.from(name, "latin1").toString());
}
