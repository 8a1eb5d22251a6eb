import { existsSync } from "node:fs";

import { SystemClock } from "../base/clock.ts";
import { SystemRandom } from "../base/random.ts";
import type { FsCheckOptions, FsCheckResult, FsProblem } from "../cli/commands/fs.ts";
import { UserError } from "../cli/user-error.ts";
import { LocalData } from "../data/local/local-data.ts";
import { checkFileSystem, repairFileSystem } from "../files/check.ts";
import { LmdbStore } from "../store/lmdb/lmdb-store.ts";
import { progressOf } from "./check-progress.ts";
import { DataDirectory } from "./data-directory.ts";

/** What `moor fs check` does; throws `UserError` where the data directory is in use. */
export async function checkFileSystems(
  options: FsCheckOptions,
  say: (progress: string) => void,
): Promise<FsCheckResult[]> {
  if (!existsSync(options.data)) {
    throw new UserError(
      `There is no data directory ${options.data}. Name the one of your \`moor up\` with --data.`,
    );
  }
  const directory = new DataDirectory(options.data);
  directory.lock("Stop it first: only file systems that nobody uses can be checked.");
  try {
    const results: FsCheckResult[] = [];
    for (const fileSystemId of chosen(directory, options.fileSystemIds)) {
      const problems = await checkOne(directory, fileSystemId, options.repair, (progress) =>
        say(`${fileSystemId}: ${progress}`),
      );
      results.push({ fileSystemId, problems });
    }
    return results;
  } finally {
    directory.unlock();
  }
}

function chosen(directory: DataDirectory, wanted: readonly string[]): readonly string[] {
  const there = directory.fileSystemIds();
  for (const id of wanted) {
    if (there.includes(id)) continue;
    const others = there.length > 0 ? `It has ${there.join(", ")}.` : "It has none.";
    throw new UserError(`There is no file system ${id} in ${directory.path}. ${others}`);
  }
  return wanted.length > 0 ? [...new Set(wanted)] : there;
}

async function checkOne(
  directory: DataDirectory,
  fileSystemId: string,
  repair: boolean,
  say: (progress: string) => void,
): Promise<FsProblem[]> {
  const { names, contents } = directory.fileSystem(fileSystemId);
  const clock = new SystemClock();
  const store = new LmdbStore({ directory: names, clock });
  const data = new LocalData(contents);
  const watch = progressOf(clock, say);
  try {
    const { repaired, remaining } = repair
      ? repairFileSystem(store, data, new SystemRandom(), watch)
      : { repaired: [], remaining: checkFileSystem(store, data, watch) };
    return [
      ...repaired.map((problem) => ({ problem, repaired: true })),
      ...remaining.map((problem) => ({ problem, repaired: false })),
    ];
  } finally {
    await data.close();
    await store.close();
  }
}
