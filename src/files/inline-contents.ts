import type { Store, Writer } from "../store/store.ts";
import { inlineKey, redoKey } from "./keys.ts";
import type { Node } from "./node.ts";
import { Redo } from "./redo.ts";
import { spareContents } from "./spare-bytes.ts";

/**
 * The contents of small files: kept in the store, in the same commit as the inode's record, so
 * that a small file costs neither a file of the machine nor a flush of its own.
 */
export class InlineContents {
  readonly #store: Store;
  readonly #limit: number;

  /** `limit`: bytes of the largest file. */
  constructor(store: Store, limit: number) {
    this.#store = store;
    this.#limit = limit;
  }

  fits(length: number): boolean {
    return length <= this.#limit;
  }

  /** `target` lies within the file's size. */
  read(node: Node, offset: number, target: Uint8Array): void {
    if (node.unsavedContents !== undefined) {
      target.set(node.unsavedContents.subarray(offset, offset + target.length));
      return;
    }
    this.#store.read((reader) => {
      const stored = reader.get(inlineKey(node.number)) ?? nothing;
      const found = stored.subarray(offset, offset + target.length);
      target.set(found);
      // Only of a file system that is broken; the check says so.
      target.fill(0, found.length);
    });
  }

  write(node: Node, offset: number, bytes: Uint8Array): void {
    const length = Math.max(node.length, offset + bytes.length);
    if (bytes.length === length) {
      node.unsavedContents = spareContents.copy(bytes);
    } else {
      node.unsavedContents = this.#resized(node, length);
      node.unsavedContents.set(bytes, offset);
    }
    node.length = length;
  }

  resize(node: Node, size: number): void {
    node.unsavedContents = this.#resized(node, size);
    node.length = size;
  }

  /** A copy of everything. */
  all(node: Node): Uint8Array {
    return this.#resized(node, node.length);
  }

  /** The file has contents of its own now, which a flush has yet to make durable. */
  spill(writer: Writer, node: Node, contents: Uint8Array): void {
    InlineContents.remove(writer, node);
    node.isInline = false;
    node.solidLength = node.length;
    if (contents.length === 0) return;
    node.redo = new Redo(node.number);
    node.redo.has(0, contents.length);
    writer.put(redoKey(node.number, 0), contents);
  }

  /** With the inode's record. */
  static save(writer: Writer, node: Node): void {
    const contents = node.unsavedContents;
    if (contents === undefined) return;
    node.unsavedContents = undefined;
    if (contents.length > 0) writer.put(inlineKey(node.number), contents);
    else if (node.hasInlineStored) writer.remove(inlineKey(node.number));
    spareContents.giveBack(contents);
    node.hasInlineStored = contents.length > 0;
  }

  static remove(writer: Writer, node: Node): void {
    if (node.hasInlineStored) writer.remove(inlineKey(node.number));
    node.hasInlineStored = false;
    node.unsavedContents = undefined;
  }

  /** A copy with another length, zeros behind the end of what there was. */
  #resized(node: Node, length: number): Uint8Array {
    const contents = new Uint8Array(length);
    const there = Math.min(node.length, length);
    if (there > 0) this.read(node, 0, contents.subarray(0, there));
    return contents;
  }
}

const nothing = new Uint8Array(0);
