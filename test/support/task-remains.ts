import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type Docker from "dockerode";

const run = promisify(execFile);
const goodbyeMs = 5000;

export interface Remains {
  readonly containers: readonly string[];
  readonly networks: readonly string[];
  readonly mounts: readonly string[];
  readonly processes: readonly number[];
}

export const noRemains: Remains = { containers: [], networks: [], mounts: [], processes: [] };

/** What an instance has on this machine; a mount's process gets a moment to end after it. */
export async function remainsOf(docker: Docker, dataDirectory: string): Promise<Remains> {
  const startedMs = Date.now();
  while ((await processesOf(dataDirectory)).length > 0 && Date.now() - startedMs < goodbyeMs) {
    await delay(50);
  }
  const filters = { label: [`mooring.instance=${dataDirectory}`] };
  const containers = await docker.listContainers({ all: true, filters });
  const networks = await docker.listNetworks({ filters });
  return {
    containers: containers.map(({ Names, Id }) => Names[0] ?? Id),
    networks: networks.map(({ Name }) => Name),
    mounts: mountsBelow(dataDirectory),
    processes: await processesOf(dataDirectory),
  };
}

/**
 * Takes away by force what a failed test left: the processes first, as one that serves a mount
 * and can't reach its server keeps everything waiting that touches the mount.
 */
export async function removeRemains(docker: Docker, remains: Remains): Promise<void> {
  for (const pid of remains.processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in the meantime.
    }
  }
  for (const name of remains.containers) {
    await docker.getContainer(name.replace(/^\//, "")).remove({ force: true });
  }
  for (const mount of remains.mounts) await run("umount", ["-l", mount]);
  for (const name of remains.networks) await docker.getNetwork(name).remove();
}

/** The mounts below a directory, the upper ones of a stack first. */
export function mountsBelow(directory: string): string[] {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const points = lines.map((line) => line.split(" ")[1] ?? "");
  return points.filter((point) => point.startsWith(`${directory}/`)).reverse();
}

/** Those with the data directory among their arguments. */
async function processesOf(dataDirectory: string): Promise<number[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
  const all = await Promise.all(pids.map(async (pid) => ({ pid, given: await argumentsOf(pid) })));
  return all.filter(({ given }) => given.includes(dataDirectory)).map(({ pid }) => pid);
}

/** A process that waits for a dead mount may keep whoever asks for its arguments waiting too. */
async function argumentsOf(pid: number): Promise<string[]> {
  const read = readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const text = await Promise.race([read, delay(goodbyeMs, "", { ref: false })]);
  return text.split("\0");
}
