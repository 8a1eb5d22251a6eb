// The check of a whole file system that nobody has open, and its repair.
import type { Random } from "../base/random.ts";
import type { Data } from "../data/data.ts";
import type { Store } from "../store/store.ts";
import { checkContents } from "./check-contents.ts";
import { checkInodes } from "./check-inodes.ts";
import { checkNames } from "./check-names.ts";
import { type Problem, Repair } from "./problems.ts";
import { survey } from "./survey.ts";

/** A repair can bring to light what was hidden; each round mends what the one before found. */
const roundsLimit = 8;

/**
 * Walks a file system and returns one sentence for each thing that doesn't fit: names, listings,
 * parents and cycles of directories, link counts, lost inodes, symbolic links without a target,
 * sizes, accounting, contents. An empty list means that it is sound. What the next opening puts in
 * order by itself after a crash is no problem.
 */
export function checkFileSystem(store: Store, data: Data): string[] {
  return check(store, data).problems.map(({ text }) => text);
}

export interface RepairOutcome {
  readonly repaired: readonly string[];
  readonly remaining: readonly string[];
}

/** Repairs what can be, each round in one transaction, until a check finds nothing to repair. */
export function repairFileSystem(store: Store, data: Data, random: Random): RepairOutcome {
  const tried = new Set<string>();
  for (let round = 0; ; round += 1) {
    const { problems, nodes } = check(store, data, random);
    const repairable = problems.filter((found) => found.repair && !tried.has(found.text));
    if (repairable.length === 0 || round === roundsLimit) {
      const remaining = problems.map(({ text }) => text);
      return { repaired: [...tried].filter((text) => !remaining.includes(text)), remaining };
    }
    const repair = store.write((writer) => {
      const work = new Repair(writer, data, nodes);
      for (const found of repairable) found.repair!(work);
      work.finish();
      return work;
    });
    repair.finishContents();
    for (const { text } of repairable) tried.add(text);
  }
}

function check(store: Store, data: Data, random?: Random) {
  return store.read((reader) => {
    const found = survey(reader, random);
    const problems: Problem[] = [
      ...found.problems,
      ...checkNames(reader, found),
      ...checkInodes(reader, found),
      ...checkContents(reader, data, found),
    ];
    return { problems, nodes: found.nodes };
  });
}
