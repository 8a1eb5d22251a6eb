import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

const script = path.join(import.meta.dirname, "../kernel-client/serve.ts");
const address = "127.0.0.1";

/** A server of one file system on disk, as a process that gets killed and started again. */
export class KilledServer {
  readonly address = address;
  readonly port: number;
  readonly #directory: string;
  #process: ChildProcess | undefined;
  /** How often it was killed. */
  kills = 0;

  constructor(directory: string, port: number) {
    this.#directory = directory;
    this.port = port;
  }

  /** Returns when it takes connections. */
  async start(): Promise<void> {
    const args = [script, this.#directory, address, String(this.port)];
    const started = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = started;
    const [line] = (await Promise.race([
      once(createInterface({ input: started.stdout }), "line"),
      once(started, "exit"),
    ])) as unknown[];
    if (line !== "ready") throw new Error("the server ended before it was ready");
  }

  async kill(): Promise<void> {
    this.kills += 1;
    await this.end("SIGKILL");
  }

  /** Harmless where it has ended. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const ending = this.#process;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, "exit");
    ending.kill(signal);
    await exited;
  }
}
