import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";

import { end } from "./child.ts";
import type { Sizes } from "./scale-population.ts";
import type { ScaleAnswer, ScaleRequest } from "./scale-worker.ts";

const program = path.join(import.meta.dirname, "scale-worker.ts");

/** A file system in a process of its own, asked one thing at a time. */
export class ScaleProcess {
  readonly #child: ChildProcess;
  readonly sizes: Sizes;

  constructor(directory: string, sizes: Sizes, signal: AbortSignal) {
    this.sizes = sizes;
    const args = [directory, String(sizes.entries), String(sizes.directories)];
    this.#child = fork(program, args, { execArgv: ["--expose-gc"], stdio: "inherit" });
    signal.addEventListener("abort", () => this.#child.kill("SIGKILL"));
  }

  ask(request: ScaleRequest): Promise<ScaleAnswer> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null): void =>
        reject(new Error(`the process of the file system ended with ${code ?? signal}`));
      this.#child.once("exit", ended);
      this.#child.once("message", (answer: ScaleAnswer) => {
        this.#child.off("exit", ended);
        resolve(answer);
      });
      this.#child.send(request);
    });
  }

  /** Also where it is in the middle of something. */
  stop(): Promise<void> {
    return end(this.#child);
  }
}
