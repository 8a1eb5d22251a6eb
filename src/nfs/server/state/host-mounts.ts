import { hostMountsLimit } from "../limits.ts";

/**
 * A host calls itself the same at each of its mounts (decision 13): the first is known by that name,
 * the others by it and a number, also in the records that survive a restart.
 */
export function mountName(host: string, number: number): string {
  return number === 0 ? host : `${host}\0${number}`;
}

/** The number in a mount's name. A host may call itself so: it has no meaning beyond the name. */
export function mountNumber(name: string): number {
  const [, digits = "0"] = /\0(\d{1,4})$/.exec(name) ?? [];
  return Math.min(Number(digits), hostMountsLimit - 1);
}
