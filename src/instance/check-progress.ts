import type { Clock } from "../base/clock.ts";
import { checkParts, type Watch } from "../files/check-parts.ts";

/** A check that is over sooner says nothing. */
const intervalMs = 5000;
/** Items from one look at the clock to the next. */
const lookInterval = 1000;

/** Says now and then, in a line, how far a check is. */
export function progressOf(clock: Clock, say: (line: string) => void): Watch {
  let nextMs = clock.nowMs() + intervalMs;
  let inodes = 0;
  return function* watch(part, items) {
    let done = 0;
    for (const item of items) {
      yield item;
      done += 1;
      if (done % lookInterval !== 0 || clock.nowMs() < nextMs) continue;
      nextMs = clock.nowMs() + intervalMs;
      const step = `part ${checkParts.indexOf(part) + 1} of ${checkParts.length}`;
      const where = part === "inodes" ? step : `${step}; ${inThousands(inodes)} inodes`;
      say(`${inThousands(done)} ${part} looked at (${where})`);
    }
    if (part === "inodes") inodes = done;
  };
}

function inThousands(count: number): string {
  return count.toLocaleString("en-US");
}
