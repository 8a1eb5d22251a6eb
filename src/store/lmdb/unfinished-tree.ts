import { closeSync, openSync, readSync, rmSync } from "node:fs";

const pageBytes = 4096;
const magicAt = 24;
const magic = 0xbeefc0de;

/**
 * Removes what a loss of power left of a new tree. LMDB writes its two first pages without a flush,
 * and would crash on a part of them; they are whole from its first commit on. `isNew`: the journal
 * has everything. Throws where it hasn't: then the tree is not unfinished but damaged.
 */
export function removeUnfinishedTree(file: string, isNew: boolean): void {
  const head = headOf(file);
  if (head === undefined || head.length === 0 || isWhole(head)) return;
  if (!isNew) throw new Error(`${file} is damaged: its first pages are not LMDB's`);
  rmSync(file);
}

function isWhole(head: Buffer): boolean {
  if (head.length < 2 * pageBytes) return false;
  return [0, pageBytes].every((page) => head.readUInt32LE(page + magicAt) === magic);
}

/** Undefined where there is no such file. */
function headOf(file: string): Buffer | undefined {
  try {
    const descriptor = openSync(file, "r");
    const head = Buffer.alloc(2 * pageBytes);
    const length = readSync(descriptor, head, 0, head.length, 0);
    closeSync(descriptor);
    return head.subarray(0, length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
