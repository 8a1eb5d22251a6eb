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

export interface Power {
  readonly disk: FaultDisk;
  /** Decides what a loss of power leaves. */
  readonly random: SeededRandom;
  /** Asked at each start: the flush of contents that fails, from 1; 0 for none. */
  readonly failingFlush: () => number;
}

/** A server of one file system on disk, as a process that gets killed and started again. */
export class KilledServer {
  readonly address = address;
  readonly port: number;
  readonly directory: string;
  readonly #power: Power | undefined;
  #process: ChildProcess | undefined;
  /** How often it was killed. */
  kills = 0;
  /** Settles when the server that was started last has ended, whoever ended it. */
  ended: Promise<unknown> = Promise.resolve();

  /** With a disk, the machine loses its power whenever the server is killed. */
  constructor(directory: string, port: number, power?: Power) {
    this.directory = directory;
    this.port = port;
    this.#power = power;
    mkdirSync(directory, { recursive: true });
  }

  /** Returns when it takes connections. */
  async start(): Promise<void> {
    const args = [script, this.directory, address, String(this.port)];
    const power = this.#power;
    const started = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...power?.disk.powerOn(power.failingFlush()) },
    });
    this.ended = once(started, "exit");
    this.#process = started;
    const [line] = (await Promise.race([
      once(createInterface({ input: started.stdout }), "line"),
      this.ended,
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
