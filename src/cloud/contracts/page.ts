import { ApiError } from "../../wire/aws/api-error.ts";

/** How many items a service puts on a page, and what it calls a request for another number. */
export interface PageRules {
  readonly least: number;
  readonly usual: number;
  readonly most: number;
  readonly errorCode: string;
}

/** A page of a list, with the token of the next one by its position. Throws `ApiError`. */
export function page<T>(
  items: readonly T[],
  token: string | undefined,
  size: number | undefined,
  { least, usual, most, errorCode }: PageRules,
): { items: T[]; next: string | undefined } {
  if (token !== undefined && !/^\d{1,9}$/.test(token)) {
    throw new ApiError(errorCode, `"${token}" is not the token of a page.`);
  }
  if (size !== undefined && !(size >= least && size <= most)) {
    throw new ApiError(errorCode, `A page has from ${least} to ${most} items, not ${size}.`);
  }
  const start = Number(token ?? 0);
  const end = start + (size ?? usual);
  return {
    items: items.slice(start, end),
    next: end < items.length ? String(end) : undefined,
  };
}
