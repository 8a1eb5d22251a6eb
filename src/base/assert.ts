/**
 * Asserts that stay on: a broken invariant crashes the process rather than damaging data.
 * An outcome that a caller can bring about is never asserted; it is returned.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** For the default branch of a switch over a union: a new member that is not handled won't compile. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unreachable: ${String(value)}`);
}

export class AssertionFailed extends Error {
  override readonly name = "AssertionFailed";
}
