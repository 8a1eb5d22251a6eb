import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Runs a script to its end; gives what it printed. Throws when it fails. */
export async function python(script: string, ...args: readonly string[]): Promise<string> {
  const running = new Python(script, args);
  return running.finished();
}

/** A Python program that is told things by lines, and answers by lines. */
export class Python {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #printed = "";
  #complained = "";
  #wake: () => void = () => {};
  readonly #closed: Promise<void>;
  #isClosed = false;

  constructor(script: string, args: readonly string[] = []) {
    const child = spawn("python3", ["-c", script, ...args], { stdio: "pipe" });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.#lines.push(line);
      this.#printed += `${line}\n`;
      this.#wake();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#complained += text));
    // One that was killed reads no more.
    child.stdin.on("error", () => {});
    this.#closed = once(child, "close").then(() => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** The next line that it prints. */
  async line(): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (this.#isClosed) throw new Error(`the program ended: ${this.#complained}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  say(text: string): void {
    this.#child.stdin!.write(`${text}\n`);
  }

  /** Lets it run to its end; gives all that it printed. */
  async finished(): Promise<string> {
    this.#child.stdin!.end();
    await this.#closed;
    if (this.#child.exitCode === 0) return this.#printed;
    throw new Error(`the program failed: ${this.#complained}`);
  }

  /** SIGKILL, and its descriptors are closed when this returns; harmless when it has ended. */
  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }
}
