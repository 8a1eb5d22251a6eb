// Contents against the inodes that they belong to.
import type { Data } from "../data/data.ts";
import type { Reader } from "../store/store.ts";
import { hasPossibleSize } from "./check-inodes.ts";
import { openKey } from "./keys.ts";
import { type Problem, problem } from "./problems.ts";
import type { Survey } from "./survey.ts";

/** After `checkInodes`. */
export function* checkContents(reader: Reader, data: Data, found: Survey): Generator<Problem> {
  if (found.nodes.size === 0) {
    const [any] = data.list();
    if (any !== undefined) yield problem("there are contents, and not one inode");
    return;
  }
  // After a crash the next opening removes what is left over (see ContentsSweep).
  const wasClosed = reader.get(openKey) === undefined;
  for (const file of data.list()) {
    if (found.unreadable.has(file)) continue;
    const node = found.nodes.get(file);
    if (node === undefined) {
      if (!wasClosed) continue;
      yield problem(`contents of inode ${file}, which does not exist`, (repair) =>
        repair.removeContents(file),
      );
    } else if (node.type !== "file") {
      yield problem(`contents of inode ${file}, which is a ${node.type}`, (repair) =>
        repair.removeContents(file),
      );
    }
  }
  for (const node of found.nodes.values()) {
    if (node.type !== "file" || !hasPossibleSize(node)) continue;
    const { number, length } = node;
    const solidLength = Math.min(node.solidLength, length);
    const there = data.length(number);
    if (there < solidLength && node.sparseBytes < 0) {
      const text = `contents of inode ${number} end at ${there} instead of ${solidLength}`;
      yield problem(`${text}: the rest is lost and reads as zeros`, (repair) =>
        repair.change(node, () => (node.sparseBytes = data.allocated(number))),
      );
    } else if (there > length && wasClosed) {
      yield problem(`contents of inode ${number} go on past its end, to ${there}`, (repair) =>
        repair.cutContents(number, length),
      );
    }
  }
}
