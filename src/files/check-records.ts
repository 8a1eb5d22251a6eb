// The records of the inodes, each with what is beside it alone: a symbolic link's target, a file's
// contents. They are read once, and what the other parts of the check need of them is gathered.
import type { Random } from "../base/random.ts";
import type { Data, FileKey } from "../data/data.ts";
import type { Reader } from "../store/store.ts";
import type { Watch } from "./check-parts.ts";
import { decodeInodeKey, inlineKey, inodeRange, targetKey } from "./keys.ts";
import { fileSizeLimit } from "./limits.ts";
import { decodeNode, isNodeRecord, Node } from "./node.ts";
import { type Problem, problem, type Repair } from "./problems.ts";
import { storedPieces } from "./redo.ts";
import { type Survey, wasClosed } from "./survey.ts";

/** Adds every inode to `found`; `random` is for the handle of a root that has to be made again. */
export function* checkRecords(
  reader: Reader,
  data: Data,
  found: Survey,
  watch: Watch,
  random?: Random,
): Generator<Problem> {
  const lengths = new Lengths(reader, data);
  for (const { key, value } of watch("inodes", reader.scan(inodeRange()))) {
    const number = decodeInodeKey(key);
    if (!isNodeRecord(value)) {
      found.addUnreadable(number);
      yield problem(`the record of inode ${number} is broken`);
      continue;
    }
    const node = decodeNode(number, value);
    found.add(node);
    if (node.type === "symlink") yield* checkTarget(reader, node);
    if (node.type === "file") yield* checkFile(node, lengths);
  }
  yield* checkRoot(found, random);
}

function* checkRoot(found: Survey, random: Random | undefined): Generator<Problem> {
  const type = found.typeOf(1);
  if (type !== undefined && type !== "directory") {
    yield problem(`inode 1 should be the root directory, it is a ${type}`);
  }
  if (found.isEmpty || found.exists(1)) return;
  // The rest is looked at as if it were there again: its entries may have survived.
  const root = makeRoot(random);
  found.makeRoot(root);
  yield problem("there is no root directory", random && ((repair: Repair) => repair.add(root)));
}

function makeRoot(random: Random | undefined): Node {
  const root = new Node(1, "directory", random?.uint32() ?? 0, random?.uint32() ?? 0);
  root.mode = 0o755;
  root.links = 2;
  root.parent = 1;
  return root;
}

function* checkTarget(reader: Reader, { number, length }: Node): Generator<Problem> {
  const target = reader.get(targetKey(number));
  if (target === undefined) {
    // Nothing else was in it: its names go in the next round.
    yield problem(`inode ${number} is a symbolic link without a target`, (repair) =>
      repair.removeInode(number),
    );
  } else if (length !== target.length) {
    const there = target.length;
    const text = `inode ${number} has a size of ${length}, its target has ${there} bytes`;
    yield problem(text, (repair) => repair.change(number, (node) => (node.length = there)));
  }
}

function* checkFile(node: Node, lengths: Lengths): Generator<Problem> {
  const { number, length, solidLength, sparseBytes } = node;
  const who = `inode ${number}`;
  if (!isWhole(length, 0, fileSizeLimit)) {
    yield problem(`${who} has an impossible size, ${length}`, (repair) =>
      repair.sizeFromContents(number),
    );
    return;
  }
  if (!isWhole(solidLength, 0, length)) {
    yield problem(`${who} is durable to ${solidLength}, its size is ${length}`, (repair) =>
      repair.change(number, (changed) => (changed.solidLength = changed.length)),
    );
  }
  if (!isWhole(sparseBytes, -1, Number.MAX_SAFE_INTEGER)) {
    yield problem(`${who} has impossible room for its contents, ${sparseBytes}`, (repair) =>
      repair.change(number, (changed) => (changed.sparseBytes = -1)),
    );
  }
  yield* lengths.check(node);
}

/** Contents against the sizes in the records. */
class Lengths {
  readonly #reader: Reader;
  readonly #data: Data;
  readonly #wasClosed: boolean;
  /** Where the pieces end that are still to be written to the contents. */
  readonly #pieceEnds = new Map<FileKey, number[]>();

  constructor(reader: Reader, data: Data) {
    this.#reader = reader;
    this.#data = data;
    this.#wasClosed = wasClosed(reader);
    for (const { file, offset, bytes } of storedPieces(reader)) {
      const ends = this.#pieceEnds.get(file) ?? [];
      ends.push(offset + bytes.length);
      this.#pieceEnds.set(file, ends);
    }
  }

  check(node: Node): Generator<Problem> {
    return node.isInline ? this.#checkInline(node) : this.#checkApart(node);
  }

  *#checkInline({ number, length }: Node): Generator<Problem> {
    const there = this.#reader.get(inlineKey(number))?.length ?? 0;
    if (there === length) return;
    const text = `small contents of inode ${number} have ${there} bytes instead of ${length}`;
    yield problem(text, (repair) => repair.change(number, (node) => (node.length = there)));
  }

  *#checkApart({ number, length, solidLength, sparseBytes }: Node): Generator<Problem> {
    const there = Math.max(this.#data.length(number), this.#redoneEnd(number, length));
    const solid = Math.min(solidLength, length);
    if (there < solid && sparseBytes < 0) {
      const text = `contents of inode ${number} end at ${there} instead of ${solid}`;
      yield problem(`${text}: the rest is lost and reads as zeros`, (repair) =>
        repair.change(number, (node) => (node.sparseBytes = this.#data.allocated(number))),
      );
    } else if (there > length && this.#wasClosed) {
      yield problem(`contents of inode ${number} go on past its end, to ${there}`, (repair) =>
        repair.cutContents(number, length),
      );
    }
  }

  /** Pieces past the end of the file are never written (see `checkRedo`). */
  #redoneEnd(number: FileKey, length: number): number {
    const ends = this.#pieceEnds.get(number) ?? [];
    return Math.max(0, ...ends.filter((end) => end <= length));
  }
}

function isWhole(value: number, from: number, to: number): boolean {
  return Number.isInteger(value) && value >= from && value <= to;
}
