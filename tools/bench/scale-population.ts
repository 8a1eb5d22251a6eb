import { failed } from "../../src/files/failure.ts";
import { type FileSystem, type Inode, superuser } from "../../src/files/file-system.ts";

/** What there is in a file system, but for what is being measured. */
export interface Sizes {
  /** Of the wide directory. */
  readonly entries: number;
  /** Narrow directories, over which the other files are spread. */
  readonly directories: number;
}

/** Files `f.FROM` up to but not including `f.TO` of one directory of the root. */
export interface Population {
  readonly directory: string;
  readonly from: number;
  readonly to: number;
  /** The contents of each. */
  readonly bytes: number;
}

export const wideDirectory = "wide";
export const narrowDirectory = (index: number): string => `narrow.${index}`;
export const narrowEntries = 1000;
export const fileName = (index: number): string => `f.${index}`;

/** Files made before anybody else has a turn. */
const batch = 32;

/** Returns how many files it made; they are durable. */
export async function populate(files: FileSystem, population: Population): Promise<number> {
  const { from, to } = population;
  const directory = madeDirectory(files, population.directory);
  const contents = new Uint8Array(population.bytes).fill(0x6d);
  for (let at = from; at < to; at += batch) {
    const made: Inode[] = [];
    for (let index = at; index < Math.min(to, at + batch); index += 1) {
      const file = madeFile(files, directory, fileName(index));
      if (contents.length > 0) await files.write(superuser, file, 0, contents);
      made.push(file);
    }
    if (contents.length > 0) await Promise.all(made.map((file) => committed(files, file)));
    else await durable(files);
  }
  return to - from;
}

export function madeFile(files: FileSystem, directory: Inode, name: string): Inode {
  const made = files.create(superuser, directory, name, { type: "file", mode: 0o644 });
  if (failed(made)) throw new Error(`creating ${name}: ${made.code}`);
  return made;
}

export function durable(files: FileSystem): Promise<void> {
  return new Promise((resolve) => files.whenDurable(files.applied, resolve));
}

export function committed(files: FileSystem, file: Inode): Promise<void> {
  return new Promise((resolve, reject) => {
    files.commit(file, (error) => (error ? reject(error) : resolve()));
  });
}

function madeDirectory(files: FileSystem, name: string): Inode {
  const there = files.lookup(superuser, files.root, name);
  if (!failed(there)) return there;
  const made = files.create(superuser, files.root, name, { type: "directory", mode: 0o755 });
  if (failed(made)) throw new Error(`creating ${name}: ${made.code}`);
  return made;
}
