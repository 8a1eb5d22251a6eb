import { rmSync } from "node:fs";

import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { FileSystemOpener } from "../cloud/efs/file-systems.ts";
import { LocalData } from "../data/local/local-data.ts";
import type { FileSystem } from "../files/file-system.ts";
import { PosixFileSystem } from "../files/posix-file-system.ts";
import { LmdbStore } from "../store/lmdb/lmdb-store.ts";
import type { DataDirectory } from "./data-directory.ts";

/** File systems on the machine's disk, opened when they are first used. */
export class LocalFileSystems implements FileSystemOpener {
  readonly #directory: DataDirectory;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #open = new Map<string, PosixFileSystem>();

  constructor(directory: DataDirectory, clock: Clock, random: Random) {
    this.#directory = directory;
    this.#clock = clock;
    this.#random = random;
  }

  open(fileSystemId: string): FileSystem {
    const known = this.#open.get(fileSystemId);
    if (known !== undefined) return known;
    const { names, contents } = this.#directory.fileSystem(fileSystemId);
    const clock = this.#clock;
    const opened = new PosixFileSystem({
      id: fileSystemId,
      store: new LmdbStore({ directory: names, clock }),
      data: new LocalData(contents),
      clock,
      random: this.#random,
    });
    this.#open.set(fileSystemId, opened);
    return opened;
  }

  async remove(fileSystemId: string): Promise<void> {
    const known = this.#open.get(fileSystemId);
    this.#open.delete(fileSystemId);
    await known?.close();
    rmSync(this.#directory.fileSystem(fileSystemId).whole, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#open.values(), (files) => files.close()));
  }
}
