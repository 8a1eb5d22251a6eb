import { assert } from "../../base/assert.ts";
import { Compound, type CompoundRequest } from "./compound.ts";

/**
 * The compound that was answered last, for the next request to begin with.
 *
 * It isn't only for the memory that there always is one. V8 decides after the first few objects of
 * a class how much room each later one gets, by those that are alive then. Where none was, because
 * garbage was collected between the first few requests, all later compounds were hash tables, and
 * GETATTR took 1.65 times the CPU time for as long as the process lived.
 */
export class SpareCompound {
  #spare: Compound | undefined;

  begin(request: CompoundRequest): Compound {
    const spare = this.#spare;
    if (spare === undefined) return new Compound(request);
    this.#spare = undefined;
    spare.begin(request);
    return spare;
  }

  /** Nobody uses the compound any more. */
  giveBack(compound: Compound): void {
    assert(compound !== this.#spare, "a compound was given back twice");
    this.#spare = compound;
  }
}
