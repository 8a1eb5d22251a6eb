import type { Change } from "../wire/nfs4/attributes.ts";
import { unexplainedChangesLimit } from "./limits.ts";

/**
 * The state of a file that the kernel's pages of it show: the change attribute at which they were
 * right, carried on over this mount's own writes. Each of those tells the attribute right before
 * and after it, in whatever order the answers come; what they don't explain was somebody else.
 */
export class ContentVersion {
  #shown: Change | undefined;
  /** Own writes that follow on a change that isn't reached yet. */
  #later: Map<Change, Change> | undefined;

  isShown(change: Change): boolean {
    return this.#shown === change;
  }

  /** The kernel has no pages that are older than this. */
  show(change: Change): void {
    this.#shown = change;
    this.#later = undefined;
  }

  /** This mount changed the file. */
  wrote(before: Change, after: Change): void {
    if (this.#shown !== before) {
      this.#later ??= new Map();
      if (this.#later.size >= unexplainedChangesLimit) this.#later.clear();
      this.#later.set(before, after);
      return;
    }
    let shown = after;
    for (;;) {
      const next = this.#later?.get(shown);
      if (next === undefined) break;
      this.#later!.delete(shown);
      shown = next;
    }
    this.#shown = shown;
  }
}
