import type { Inode } from "../../../files/file-system.ts";
import { idleOwnersLimit } from "../limits.ts";

/**
 * An open owner or lock owner of NFSv4.0: its requests come in the order of their seqids, and the
 * last answer is kept for when it is asked again (RFC 7530 §9.1.7). NFSv4.1 has slots instead.
 */
export class Owner {
  /** The seqid of the last request; undefined before the first. */
  sequence: number | undefined;
  /** By OPEN_CONFIRM, for open owners; what an unconfirmed one opened can't be used. */
  confirmed = false;
  last: OwnerReply | undefined;
  /** The last word of the stateid that it closed last: CLOSE may be asked again. */
  closed: number | undefined;
  /** How many stateids it has. */
  held = 0;
}

export interface OwnerReply {
  readonly operation: number;
  readonly status: number;
  /** The result without its operation number and status. */
  readonly body: Uint8Array;
  /** The current file after it. */
  readonly current: Inode["number"] | undefined;
}

/** Entries looked at for one that may go, when an owner comes. */
const forgetSteps = 16;

/**
 * The open owners or the lock owners of a client, by name. Who has no stateid is forgotten some
 * time; it has to confirm anew then (RFC 7530 §9.1.10).
 */
export class Owners {
  readonly #byName = new Map<string, Owner>();

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): Owner | undefined {
    return this.#byName.get(name);
  }

  /** The owner, who is new where nobody has the name. */
  of(name: string): Owner {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#byName.size >= idleOwnersLimit) this.#forgetIdle();
    const owner = new Owner();
    this.#byName.set(name, owner);
    return owner;
  }

  delete(name: string): void {
    this.#byName.delete(name);
  }

  values(): Iterable<Owner> {
    return this.#byName.values();
  }

  /** The oldest first; whoever has something goes to the end of the row. */
  #forgetIdle(): void {
    let steps = 0;
    for (const [name, owner] of this.#byName) {
      this.#byName.delete(name);
      if (owner.held === 0) return;
      this.#byName.set(name, owner);
      steps += 1;
      if (steps === forgetSteps) return;
    }
  }
}
