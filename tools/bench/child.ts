import type { ChildProcess } from "node:child_process";

const endLimitMs = 20_000;

/** A server under test: an NFSv4.1 export at `/` of 127.0.0.1. */
export interface RunningServer {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

/** Asks a process to end, and ends it where it doesn't. */
export async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const impatience = setTimeout(() => child.kill("SIGKILL"), endLimitMs);
  child.kill("SIGTERM");
  await ended;
  clearTimeout(impatience);
}
