import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

import type { SeededRandom } from "../../src/base/random.ts";
import type { FaultDisk } from "./fault-disk.ts";

const script = path.join(import.meta.dirname, "../kernel-client/serve.ts");
const address = "127.0.0.1";

/** A server of one file system on disk, as a process that gets killed and started again. */
export class KilledServer {
  readonly address = address;
  readonly port: number;
  readonly directory: string;
  readonly #power: { readonly disk: FaultDisk; readonly random: SeededRandom } | undefined;
  #process: ChildProcess | undefined;
  /** How often it was killed. */
  kills = 0;

  /** With a disk, the machine loses its power whenever the server is killed. */
  constructor(
    directory: string,
    port: number,
    power?: { readonly disk: FaultDisk; readonly random: SeededRandom },
  ) {
    this.directory = directory;
    this.port = port;
    this.#power = power;
    mkdirSync(directory, { recursive: true });
  }

  /** Returns when it takes connections. */
  async start(): Promise<void> {
    const args = [script, this.directory, address, String(this.port)];
    const started = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...this.#power?.disk.powerOn() },
    });
    this.#process = started;
    const [line] = (await Promise.race([
      once(createInterface({ input: started.stdout }), "line"),
      once(started, "exit"),
    ])) as unknown[];
    if (line === "ready") return;
    throw new Error(`the server ended with ${started.exitCode ?? started.signalCode} at its start`);
  }

  async kill(): Promise<void> {
    this.kills += 1;
    await this.end("SIGKILL");
    this.#power?.disk.losePower(this.#power.random);
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
