// Stable writes to a file's contents, kept in the store until the contents themselves are flushed:
// one flush of the journal then serves many clients and files. After a crash they are written to
// the contents again.
import type { Reader, Writer } from "../store/store.ts";
import type { FileKey } from "../data/data.ts";
import { decodeRedoKey, redoKey, redoRange } from "./keys.ts";
import { redoPieceLimit, redoPiecesLimit } from "./limits.ts";
import { spareContents } from "./spare-bytes.ts";

/** A piece of contents by where it begins; `bytes` until it is stored. */
interface Piece {
  readonly length: number;
  /** Which write of the file it is. */
  readonly number: number;
  bytes: Uint8Array | undefined;
}

/** The pieces of one file. Pieces never overlap, so that their order doesn't matter. */
export class Redo {
  readonly #file: FileKey;
  readonly #pieces = new Map<number, Piece>();
  /** Stored, and of no use any more. */
  readonly #spent = new Set<number>();
  /** Of all pieces. */
  #end = 0;
  #lastNumber = 0;

  constructor(file: FileKey) {
    this.#file = file;
  }

  /** Nothing of it is stored, or to be stored. */
  get isEmpty(): boolean {
    return !this.isNeeded && this.#spent.size === 0;
  }

  /** A crash now would need it. */
  get isNeeded(): boolean {
    return this.#pieces.size > 0;
  }

  /** Time for a flush, so that there is room again before there is none. */
  get isLarge(): boolean {
    return this.#pieces.size >= redoPiecesLimit / 2;
  }

  /** Takes a copy of the bytes; false where only a flush can make them durable. */
  add(offset: number, bytes: Uint8Array): boolean {
    if (bytes.length > redoPieceLimit || this.#pieces.size >= redoPiecesLimit) return false;
    const known = this.#pieces.get(offset);
    if (
      known === undefined ? this.#overlaps(offset, bytes.length) : known.length !== bytes.length
    ) {
      return false;
    }
    this.#set(offset, bytes.length, spareContents.copy(bytes));
    return true;
  }

  /** Notes a piece that is stored already. */
  has(offset: number, length: number): void {
    this.#set(offset, length, undefined);
  }

  /** With the inode's record. */
  save(writer: Writer): void {
    for (const offset of this.#spent) writer.remove(redoKey(this.#file, offset));
    this.#spent.clear();
    for (const [offset, piece] of this.#pieces) {
      if (piece.bytes === undefined) continue;
      writer.put(redoKey(this.#file, offset), piece.bytes);
      spareContents.giveBack(piece.bytes);
      piece.bytes = undefined;
    }
  }

  /** The file ends at `size` from the writer's commit on: what is past it must not come back. */
  cut(writer: Writer, size: number): void {
    for (const [offset, piece] of this.#pieces) {
      if (offset + piece.length <= size) continue;
      this.#spend(offset);
      const left = size - offset;
      if (left <= 0) continue;
      const bytes = piece.bytes ?? writer.get(redoKey(this.#file, offset));
      if (bytes === undefined) continue;
      const kept = Uint8Array.prototype.slice.call(bytes, 0, left);
      this.#set(offset, left, kept, piece.number);
    }
  }

  remove(writer: Writer): void {
    this.cut(writer, 0);
    this.save(writer);
  }

  /** The last write, for `flushed`: a flush that begins now makes all so far needless. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  flushed(lastNumber: number): void {
    for (const [offset, piece] of this.#pieces) {
      if (piece.number <= lastNumber) this.#spend(offset);
    }
  }

  #set(offset: number, length: number, bytes: Uint8Array | undefined, number?: number): void {
    this.#lastNumber += number === undefined ? 1 : 0;
    this.#pieces.set(offset, { length, number: number ?? this.#lastNumber, bytes });
    this.#spent.delete(offset);
    this.#end = Math.max(this.#end, offset + length);
  }

  #spend(offset: number): void {
    this.#pieces.delete(offset);
    this.#spent.add(offset);
  }

  #overlaps(offset: number, length: number): boolean {
    if (offset >= this.#end) return false;
    for (const [start, piece] of this.#pieces) {
      if (start < offset + length && offset < start + piece.length) return true;
    }
    return false;
  }
}

export interface StoredPiece {
  readonly file: FileKey;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Every piece that a crash left, by file. */
export function* storedPieces(reader: Reader): Generator<StoredPiece> {
  for (const { key, value } of reader.scan(redoRange())) {
    yield { ...decodeRedoKey(key), bytes: value };
  }
}
