import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

import { end, type RunningServer } from "./child.ts";

const program = path.join(import.meta.dirname, "mooring-server.ts");

/** Starts Mooring's NFS server as a process, with one file system in `directory`. */
export async function startMooring(directory: string, signal: AbortSignal): Promise<RunningServer> {
  mkdirSync(directory, { recursive: true });
  // Its standard input stays open as long as this process lives: how it learns that it is alone.
  const child = spawn(process.execPath, [program, directory], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const stop = (): Promise<void> => end(child);
  const port = await new Promise<number>((resolve) => {
    const give = (): void => resolve(0);
    signal.addEventListener("abort", give);
    child.once("error", give).once("exit", give);
    createInterface(child.stdout).once("line", (line) => resolve(Number(line)));
  });
  if (port > 0) return { port, pid: child.pid!, stop };
  await stop();
  signal.throwIfAborted();
  throw new Error("Mooring's server did not start");
}
