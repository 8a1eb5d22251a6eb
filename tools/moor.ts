import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const moorScript = path.resolve(import.meta.dirname, "../bin/moor.mjs");
const startLimitMs = 60_000;

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `moor` as a user has it: a command of its own, with a data directory of the caller's choice. */
export class Moor {
  readonly dataDirectory: string;
  readonly endpoint: string;
  readonly logFile: string;
  readonly #upArguments: readonly string[];
  #server: ChildProcess | undefined;

  constructor(dataDirectory: string, listen: string, upArguments: readonly string[] = []) {
    this.dataDirectory = dataDirectory;
    this.endpoint = `http://${listen}`;
    this.logFile = path.join(dataDirectory, "up.log");
    this.#upArguments = ["--listen", listen, ...upArguments];
  }

  /** Starts `moor up` and waits until its API answers. */
  async up(): Promise<void> {
    const log = openSync(this.logFile, "a");
    const args = [moorScript, "--data", this.dataDirectory, "up", ...this.#upArguments];
    const server = spawn(process.execPath, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    this.#server = server;
    const startedMs = Date.now();
    while (!(await this.#answers())) {
      const late = Date.now() - startedMs > startLimitMs;
      if (!late && server.exitCode === null) await delay(50);
      else throw new Error(`moor up did not start. ${this.logFile} ends with:\n${this.#logTail()}`);
    }
  }

  /** SIGKILL leaves it no time to do anything; SIGTERM asks it to stop. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => server.once("exit", () => resolve()));
    server.kill(signal);
    await exited;
  }

  /** Runs a command to its end. */
  async command(
    args: readonly string[],
    line: (text: string) => void = () => {},
  ): Promise<CommandResult> {
    const full = [moorScript, "--data", this.dataDirectory, ...args];
    const child = spawn(process.execPath, full, { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    let partial = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      const lines = (partial + text).split("\n");
      partial = lines.pop()!;
      lines.forEach(line);
    });
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? -1));
    });
    return { exitCode, stdout, stderr };
  }

  /** Runs a command that prints JSON and has to succeed. */
  async json<T>(args: readonly string[], line?: (text: string) => void): Promise<T> {
    const result = await this.command(["--json", ...args], line);
    if (result.exitCode === 0) return JSON.parse(result.stdout) as T;
    throw new Error(`moor ${args.join(" ")} failed (${result.exitCode}): ${result.stderr}`);
  }

  #logTail(): string {
    return readFileSync(this.logFile, "utf8").split("\n").slice(-10).join("\n");
  }

  async #answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.endpoint}/_mooring/health`)).ok;
    } catch {
      return false;
    }
  }
}
