// The check of a whole file system that nobody has open, and its repair.
import type { Random } from "../base/random.ts";
import type { Data } from "../data/data.ts";
import type { Store } from "../store/store.ts";
import { checkContents } from "./check-contents.ts";
import { checkInodes } from "./check-inodes.ts";
import { checkNames } from "./check-names.ts";
import { unwatched, type Watch } from "./check-parts.ts";
import { checkRecords } from "./check-records.ts";
import { type Problem, Repair } from "./problems.ts";
import { Survey } from "./survey.ts";

/** A repair can bring to light what was hidden; each round mends what the one before found. */
const roundsLimit = 8;

/**
 * Walks a file system and returns one sentence for each thing that doesn't fit: names, listings,
 * parents and cycles of directories, link counts, lost inodes, symbolic links without a target,
 * sizes, accounting, contents. An empty list means that it is sound. What the next opening puts in
 * order by itself after a crash is no problem.
 *
 * The sentences come part by part, each in the order in which it walks the store. Memory is taken
 * by every inode, a few bytes (see `Survey`), and by every problem.
 */
export function checkFileSystem(store: Store, data: Data, watch: Watch = unwatched): string[] {
  return check(store, data, watch).map(({ text }) => text);
}

export interface RepairOutcome {
  readonly repaired: readonly string[];
  readonly remaining: readonly string[];
}

/** Repairs what can be, each round in one transaction, until a check finds nothing to repair. */
export function repairFileSystem(
  store: Store,
  data: Data,
  random: Random,
  watch: Watch = unwatched,
): RepairOutcome {
  const tried = new Set<string>();
  for (let round = 0; ; round += 1) {
    const problems = check(store, data, watch, random);
    const repairable = problems.filter((found) => found.repair && !tried.has(found.text));
    if (repairable.length === 0 || round === roundsLimit) {
      const remaining = problems.map(({ text }) => text);
      const left = new Set(remaining);
      return { repaired: [...tried].filter((text) => !left.has(text)), remaining };
    }
    const repair = store.write((writer) => {
      const work = new Repair(writer, data);
      for (const found of repairable) found.repair!(work);
      work.finish();
      return work;
    });
    repair.finishContents();
    for (const { text } of repairable) tried.add(text);
  }
}

function check(store: Store, data: Data, watch: Watch, random?: Random): Problem[] {
  return store.read((reader) => {
    const found = new Survey();
    return [
      ...checkRecords(reader, data, found, watch, random),
      ...checkNames(reader, found, watch),
      ...checkInodes(reader, found),
      ...checkContents(reader, data, found, watch),
    ];
  });
}
