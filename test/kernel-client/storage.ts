import path from "node:path";

import type { Clock } from "../../src/base/clock.ts";
import { LocalData } from "../../src/data/local/local-data.ts";
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";

/** The served file system's parts on disk, as `moor up` keeps them. */
export function openStorage(
  directory: string,
  clock: Clock,
): { store: LmdbStore; data: LocalData } {
  return {
    store: new LmdbStore({ directory: path.join(directory, "names"), clock }),
    data: new LocalData(path.join(directory, "contents")),
  };
}
