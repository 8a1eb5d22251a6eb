import type { Clock } from "../base/clock.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { SeededRandom } from "../base/random.ts";
import { MemoryData } from "../data/memory/memory-data.ts";
import { MemoryStore } from "../store/memory/memory-store.ts";
import { PosixFileSystem } from "./posix-file-system.ts";

/** For tests: a file system in memory, with the engines to look at or to open again. */
export function memoryFileSystem({
  clock = new FakeClock(),
  data = new MemoryData(),
  ...limits
}: {
  clock?: Clock;
  data?: MemoryData;
  inlineLimit?: number;
  cachedInodes?: number;
} = {}): {
  files: PosixFileSystem;
  store: MemoryStore;
  data: MemoryData;
  reopen: () => PosixFileSystem;
} {
  const store = new MemoryStore();
  const reopen = (): PosixFileSystem =>
    new PosixFileSystem({
      id: "fs-test",
      store,
      data,
      clock,
      random: new SeededRandom(7),
      ...limits,
    });
  return { files: reopen(), store, data, reopen };
}
