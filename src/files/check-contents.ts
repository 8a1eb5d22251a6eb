// Contents of inodes that have none: in the store, in the data engine, and on the way between.
import type { Data, FileKey } from "../data/data.ts";
import type { Entry, Reader } from "../store/store.ts";
import type { Watch } from "./check-parts.ts";
import { decodeInodeKey, inlineKey, inlineRange, redoKey } from "./keys.ts";
import type { Node } from "./node.ts";
import { type Problem, problem } from "./problems.ts";
import { storedPieces } from "./redo.ts";
import { type Survey, wasClosed } from "./survey.ts";

/** After `checkRecords`. */
export function* checkContents(
  reader: Reader,
  data: Data,
  found: Survey,
  watch: Watch,
): Generator<Problem> {
  if (found.isEmpty) {
    if (hasContents(reader, data)) yield problem("there are contents, and not one inode");
    return;
  }
  yield* checkApart(watch("contents apart", data.list()), found, wasClosed(reader));
  yield* checkInline(watch("small contents", reader.scan(inlineRange())), found);
  yield* checkRedo(reader, found);
}

function hasContents(reader: Reader, data: Data): boolean {
  const [file] = data.list();
  const [entry] = reader.scan({ ...inlineRange(), limit: 1 });
  return file !== undefined || entry !== undefined;
}

function* checkApart(
  files: Iterable<FileKey>,
  found: Survey,
  isClosed: boolean,
): Generator<Problem> {
  for (const file of files) {
    if (found.isUnreadable(file)) continue;
    if (!isClosed && (!found.exists(file) || found.isInline(file))) continue;
    const whose = hasNoneApart(found, file);
    if (whose === undefined) continue;
    yield problem(`contents of inode ${file}, which ${whose}`, (repair) =>
      repair.removeContents(file),
    );
  }
}

function notAFile(found: Survey, number: FileKey): string | undefined {
  const type = found.typeOf(number);
  if (type === undefined) return "does not exist";
  return type === "file" ? undefined : `is a ${type}`;
}

/** Why there can't be contents outside of the store. */
function hasNoneApart(found: Survey, number: FileKey): string | undefined {
  return notAFile(found, number) ?? (found.isInline(number) ? "has its own with it" : undefined);
}

function* checkInline(entries: Iterable<Entry>, found: Survey): Generator<Problem> {
  for (const { key } of entries) {
    const number = decodeInodeKey(key);
    if (found.isUnreadable(number)) continue;
    const isInline = found.isInline(number);
    const whose = notAFile(found, number) ?? (isInline ? undefined : "has contents of its own");
    if (whose === undefined) continue;
    yield problem(`small contents of inode ${number}, which ${whose}`, ({ writer }) =>
      writer.remove(inlineKey(number)),
    );
  }
}

function* checkRedo(reader: Reader, found: Survey): Generator<Problem> {
  for (const { file, offset, bytes } of storedPieces(reader)) {
    if (found.isUnreadable(file)) continue;
    const end = offset + bytes.length;
    const whose = hasNoneApart(found, file) ?? endsBefore(found.node(reader, file), end);
    if (whose === undefined) continue;
    const text = `contents to be written to inode ${file} at ${offset}, which`;
    yield problem(`${text} ${whose}`, ({ writer }) => writer.remove(redoKey(file, offset)));
  }
}

function endsBefore({ length }: Node, end: number): string | undefined {
  return end <= length ? undefined : `ends at ${length}`;
}
