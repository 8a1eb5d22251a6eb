// Contents against the inodes that they belong to: those in the store, and those in the data engine.
import type { Data, FileKey } from "../data/data.ts";
import type { Reader } from "../store/store.ts";
import { hasPossibleSize } from "./check-inodes.ts";
import { decodeInodeKey, inlineKey, inlineRange, openKey, redoKey } from "./keys.ts";
import type { Node } from "./node.ts";
import { type Problem, problem } from "./problems.ts";
import { storedPieces } from "./redo.ts";
import type { Survey } from "./survey.ts";

/** After `checkInodes`. */
export function* checkContents(reader: Reader, data: Data, found: Survey): Generator<Problem> {
  if (found.nodes.size === 0) {
    const [any] = [...data.list(), ...reader.scan({ ...inlineRange(), limit: 1 })];
    if (any !== undefined) yield problem("there are contents, and not one inode");
    return;
  }
  // After a crash the next opening removes what is left over (see ContentsSweep).
  const wasClosed = reader.get(openKey) === undefined;
  yield* checkFiles(data, found, wasClosed);
  yield* checkInline(reader, found);
  const redone = new Map<FileKey, number>();
  yield* checkRedo(reader, found, redone);
  for (const node of found.nodes.values()) {
    if (node.type !== "file" || !hasPossibleSize(node)) continue;
    if (node.isInline) yield* checkInlineLength(reader, node);
    else yield* checkLength(data, node, wasClosed, redone.get(node.number) ?? 0);
  }
}

function* checkFiles(data: Data, found: Survey, wasClosed: boolean): Generator<Problem> {
  for (const file of data.list()) {
    if (found.unreadable.has(file)) continue;
    const node = found.nodes.get(file);
    if (!wasClosed && (node === undefined || node.isInline)) continue;
    const whose = hasNoneApart(node);
    if (whose === undefined) continue;
    yield problem(`contents of inode ${file}, which ${whose}`, (repair) =>
      repair.removeContents(file),
    );
  }
}

function notAFile(node: Node | undefined): string | undefined {
  if (node === undefined) return "does not exist";
  return node.type === "file" ? undefined : `is a ${node.type}`;
}

/** Why there can't be contents outside of the store. */
function hasNoneApart(node: Node | undefined): string | undefined {
  return notAFile(node) ?? (node?.isInline ? "has its own with it" : undefined);
}

function* checkInline(reader: Reader, found: Survey): Generator<Problem> {
  for (const { key } of reader.scan(inlineRange())) {
    const number = decodeInodeKey(key);
    if (found.unreadable.has(number)) continue;
    const node = found.nodes.get(number);
    const whose = notAFile(node) ?? (node?.isInline ? undefined : "has contents of its own");
    if (whose === undefined) continue;
    yield problem(`small contents of inode ${number}, which ${whose}`, ({ writer }) =>
      writer.remove(inlineKey(number)),
    );
  }
}

function* checkInlineLength(reader: Reader, node: Node): Generator<Problem> {
  const there = reader.get(inlineKey(node.number))?.length ?? 0;
  if (there === node.length) return;
  const text = `small contents of inode ${node.number} have ${there} bytes instead of ${node.length}`;
  yield problem(text, (repair) => repair.change(node, () => (node.length = there)));
}

/** Notes in `redone` how far the pieces of each file reach. */
function* checkRedo(
  reader: Reader,
  found: Survey,
  redone: Map<FileKey, number>,
): Generator<Problem> {
  for (const { file, offset, bytes } of storedPieces(reader)) {
    if (found.unreadable.has(file)) continue;
    const node = found.nodes.get(file);
    const whose = hasNoneApart(node);
    const end = offset + bytes.length;
    if (whose === undefined && end <= node!.length) {
      redone.set(file, Math.max(redone.get(file) ?? 0, end));
      continue;
    }
    const text = `contents to be written to inode ${file} at ${offset}, which`;
    yield problem(`${text} ${whose ?? `ends at ${node!.length}`}`, ({ writer }) =>
      writer.remove(redoKey(file, offset)),
    );
  }
}

function* checkLength(
  data: Data,
  node: Node,
  wasClosed: boolean,
  redoneEnd: number,
): Generator<Problem> {
  const { number, length } = node;
  const there = Math.max(data.length(number), redoneEnd);
  const solidLength = Math.min(node.solidLength, length);
  if (there < solidLength && node.sparseBytes < 0) {
    const text = `contents of inode ${number} end at ${there} instead of ${solidLength}`;
    yield problem(`${text}: the rest is lost and reads as zeros`, (repair) =>
      repair.change(node, () => (node.sparseBytes = data.allocated(number))),
    );
  } else if (there > length && wasClosed) {
    yield problem(`contents of inode ${number} go on past its end, to ${there}`, (repair) =>
      repair.cutContents(number, length),
    );
  }
}
