/** The walks of a check, in their order: each takes as long as the file system is large. */
export const checkParts = [
  "inodes",
  "names",
  "listings",
  "contents apart",
  "small contents",
] as const;
export type CheckPart = (typeof checkParts)[number];

/** Sees what a part of a check goes through, and passes it on unchanged. */
export type Watch = <T>(part: CheckPart, items: Iterable<T>) => Iterable<T>;

export const unwatched: Watch = (_part, items) => items;
