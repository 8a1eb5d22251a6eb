import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CreateAccessPointRequest } from "@aws-sdk/client-efs";

import type { CommandResult } from "../../tools/moor.ts";
import { eventually } from "./eventually.ts";
import type { Instance } from "./instance.ts";

export interface MountWanted {
  /** "/" unless given. */
  readonly path?: string;
  /** `tls` and `iam` unless given. */
  readonly options?: readonly string[];
  readonly accessPointId?: string;
  /** The mount targets' own unless given. */
  readonly port?: number;
  /** One of its own unless given. */
  readonly directory?: string;
}

/** A file system with a mount target, and what `moor mount` shows of it. */
export class MountedFileSystem {
  readonly instance: Instance;
  readonly fileSystemId: string;
  /** The mount target's. */
  readonly address: string;
  readonly #mounts = new Set<Mount>();

  private constructor(instance: Instance, fileSystemId: string, address: string) {
    this.instance = instance;
    this.fileSystemId = fileSystemId;
    this.address = address;
  }

  static async create(instance: Instance): Promise<MountedFileSystem> {
    const { efs, ec2 } = instance.api();
    const { FileSystemId = "" } = await efs.createFileSystem({ CreationToken: randomToken() });
    const { Subnets } = await ec2.describeSubnets({});
    const SubnetId = Subnets?.[0]?.SubnetId;
    const { MountTargetId, IpAddress = "" } = await efs.createMountTarget({
      FileSystemId,
      SubnetId,
    });
    await eventually("an available mount target", async () => {
      const { MountTargets } = await efs.describeMountTargets({ MountTargetId });
      return MountTargets?.[0]?.LifeCycleState === "available";
    });
    return new MountedFileSystem(instance, FileSystemId, IpAddress);
  }

  async accessPoint(
    request: Omit<CreateAccessPointRequest, "ClientToken" | "FileSystemId">,
  ): Promise<string> {
    const { AccessPointId = "" } = await this.instance.api().efs.createAccessPoint({
      ...request,
      ClientToken: randomToken(),
      FileSystemId: this.fileSystemId,
    });
    return AccessPointId;
  }

  async setPolicy(statements: readonly object[]): Promise<void> {
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement: statements });
    const { fileSystemId: FileSystemId } = this;
    await this.instance.api().efs.putFileSystemPolicy({ FileSystemId, Policy });
  }

  /** Throws when `moor mount` fails. */
  async mount(wanted: MountWanted = {}): Promise<Mount> {
    const mount = await Mount.attempt(this, wanted);
    if (mount.result.exitCode !== 0) throw new Error(`moor mount failed: ${mount.result.stderr}`);
    this.#mounts.add(mount);
    return mount;
  }

  /** What `moor mount` says when it has to fail. */
  async mountRefused(wanted: MountWanted): Promise<CommandResult> {
    const mount = await Mount.attempt(this, wanted);
    await mount.end();
    return mount.result;
  }

  /** Takes all mounts away. To be called also when the test failed, before the instance ends. */
  async end(): Promise<void> {
    await endAll(...this.#mounts);
  }
}

/** One directory that shows the file system. */
export class Mount {
  readonly directory: string;
  readonly result: CommandResult;
  readonly #instance: Instance;
  readonly #processId: number;

  private constructor(instance: Instance, directory: string, result: CommandResult) {
    this.#instance = instance;
    this.directory = directory;
    this.result = result;
    const file = pidFile(instance, directory);
    this.#processId = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  }

  static async attempt(on: MountedFileSystem, wanted: MountWanted): Promise<Mount> {
    const { instance, fileSystemId } = on;
    const directory = wanted.directory ?? (await mkdtemp(path.join(tmpdir(), "mooring-test-")));
    const options = [
      ...(wanted.options ?? ["tls", "iam"]),
      `port=${wanted.port ?? instance.nfsPort}`,
      ...(wanted.accessPointId === undefined ? [] : [`accesspoint=${wanted.accessPointId}`]),
    ];
    const source = wanted.path === undefined ? fileSystemId : `${fileSystemId}:${wanted.path}`;
    const flags = ["-o", options.join(","), "--pid-file", pidFile(instance, directory)];
    const command = ["mount", source, directory, ...flags];
    return new Mount(instance, directory, await instance.moor.command(command));
  }

  /** The process that serves it. */
  get isServed(): boolean {
    return isRunning(this.#processId);
  }

  at(...names: readonly string[]): string {
    return path.join(this.directory, ...names);
  }

  /** `umount -f`, which breaks off what is under way; the directory stays while it is in use. */
  async force(): Promise<void> {
    await once(spawn("umount", ["-f", this.directory], { stdio: "ignore" }), "close");
  }

  /** `moor umount`. */
  unmount(...flags: readonly string[]): Promise<CommandResult> {
    return this.#instance.moor.command(["umount", this.directory, ...flags]);
  }

  /** SIGKILL to the process that serves it: the directory stays mounted, and fails. */
  async kill(): Promise<void> {
    process.kill(this.#processId, "SIGKILL");
    await eventually(`the end of ${this.directory}'s process`, () => !this.isServed);
  }

  async isMounted(): Promise<boolean> {
    const mounts = await readFile("/proc/self/mounts", "utf8");
    return mounts.includes(` ${this.directory} `);
  }

  /** Harmless when it is not mounted any more. Throws when its process doesn't end by itself. */
  async end(): Promise<void> {
    while (await this.isMounted()) {
      await once(spawn("umount", ["-l", this.directory], { stdio: "inherit" }), "close");
    }
    try {
      await eventually(`the end of ${this.directory}'s process`, () => !this.isServed);
    } finally {
      if (this.isServed) process.kill(this.#processId, "SIGKILL");
      await rmdir(this.directory).catch(ignoreMissing);
    }
  }
}

/** Ends each, in this order, also when one fails. */
export async function endAll(
  ...parts: readonly ({ end(): Promise<void> } | undefined)[]
): Promise<void> {
  const failures: unknown[] = [];
  for (const part of parts) await part?.end().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** In the instance's directory, which it goes with. */
function pidFile({ dataDirectory }: Instance, directory: string): string {
  return path.join(dataDirectory, `${path.basename(directory)}.pid`);
}

export function isRunning(processId: number): boolean {
  try {
    const [, state] = /\) (\w)/.exec(readFileSync(`/proc/${processId}/stat`, "utf8")) ?? [];
    return state !== "Z";
  } catch {
    return false;
  }
}

function randomToken(): string {
  return crypto.randomUUID();
}
