import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import path from "node:path";

import { ensureDebianPackages } from "../setup/debian-packages.ts";
import type { Load } from "./cases.ts";
import type { RunningServer } from "./child.ts";
import type { Sample } from "./report.ts";

const sources = ["nfsbench.c", "nfs41.h", "stream.h"].map((name) =>
  path.join(import.meta.dirname, name),
);
const toolchain = path.resolve(import.meta.dirname, "../../.toolchain");

export interface LoadLimits {
  /** The directories of the run begin with this name; a new one starts afresh. */
  readonly directory: string;
  /** Undefined: each file or block once. */
  readonly seconds: number | undefined;
  readonly filesPerConnection: number;
}

/** The load generator, compiled when its source changed. */
export class LoadGenerator {
  readonly #binary: string;
  readonly #signal: AbortSignal;

  /** `signal` ends a run that is under way. */
  constructor(signal: AbortSignal) {
    this.#binary = compile();
    this.#signal = signal;
  }

  async run(server: RunningServer, load: Load, limits: LoadLimits): Promise<Sample> {
    this.#signal.throwIfAborted();
    const { exitCode, stdout, stderr } = await this.#spawn(argumentsOf(server, load, limits));
    this.#signal.throwIfAborted();
    if (exitCode !== 0) throw new Error(`${load.mode}: ${stderr.trim() || `exit ${exitCode}`}`);
    const result = JSON.parse(stdout) as { ops_s: number; cpu_us_op?: number; errs: number };
    if (result.errs > 0) throw new Error(`${load.mode}: ${result.errs} failed: ${stderr.trim()}`);
    if (result.cpu_us_op === undefined) throw new Error(`${load.mode}: nothing was done`);
    return { operationsPerSecond: result.ops_s, cpuMicros: result.cpu_us_op };
  }

  #spawn(args: readonly string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const child = spawn(this.#binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    const stop = (): void => void child.kill("SIGKILL");
    this.#signal.addEventListener("abort", stop);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        this.#signal.removeEventListener("abort", stop);
        resolve({ exitCode: code ?? -1, stdout, stderr });
      });
    });
  }
}

function argumentsOf(server: RunningServer, load: Load, limits: LoadLimits): string[] {
  const flags: Readonly<Record<string, string | number | undefined>> = {
    h: "127.0.0.1",
    p: server.port,
    e: "/",
    P: server.pid,
    m: load.mode,
    c: load.connections,
    q: load.depth,
    b: load.blockBytes,
    S: load.fileBytes,
    y: load.stable === "unstable" ? 0 : 2,
    n: limits.filesPerConnection,
    d: limits.directory,
    t: limits.seconds,
    T: load.secure ? 1 : undefined,
  };
  return Object.entries(flags).flatMap(([flag, value]) =>
    value === undefined ? [] : [`-${flag}`, String(value)],
  );
}

function compile(): string {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(source));
  const binary = path.join(toolchain, `nfsbench-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(binary)) return binary;
  ensureDebianPackages(["gcc", "libc6-dev", "libssl-dev"]);
  mkdirSync(toolchain, { recursive: true });
  const staging = `${binary}.${process.pid}`;
  const args = ["-O2", "-o", staging, sources[0]!, "-lssl", "-lcrypto"];
  const compiled = spawnSync("gcc", args, { encoding: "utf8" });
  if (compiled.status !== 0) throw new Error(`gcc failed: ${compiled.stderr}`);
  renameSync(staging, binary);
  return binary;
}
