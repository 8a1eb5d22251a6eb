import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** How far a container's output was sent: the last millisecond, and how many of its lines. */
export interface LogPosition {
  readonly atMs: number;
  readonly count: number;
}

/** What the agent keeps on disk for one task. */
export class TaskDirectory {
  readonly #path: string;

  constructor(dataDirectory: string, taskId: string) {
    this.#path = path.join(dataDirectory, "tasks", taskId);
  }

  volume(name: string): string {
    return path.join(this.#path, "volumes", name);
  }

  readLogPosition(container: string): LogPosition | undefined {
    try {
      return JSON.parse(readFileSync(this.#positionFile(container), "utf8")) as LogPosition;
    } catch {
      return undefined;
    }
  }

  writeLogPosition(container: string, position: LogPosition): void {
    const file = this.#positionFile(container);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, JSON.stringify(position));
    renameSync(`${file}.new`, file);
  }

  /** Only what is empty of volumes goes: a mount that is still there is never walked into. */
  remove(): void {
    rmSync(path.join(this.#path, "logs"), { recursive: true, force: true });
    for (const directory of [path.join(this.#path, "volumes"), this.#path]) {
      try {
        rmdirSync(directory);
      } catch {
        return;
      }
    }
  }

  #positionFile(container: string): string {
    return path.join(this.#path, "logs", `${container}.json`);
  }
}
