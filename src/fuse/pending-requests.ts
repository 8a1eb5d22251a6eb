import { readFileSync } from "node:fs";
import { constants } from "node:os";

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Opcode } from "../wire/fuse/protocol.ts";
import type { FuseRequest } from "../wire/fuse/request.ts";
import type { FuseDevice } from "./device.ts";
import { errnoOf } from "./errno.ts";
import { abandonedCheckMs } from "./limits.ts";

export interface PendingRequestsOptions {
  readonly device: FuseDevice;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the server answers, as far as is known. */
  readonly isUp: () => boolean;
  /** The answer to a request that nobody waits for any more: what it made is to be undone. */
  readonly unwanted: (request: FuseRequest, payload: Uint8Array | undefined) => void;
}

const { errno } = constants;
const sigkillBit = 1n << 8n;
/** PF_EXITING of the kernel's task flags. */
const exitingBit = 0x4;

/**
 * Requests that wait for the server. While it is away, so do their processes, as with any hard
 * mount; but one that was killed is let go, and so is one that closes its files on its way out.
 */
export class PendingRequests {
  readonly #options: PendingRequestsOptions;
  /** With whether they were there at the last look already. */
  readonly #waiting = new Map<FuseRequest, boolean>();
  #isWatching = false;

  constructor(options: PendingRequestsOptions) {
    this.#options = options;
  }

  begin(request: FuseRequest): void {
    this.#waiting.set(request, false);
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#options.clock.schedule(abandonedCheckMs, () => this.#look());
  }

  succeed(request: FuseRequest, payload?: Uint8Array): void {
    const { device } = this.#options;
    if (this.#waiting.delete(request)) device.reply(request, 0, payload);
    else this.#options.unwanted(request, payload);
    device.done(request);
  }

  fail(request: FuseRequest, error: unknown): void {
    const { device, log } = this.#options;
    const { opcode, nodeId } = request;
    log.debug({ opcode, nodeId, error: String(error) }, "a file operation failed");
    if (this.#waiting.delete(request)) device.reply(request, errnoOf(error));
    device.done(request);
  }

  #look(): void {
    for (const [request, isOld] of this.#waiting) {
      if (!isOld) this.#waiting.set(request, true);
      else if (request.pid !== 0) this.#lookAt(request);
    }
    this.#isWatching = this.#waiting.size > 0;
    if (this.#isWatching) this.#options.clock.schedule(abandonedCheckMs, () => this.#look());
  }

  #lookAt(request: FuseRequest): void {
    const { device, isUp } = this.#options;
    const isFlush = request.opcode === Opcode.FLUSH;
    if (isFlush ? isUp() || !isExiting(request.pid) : !isKilled(request.pid)) return;
    this.#waiting.delete(request);
    device.reply(request, isFlush ? 0 : errno.EINTR);
  }
}

/** SIGKILL is what every signal becomes that ends a process. */
function isKilled(pid: number): boolean {
  const pending = /^SigPnd:\s*([0-9a-f]+)$/m.exec(readProcess(pid, "status"))?.[1];
  return pending !== undefined && (BigInt(`0x${pending}`) & sigkillBit) !== 0n;
}

function isExiting(pid: number): boolean {
  const stat = readProcess(pid, "stat");
  // The command, in parentheses, may contain anything; the flags are the seventh field after it.
  const flags = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[6]);
  return (flags & exitingBit) !== 0;
}

function readProcess(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    return "";
  }
}
