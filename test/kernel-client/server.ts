import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

import { GuestNetwork } from "./network.ts";

const script = path.join(import.meta.dirname, "serve.ts");
const port = "2049";

/** Mooring's NFS server, as a process in the guest's network. */
export class Server {
  readonly #network: GuestNetwork;
  readonly #directory: string;
  readonly #how: "plain" | "tunnel";
  #process: ChildProcess | undefined;

  /** `how` is "plain", or "tunnel" for TLS through the mount helper's tunnel. */
  constructor(network: GuestNetwork, directory: string, how: "plain" | "tunnel") {
    this.#network = network;
    this.#directory = directory;
    this.#how = how;
  }

  /** Starts it and waits until it takes connections. */
  async start(): Promise<void> {
    const serve = [script, this.#directory, GuestNetwork.hostAddress, port, this.#how];
    const [command, args] = this.#network.within(process.execPath, ...serve);
    const started = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = started;
    const lines = createInterface({ input: started.stdout });
    const ended = once(started, "exit").then(() => {
      throw new Error("the server ended before it was ready");
    });
    await Promise.race([once(lines, "line"), ended]);
    ended.catch(() => {});
  }

  /** SIGKILL is a crash; SIGTERM asks it to close everything. Harmless when it has ended. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const ending = this.#process;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, "exit");
    ending.kill(signal);
    await exited;
  }
}
