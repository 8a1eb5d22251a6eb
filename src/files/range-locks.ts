import type { FileKey } from "../data/data.ts";
import { locksPerFileLimit } from "./limits.ts";
import type { HeldLock, LockRange, LockRequest, LockTable } from "./locks.ts";

/** Byte-range locks in memory; a file's list is short, so it is walked. */
export class RangeLocks implements LockTable {
  readonly #files = new Map<FileKey, HeldLock[]>();

  conflict(file: FileKey, request: LockRequest): HeldLock | undefined {
    return this.#files
      .get(file)
      ?.find(
        (held) =>
          held.owner !== request.owner &&
          (held.exclusive || request.exclusive) &&
          overlap(held, request),
      );
  }

  lock(file: FileKey, request: LockRequest): HeldLock | "limit" | undefined {
    const conflicting = this.conflict(file, request);
    if (conflicting !== undefined) return conflicting;
    const rest = without(this.#files.get(file) ?? [], request.owner, request);
    const { owner, exclusive } = request;
    let { start, end } = request;
    const merged = rest.filter((held) => {
      const joins =
        held.owner === owner &&
        held.exclusive === exclusive &&
        held.start <= end &&
        held.end >= start;
      if (joins) {
        if (held.start < start) start = held.start;
        if (held.end > end) end = held.end;
      }
      return !joins;
    });
    if (merged.length >= locksPerFileLimit) return "limit";
    merged.push({ owner, exclusive, start, end });
    this.#files.set(file, merged);
    return undefined;
  }

  unlock(file: FileKey, owner: string, range: LockRange): void {
    const held = this.#files.get(file);
    if (held === undefined) return;
    this.#keep(file, without(held, owner, range));
  }

  releaseOwner(file: FileKey, owner: string): boolean {
    const held = this.#files.get(file) ?? [];
    const rest = held.filter((lock) => lock.owner !== owner);
    this.#keep(file, rest);
    return rest.length < held.length;
  }

  holds(file: FileKey, owner: string): boolean {
    return this.#files.get(file)?.some((lock) => lock.owner === owner) ?? false;
  }

  count(file: FileKey, owner: string): number {
    return this.#files.get(file)?.filter((lock) => lock.owner === owner).length ?? 0;
  }

  #keep(file: FileKey, locks: HeldLock[]): void {
    if (locks.length > 0) this.#files.set(file, locks);
    else this.#files.delete(file);
  }
}

function overlap(a: LockRange, b: LockRange): boolean {
  return a.start < b.end && b.start < a.end;
}

/** The locks with the owner's cut out of the range: cutting the middle of one leaves two. */
function without(locks: readonly HeldLock[], owner: string, range: LockRange): HeldLock[] {
  return locks.flatMap((held) => {
    if (held.owner !== owner || !overlap(held, range)) return [held];
    const left: HeldLock[] = [];
    if (held.start < range.start) left.push({ ...held, end: range.start });
    if (held.end > range.end) left.push({ ...held, start: range.end });
    return left;
  });
}
