import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Volume } from "@aws-sdk/client-ecs";

import { goodbyeMs, mountMessageLimit } from "./limits.ts";
import { inNamespace } from "./network-namespace.ts";

const run = promisify(execFile);

export interface VolumeMountsOptions {
  /** The `moor` command, as a program and its first arguments. */
  readonly moor: readonly string[];
  readonly dataDirectory: string;
  readonly nfsPort: number;
  readonly dnsSuffix: string;
  readonly region: string;
  /** The mount target of a file system in a zone. */
  readonly mountTarget: (fileSystemId: string, availabilityZone: string) => string | undefined;
}

/** The helper gave up; the message is the task's stoppedReason (facts §3.5). */
export class VolumeFailed extends Error {
  override readonly name = "VolumeFailed";

  constructor(stderr: string, exitCode: number) {
    super(
      "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: " +
        `stderr: ${stderr.trim().slice(0, mountMessageLimit)} : ` +
        `unsuccessful EFS utils command execution; code: ${exitCode}`,
    );
  }
}

/** Mounts a task's EFS volumes by the mount helper, in the task's network namespace (§1.13). */
export class VolumeMounts {
  readonly #options: VolumeMountsOptions;

  constructor(options: VolumeMountsOptions) {
    this.#options = options;
  }

  /** Throws `VolumeFailed`. */
  async mount(request: {
    readonly directory: string;
    readonly pid: number;
    readonly availabilityZone: string;
    readonly volume: Volume;
    readonly credentialsPath: string;
  }): Promise<void> {
    const { directory, volume, pid } = request;
    const { fileSystemId = "", rootDirectory } = volume.efsVolumeConfiguration ?? {};
    mkdirSync(directory, { recursive: true });
    const target = this.#options.mountTarget(fileSystemId, request.availabilityZone);
    if (target === undefined) throw new VolumeFailed(this.#unresolved(fileSystemId), 1);
    const options = this.#mountOptions(volume, target, request.credentialsPath);
    const source = `${fileSystemId}:${rootDirectory || "/"}`;
    const { moor, dataDirectory } = this.#options;
    const pidFile = ["--pid-file", pidFileOf(directory)];
    const mount = ["--data", dataDirectory, "mount", source, directory, "-o", options, ...pidFile];
    const [command, flags] = inNamespace(pid, [...moor, ...mount]);
    const { exitCode, stderr } = await runToEnd(command, flags);
    if (exitCode !== 0) throw new VolumeFailed(stderr.replace(/^moor: /, ""), exitCode);
  }

  /** Returns when the mount's process has said goodbye to the server, or had time for it. */
  async unmount(directory: string): Promise<void> {
    while (isMounted(directory)) await run("umount", ["-l", directory]);
    await processEnded(pidFileOf(directory));
    rmSync(pidFileOf(directory), { force: true });
    try {
      rmdirSync(directory);
    } catch {
      // Never mounted, or not empty: nothing of it is in the way.
    }
  }

  /** Ends what a crash left half done, while the task's network is still there for a goodbye. */
  async abandon(directory: string): Promise<void> {
    await this.unmount(directory);
    await until(async () => (await helpersOf(directory)).length === 0);
    for (const pid of await helpersOf(directory)) process.kill(pid, "SIGKILL");
    await this.unmount(directory);
  }

  #mountOptions(volume: Volume, target: string, credentialsPath: string): string {
    const { transitEncryption, authorizationConfig } = volume.efsVolumeConfiguration ?? {};
    const { iam, accessPointId } = authorizationConfig ?? {};
    const options = ["noresvport", `mounttargetip=${target}`];
    if (this.#options.nfsPort !== 2049) options.push(`port=${this.#options.nfsPort}`);
    if (transitEncryption === "ENABLED") options.push("tls");
    if (iam === "ENABLED") options.push("iam", `awscredsuri=${credentialsPath}`);
    if (accessPointId !== undefined) options.push(`accesspoint=${accessPointId}`);
    return options.join(",");
  }

  #unresolved(fileSystemId: string): string {
    const { region, dnsSuffix } = this.#options;
    return (
      `Failed to resolve "${fileSystemId}.efs.${region}.${dnsSuffix}" - check that your file ` +
      "system ID is correct, and ensure that the VPC has an EFS mount target for this file " +
      "system ID. See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail. " +
      "Attempting to lookup mount target ip address using botocore. Failed to import necessary " +
      "dependency botocore, please install botocore first."
    );
  }
}

const pollMs = 20;

/** The process that serves a mount leaves its number beside it. */
function pidFileOf(directory: string): string {
  return `${directory}.pid`;
}

async function processEnded(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return;
  const process = `/proc/${Number(readFileSync(pidFile, "utf8"))}`;
  await until(() => !existsSync(process));
}

/** Returns when it is so, or after the time that a goodbye may take. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < goodbyeMs && !(await condition()); waitedMs += pollMs) {
    await delay(pollMs);
  }
}

/** The processes that were started to mount something there. */
async function helpersOf(directory: string): Promise<number[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
  const all = await Promise.all(pids.map(async (pid) => ({ pid, given: await argumentsOf(pid) })));
  return all.filter(({ given }) => given.includes(directory)).map(({ pid }) => pid);
}

/** A process that waits for a dead mount may keep whoever asks for its arguments waiting too. */
async function argumentsOf(pid: number): Promise<string[]> {
  const read = readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const text = await Promise.race([read, delay(goodbyeMs, "", { ref: false })]);
  return text.split("\0");
}

function isMounted(directory: string): boolean {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return mounts.some((line) => line.split(" ")[1] === directory.replaceAll(" ", "\\040"));
}

async function runToEnd(
  command: string,
  flags: readonly string[],
): Promise<{ exitCode: number; stderr: string }> {
  const child = spawn(command, flags, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  return { exitCode, stderr };
}
