import { execFileSync } from "node:child_process";
import process from "node:process";

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

  /** Only once no process is left in it. */
  remove(): void {
    ip("netns", "delete", this.#name);
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
