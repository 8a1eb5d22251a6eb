import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

import type { Log } from "../base/log.ts";
import {
  type MountDriver,
  type MountedDirectory,
  MountFailed,
  type MountFailureReason,
  type MountRequest,
} from "./driver.ts";
import { unmountGraceMs } from "./limits.ts";
import { openTunnel, type Tunnel } from "./tunnel.ts";

const watchMs = 1000;
const hangUpWatchMs = 100;
/** The helper's, and `sec`: without it the kernel makes EPERM of the server's EACCES. */
const settings =
  "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,sec=sys";

export function kernelHasNfs4(): boolean {
  return readFileSync("/proc/filesystems", "utf8").split(/\s+/).includes("nfs4");
}

/** The kernel's NFS client; with TLS through a tunnel of ours on 127.0.0.1, as efs-utils has it. */
export class KernelDriver implements MountDriver {
  readonly name = "kernel";
  readonly #nfsOptions: readonly string[];
  readonly #log: Log;

  constructor(nfsOptions: readonly string[], log: Log) {
    this.#nfsOptions = nfsOptions;
    this.#log = log;
  }

  async mount(request: MountRequest): Promise<MountedDirectory> {
    const tunnel =
      request.tls === undefined ? undefined : await openTunnel(request, "127.0.0.1", 0, this.#log);
    const [address, port] =
      tunnel === undefined ? [request.address, request.port] : ["127.0.0.1", tunnel.port];
    const mode = request.readOnly ? "ro" : "rw";
    const options = [settings, ...this.#nfsOptions, `port=${port}`, mode].join(",");
    const source = `${address}:${request.path}`;
    try {
      const command = ["-t", "nfs4", "-o", options, source, request.directory];
      await run("mount", command, request.timeoutMs);
    } catch (error) {
      tunnel?.close();
      throw error;
    }
    const ended = untilOver(request.directory, tunnel).finally(() => tunnel?.close());
    return {
      ended,
      unmount: () => run("umount", [request.directory], request.timeoutMs),
    };
  }
}

/**
 * A directory is no longer mounted before the kernel has written what it kept, and may be used even
 * then, by who has a file open: the kernel needs its tunnel until it hangs up, or while the server
 * is away, and can't have it, for as long as efs-utils gives it.
 */
async function untilOver(directory: string, tunnel: Tunnel | undefined): Promise<void> {
  while (isMounted(directory)) await delay(watchMs);
  if (tunnel === undefined) return;
  let unusedMs = 0;
  while (!tunnel.isLeft && unusedMs < unmountGraceMs) {
    await delay(hangUpWatchMs);
    unusedMs = tunnel.isUsed ? 0 : unusedMs + hangUpWatchMs;
  }
}

function isMounted(directory: string): boolean {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return mounts.some((line) => line.split(" ")[1] === directory.replaceAll(" ", "\\040"));
}

const reasons: readonly [string, MountFailureReason][] = [
  ["access denied by server", "access-denied"],
  ["Connection timed out", "timed-out"],
  ["Connection reset by peer", "connection-reset"],
  ["Connection refused", "connection-refused"],
  ["No such file or directory", "no-such-path"],
  ["is not a directory", "not-a-directory"],
];

async function run(command: string, flags: readonly string[], timeoutMs: number): Promise<void> {
  // A group of its own, as mount(8) leaves the work to another process, mount.nfs4.
  const child = spawn(command, flags, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  let printed = "";
  child.stderr.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  let timer: NodeJS.Timeout | undefined;
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
    child.once("spawn", () => {
      timer = setTimeout(() => killGroup(child.pid!), timeoutMs);
    });
  });
  clearTimeout(timer);
  if (code === 0) return;
  if (code === null) throw new MountFailed("timed-out", `${command} didn't end in time`);
  const reason = reasons.find(([text]) => printed.includes(text))?.[1] ?? "system";
  throw new MountFailed(reason, printed.trim());
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
