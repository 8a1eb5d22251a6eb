import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:net";
import path from "node:path";
import process from "node:process";

const listenScript = path.join(import.meta.dirname, "listen.ts");

/** The cable between the host and its guest, in a network namespace that nobody else uses. */
export class GuestNetwork {
  static readonly tap = "uml0";
  static readonly hostAddress = "10.99.0.1";
  static readonly guestAddress = "10.99.0.2";

  readonly #name = `mooring-test-${process.pid}`;

  constructor() {
    ip("netns", "add", this.#name);
    try {
      const { tap, hostAddress } = GuestNetwork;
      ip("-netns", this.#name, "link", "set", "lo", "up");
      ip("-netns", this.#name, "tuntap", "add", "dev", tap, "mode", "tap");
      ip("-netns", this.#name, "addr", "add", `${hostAddress}/24`, "dev", tap);
      ip("-netns", this.#name, "link", "set", tap, "up");
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** The arguments of a command that runs another in the namespace, as the same process. */
  within(...command: readonly string[]): [command: string, args: string[]] {
    return ["ip", ["netns", "exec", this.#name, ...command]];
  }

  /**
   * A server of this process at a free port of the host's address in the namespace: another process
   * makes it there and hands it over, as a socket stays in the namespace that it was made in.
   */
  async listen(): Promise<Server> {
    const [command, args] = this.within(process.execPath, listenScript, GuestNetwork.hostAddress);
    const listening = spawn(command, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const exited = once(listening, "exit");
    const handed = once(listening, "message").then(([, server]) => server as Server);
    const server = await Promise.race([handed, exited.then(() => undefined)]);
    if (server === undefined) throw new Error("the process that listens ended before it did");
    listening.disconnect();
    await exited;
    return server;
  }

  /** Only once no process is left in it. */
  remove(): void {
    ip("netns", "delete", this.#name);
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
