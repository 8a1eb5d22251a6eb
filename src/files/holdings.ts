import { NumberList } from "../base/number-list.ts";
import type { FileKey } from "../data/data.ts";
import { entrySize } from "./node.ts";

/** What a directory holds. */
export interface Holding {
  readonly entries: number;
  readonly bytes: number;
  readonly directories: number;
  readonly lastCookie: number;
}

const nothing: Holding = { entries: 0, bytes: 0, directories: 0, lastCookie: 0 };

/** Every directory of a file system with what it holds, in 48 bytes each. */
export class Holdings {
  readonly #numbers = new NumberList(Float64Array);
  readonly #parents = new NumberList(Float64Array);
  readonly #entries = new NumberList(Uint32Array);
  readonly #bytes = new NumberList(Float64Array);
  readonly #directories = new NumberList(Uint32Array);
  readonly #lastCookies = new NumberList(Float64Array);
  /** What the last one is where the name that has it doesn't count after all. */
  readonly #cookiesBefore = new NumberList(Float64Array);

  get length(): number {
    return this.#numbers.length;
  }

  /** Directories come in the order of their numbers. `parent`: as the record has it; 0: none. */
  push(directory: FileKey, parent: FileKey): void {
    this.#numbers.push(directory);
    this.#parents.push(parent);
    this.#entries.push(0);
    this.#bytes.push(0);
    this.#directories.push(0);
    this.#lastCookies.push(0);
    this.#cookiesBefore.push(0);
  }

  /** -1 for what is no directory. */
  indexOf(directory: FileKey): number {
    return this.#numbers.find(directory);
  }

  numberAt(index: number): FileKey {
    return this.#numbers.at(index);
  }

  /** 0 for what is no directory. */
  parentOf(directory: FileKey): FileKey {
    const index = this.indexOf(directory);
    return index < 0 ? 0 : this.#parents.at(index);
  }

  count(directory: FileKey, nameLength: number, cookie: number, isDirectory: boolean): void {
    const index = this.indexOf(directory);
    if (index < 0) return;
    this.#add(index, 1, nameLength, isDirectory);
    const last = this.#lastCookies.at(index);
    this.#lastCookies.set(index, Math.max(last, cookie));
    const before = Math.max(this.#cookiesBefore.at(index), Math.min(last, cookie));
    this.#cookiesBefore.set(index, before);
  }

  /** Takes back what `count` did, for one name of each directory. */
  discount(directory: FileKey, nameLength: number, cookie: number, isDirectory: boolean): void {
    const index = this.indexOf(directory);
    if (index < 0) return;
    this.#add(index, -1, nameLength, isDirectory);
    if (this.#lastCookies.at(index) === cookie) {
      this.#lastCookies.set(index, this.#cookiesBefore.at(index));
    }
  }

  of(directory: FileKey): Holding {
    const index = this.indexOf(directory);
    if (index < 0) return nothing;
    return {
      entries: this.#entries.at(index),
      bytes: this.#bytes.at(index),
      directories: this.#directories.at(index),
      lastCookie: this.#lastCookies.at(index),
    };
  }

  #add(index: number, sign: 1 | -1, nameLength: number, isDirectory: boolean): void {
    this.#entries.add(index, sign);
    this.#bytes.add(index, sign * entrySize(nameLength));
    if (isDirectory) this.#directories.add(index, sign);
  }
}
