import { setTimeout as delay } from "node:timers/promises";

const pollMs = 20;

/** Waits until the condition holds; throws, saying what was awaited, after `limitMs`. */
export async function eventually(
  awaited: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const startedMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startedMs > limitMs) throw new Error(`in vain awaited: ${awaited}`);
    await delay(pollMs);
  }
}
