// Operations whose cost must not depend on how many files there are. Each is done for some time
// and counted; those that change the file system leave it as they found it, but for its journal.
import type { SeededRandom } from "../../src/base/random.ts";
import { failed } from "../../src/files/failure.ts";
import { type FileSystem, type Inode, superuser } from "../../src/files/file-system.ts";
import {
  committed,
  durable,
  fileName,
  madeFile,
  narrowDirectory,
  narrowEntries,
  type Sizes,
  wideDirectory,
} from "./scale-population.ts";

/** Operations in one turn, as if so many requests had come together. */
const depth = 32;
const pageEntries = 100;
const firstCookie = 3;
const smallFile = new Uint8Array(4096).fill(0x6d);

type Case = (seconds: number) => number | Promise<number>;

export class ScaleCases {
  readonly #files: FileSystem;
  readonly #random: SeededRandom;
  readonly #sizes: Sizes;
  /** Names of files made and not removed yet, in the wide directory. */
  #made: string[] = [];
  #count = 0;

  readonly #cases: Readonly<Record<string, Case>> = {
    "look up in the directory": (seconds) => this.#lookUp(seconds),
    "look up anywhere": (seconds) => this.#lookUpAnywhere(seconds),
    "list 100 entries": (seconds) => this.#list(seconds),
    create: (seconds) => this.#create(seconds),
    "create and list 100": (seconds) => this.#createAndList(seconds),
    remove: () => this.#remove(),
    "small file": (seconds) => this.#smallFile(seconds),
    "remove small file": () => this.#remove(),
  };

  constructor(files: FileSystem, random: SeededRandom, sizes: Sizes) {
    this.#files = files;
    this.#random = random;
    this.#sizes = sizes;
  }

  /** Returns how many operations there were. */
  async run(name: string, seconds: number): Promise<number> {
    const found = this.#cases[name];
    if (found === undefined) throw new Error(`no case ${name}`);
    return found(seconds);
  }

  #lookUp(seconds: number): Promise<number> {
    const directory = this.#directory(wideDirectory);
    const { entries } = this.#sizes;
    return this.#repeat(seconds, () => {
      this.#found(directory, fileName(this.#random.below(entries)));
    });
  }

  #lookUpAnywhere(seconds: number): Promise<number> {
    const { root } = this.#files;
    const { directories } = this.#sizes;
    return this.#repeat(seconds, () => {
      const directory = this.#found(root, narrowDirectory(this.#random.below(directories)));
      this.#found(directory, fileName(this.#random.below(narrowEntries)));
    });
  }

  #list(seconds: number): Promise<number> {
    const directory = this.#directory(wideDirectory);
    const { entries } = this.#sizes;
    return this.#repeat(seconds, () => this.#page(directory, entries));
  }

  #create(seconds: number): Promise<number> {
    const directory = this.#directory(wideDirectory);
    return this.#repeatDurably(seconds, () => {
      madeFile(this.#files, directory, this.#newName());
    });
  }

  #createAndList(seconds: number): Promise<number> {
    const directory = this.#directory(wideDirectory);
    const { entries } = this.#sizes;
    return this.#repeatDurably(seconds, () => {
      madeFile(this.#files, directory, this.#newName());
      this.#page(directory, entries);
    });
  }

  async #smallFile(seconds: number): Promise<number> {
    const directory = this.#directory(wideDirectory);
    const endMs = performance.now() + seconds * 1000;
    let operations = 0;
    while (performance.now() < endMs) {
      const made: Inode[] = [];
      for (let count = 0; count < depth; count += 1) {
        const file = madeFile(this.#files, directory, this.#newName());
        await this.#files.write(superuser, file, 0, smallFile);
        made.push(file);
      }
      await Promise.all(made.map((file) => committed(this.#files, file)));
      operations += depth;
    }
    return operations;
  }

  /** Everything that other cases made. */
  async #remove(): Promise<number> {
    const directory = this.#directory(wideDirectory);
    const names = this.#made;
    this.#made = [];
    for (const [index, name] of names.entries()) {
      const refused = this.#files.remove(superuser, directory, name, "file");
      if (refused) throw new Error(`removing ${name}: ${refused.code}`);
      if (index % depth === depth - 1) await durable(this.#files);
    }
    await durable(this.#files);
    return names.length;
  }

  #page(directory: Inode, entries: number): void {
    let left = pageEntries;
    const from = firstCookie + this.#random.below(Math.max(1, entries - pageEntries));
    this.#files.readDirectory(superuser, directory, from, true, () => {
      left -= 1;
      return left > 0;
    });
    if (left > 0) throw new Error(`a page of the directory lacks ${left} entries`);
  }

  async #repeat(seconds: number, operation: () => void): Promise<number> {
    const endMs = performance.now() + seconds * 1000;
    let operations = 0;
    while (performance.now() < endMs) {
      for (let count = 0; count < depth; count += 1) operation();
      operations += depth;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return operations;
  }

  async #repeatDurably(seconds: number, operation: () => void): Promise<number> {
    const endMs = performance.now() + seconds * 1000;
    let operations = 0;
    while (performance.now() < endMs) {
      for (let count = 0; count < depth; count += 1) operation();
      await durable(this.#files);
      operations += depth;
    }
    return operations;
  }

  #newName(): string {
    const name = `made.${this.#count}`;
    this.#count += 1;
    this.#made.push(name);
    return name;
  }

  #directory(name: string): Inode {
    return this.#found(this.#files.root, name);
  }

  #found(directory: Inode, name: string): Inode {
    const found = this.#files.lookup(superuser, directory, name);
    if (failed(found)) throw new Error(`looking up ${name}: ${found.code}`);
    return found;
  }
}
