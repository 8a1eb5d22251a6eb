import { rmdirSync, rmSync } from "node:fs";
import path from "node:path";

/** What the agent keeps on disk for one task. */
export class TaskDirectory {
  readonly #path: string;

  constructor(dataDirectory: string, taskId: string) {
    this.#path = path.join(dataDirectory, "tasks", taskId);
  }

  volume(name: string): string {
    return path.join(this.#path, "volumes", name);
  }

  /** Removes a volume of the task's own with its contents; for none that is ever mounted. */
  removeVolume(name: string): void {
    rmSync(this.volume(name), { recursive: true, force: true });
  }

  /** Only what is empty of volumes goes: a mount that is still there is never walked into. */
  remove(): void {
    for (const directory of [path.join(this.#path, "volumes"), this.#path]) {
      try {
        rmdirSync(directory);
      } catch {
        return;
      }
    }
  }
}
