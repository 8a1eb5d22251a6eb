import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { UserError } from "../cli/user-error.ts";
import {
  type KeyAndCertificate,
  makeAuthority,
  makeServerCertificate,
} from "../wire/x509/authority.ts";

const authorityName = "Mooring CA";

/** Where an instance keeps everything; one process at a time. */
export class DataDirectory {
  readonly path: string;

  constructor(directory: string) {
    this.path = path.resolve(directory);
    try {
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new UserError(
        `The data directory can't be made: ${(error as Error).message}. Name another with --data.`,
      );
    }
  }

  /** Throws `UserError` where another process has it; `advice` is a sentence on what to do then. */
  lock(advice?: string): void {
    const file = this.#file("pid");
    const other = Number(readText(file) ?? 0);
    if (other !== 0 && other !== process.pid && isMooring(other)) {
      const problem = `moor up runs already with ${this.path}, as process ${other}.`;
      throw new UserError(advice === undefined ? problem : `${problem} ${advice}`);
    }
    writeFileSync(file, String(process.pid));
  }

  unlock(): void {
    rmSync(this.#file("pid"), { force: true });
  }

  get controlStore(): string {
    return this.#file("control");
  }

  /** Those that were opened at least once, in order. */
  fileSystemIds(): string[] {
    const directory = this.#file("file-systems");
    return existsSync(directory) ? readdirSync(directory).sort() : [];
  }

  fileSystem(id: string): { whole: string; names: string; contents: string } {
    const whole = path.join(this.path, "file-systems", id);
    return { whole, names: path.join(whole, "names"), contents: path.join(whole, "contents") };
  }

  get authorityFile(): string {
    return this.#file("ca.pem");
  }

  /** The instance's own authority, made at the first start, and a fresh server certificate. */
  serverCertificate(names: readonly string[], nowMs: number): KeyAndCertificate {
    return makeServerCertificate(this.#authority(nowMs), authorityName, names, nowMs);
  }

  #authority(nowMs: number): KeyAndCertificate {
    const key = readText(this.#file("ca-key.pem"));
    const certificate = readText(this.authorityFile);
    if (key !== undefined && certificate !== undefined) return { key, certificate };
    const made = makeAuthority(authorityName, nowMs);
    writeFileSync(this.#file("ca-key.pem"), made.key, { mode: 0o600 });
    writeFileSync(this.authorityFile, made.certificate);
    return made;
  }

  /** For the commands beside `moor up`; readable by its owner only. */
  writeJson(name: string, value: unknown): void {
    const file = this.#file(name);
    writeFileSync(`${file}.new`, JSON.stringify(value, null, 2), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  #file(name: string): string {
    return path.join(this.path, name);
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The process with that number may be another program by now. */
function isMooring(pid: number): boolean {
  const command = readText(`/proc/${pid}/cmdline`);
  return command !== undefined && /moor|main\.(ts|js)/.test(command);
}
