import { spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { pino } from "pino";

import { SystemClock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { SystemRandom } from "../../base/random.ts";
import { mountCredentials } from "../../mount/credentials.ts";
import type { MountDriver } from "../../mount/driver.ts";
import { FuseDriver } from "../../mount/fuse-driver.ts";
import { KernelDriver, kernelHasNfs4 } from "../../mount/kernel-driver.ts";
import { mountFileSystem, MountGivenUp } from "../../mount/mount-helper.ts";
import { type MountOptions, OptionsRefused, parseMountOptions } from "../../mount/options.ts";
import { CommandContext } from "../context.ts";
import type { Session } from "../session.ts";
import { UserError } from "../user-error.ts";

const dnsSuffix = "amazonaws.com";
const helperVersion = "3.2.0";

interface MountArguments {
  readonly options: string;
  readonly foreground?: boolean;
  readonly data: string;
}

export function mountCommands(environment: NodeJS.ProcessEnv): Command[] {
  const mount = new Command("mount")
    .description("mount a file system on this machine, as amazon-efs-utils does (needs root)")
    .argument("<source>", "fs-…, or fs-…:/path")
    .argument("<directory>", "an existing directory")
    .option(
      "-o, --options <list>",
      "tls, iam, accesspoint=, awscredsuri=, awsprofile=, mounttargetip=, az=, region=, cafile=, " +
        "verify=, port=, driver=fuse|kernel, ro",
      "",
    )
    .option("--foreground", "stay, instead of leaving a process behind")
    .option("--pid-file <file>", "write the number of the process that serves the mount")
    .action(async (source: string, directory: string, _options, command: Command) => {
      const given = command.optsWithGlobals<MountArguments>();
      const { session } = new CommandContext(command, environment);
      const request = checkedRequest(source, directory, given.options);
      if (given.foreground) await mountHere(request, session, environment, given.data);
      else await mountBehind(command, given.data);
    });
  const umount = new Command("umount")
    .description("unmount what `moor mount` mounted")
    .argument("<directory>")
    .option("-l, --lazy", "even while it is in use")
    .action(async (directory: string, options: { lazy?: boolean }) => {
      await runUmount(directory, options.lazy ?? false);
    });
  return [mount, umount];
}

interface Request {
  readonly fileSystemId: string;
  readonly path: string;
  readonly directory: string;
  readonly options: MountOptions;
}

function checkedRequest(source: string, directory: string, text: string): Request {
  const found = /^(fs-[0-9a-f]{8,40})(?::(\/.*))?$/.exec(source);
  if (found === null) {
    throw new UserError(
      `"${source}" is not like fs-0123456789abcdef0 or fs-0123456789abcdef0:/path.`,
    );
  }
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UserError(`${directory} is not a directory; make it first.`);
  }
  try {
    const options = parseMountOptions(text);
    return {
      fileSystemId: found[1]!,
      path: found[2] ?? "/",
      directory: path.resolve(directory),
      options,
    };
  } catch (error) {
    if (error instanceof OptionsRefused) throw new UserError(error.message);
    throw error;
  }
}

/** Mounts and stays until the directory is unmounted. */
async function mountHere(
  request: Request,
  session: Session,
  environment: NodeJS.ProcessEnv,
  dataDirectory: string,
): Promise<void> {
  const log = pino({ level: environment["MOORING_LOG_LEVEL"] ?? "warn" });
  const clock = new SystemClock();
  const { options, fileSystemId } = request;
  try {
    const mounted = await mountFileSystem(
      {
        ...request,
        region: options.region ?? session.region,
        dnsSuffix,
        address: options.mountTargetIp ?? (await findMountTarget(session, request)),
        caFile: session.caFile,
        stateDirectory: path.join(dataDirectory, "mount"),
        source: options.credentialsUri === undefined ? "mooring" : "ecs.fargate",
        version: helperVersion,
        clock,
        credentials: () => credentialsFor(options, session, environment),
      },
      chooseDriver(options, clock, log),
    );
    process.send?.({ mounted: true });
    process.disconnect?.();
    // An unmounting that nobody asked for would leave an empty directory to write into.
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => void mounted.unmount());
    }
    const alive = setInterval(() => {}, 60_000);
    await mounted.ended;
    clearInterval(alive);
    log.info({ fileSystemId }, "unmounted");
    process.exit(0);
  } catch (error) {
    if (error instanceof MountGivenUp) throw new UserError(error.message, error.exitCode);
    throw error;
  }
}

function chooseDriver({ driver, nfs }: MountOptions, clock: SystemClock, log: Log): MountDriver {
  const kernel = driver === "kernel" || (driver === undefined && kernelHasNfs4());
  if (!kernel) return new FuseDriver(clock, new SystemRandom(), log);
  if (kernelHasNfs4()) return new KernelDriver(nfs, log);
  throw new UserError("This kernel has no NFS 4 client (no nfs4 in /proc/filesystems).");
}

async function findMountTarget(session: Session, request: Request): Promise<string> {
  const { Api } = await import("../api.ts");
  const { MountTargets = [] } = await new Api(session).efs.describeMountTargets({
    FileSystemId: request.fileSystemId,
  });
  const zone = request.options.availabilityZone;
  const target = MountTargets.find(
    (each) =>
      each.LifeCycleState === "available" &&
      (zone === undefined || each.AvailabilityZoneName === zone),
  );
  const address = target?.IpAddress;
  if (address !== undefined) return address;
  const where = zone === undefined ? "" : ` in ${zone}`;
  throw new UserError(`${request.fileSystemId} has no mount target${where} that is available.`);
}

async function credentialsFor(
  options: MountOptions,
  session: Session,
  environment: NodeJS.ProcessEnv,
): ReturnType<typeof mountCredentials> {
  const named = options.credentialsUri ?? options.profile ?? environment["AWS_ACCESS_KEY_ID"];
  if (named !== undefined) return mountCredentials(options);
  const { accessKeyId, secretAccessKey, sessionToken } = session;
  return { accessKeyId, secretAccessKey, sessionToken };
}

/** A process of its own serves the mount; this one returns once it is there. */
async function mountBehind(command: Command, dataDirectory: string): Promise<void> {
  const entry = process.argv[1]!;
  const directory = path.join(dataDirectory, "mount");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const logFile = path.join(directory, "mounts.log");
  const log = openSync(logFile, "a");
  const [source = "", target = ""] = command.args;
  const { options } = command.opts<{ options: string }>();
  const flags = ["--data", dataDirectory, "mount", source, target, "--foreground", "-o", options];
  const child = spawn(process.execPath, [entry, ...flags], {
    detached: true,
    stdio: ["ignore", log, "pipe", "ipc"],
    env: { ...process.env, UV_THREADPOOL_SIZE: "8" },
  });
  let printed = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const outcome = await new Promise<number | "mounted">((resolve, reject) => {
    child.once("error", reject);
    child.once("message", () => resolve("mounted"));
    child.once("close", (code) => resolve(code ?? 1));
  });
  const { pidFile } = command.opts<{ pidFile?: string }>();
  if (pidFile !== undefined) writeFileSync(pidFile, String(child.pid));
  if (outcome !== "mounted") throw new UserError(printed.replace(/^moor: /, "").trim(), outcome);
  child.stderr!.destroy();
  child.unref();
  process.exitCode = 0;
}

async function runUmount(directory: string, lazy: boolean): Promise<void> {
  const resolved = path.resolve(directory);
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const mounted = mounts.some((line) => line.split(" ")[1] === resolved.replaceAll(" ", "\\040"));
  if (!mounted) throw new UserError(`Nothing is mounted on ${resolved}.`);
  // With -d umount(8) finds it in the table of mounts; else it asks the file system, whose server
  // may be gone.
  const flags = lazy ? ["-l", resolved] : ["-d", resolved];
  const child = spawn("umount", flags, { stdio: ["ignore", "inherit", "inherit"] });
  const code = await new Promise<number>((resolve) => child.once("close", (c) => resolve(c ?? 1)));
  if (code === 0) return;
  throw new UserError(`${resolved} is in use; end what uses it, or add --lazy.`, code);
}
