import { execFile } from "node:child_process";
import { existsSync } from "node:fs";

import type { Instance } from "./instance.ts";

/** Debian's, which `npm test` installs; the one of the path elsewhere. */
const program = existsSync("/usr/bin/aws") ? "/usr/bin/aws" : "aws";

export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** By name without the dashes; `true` for one that has no value. */
export type CliOptions = Readonly<Record<string, string | true>>;

/** The aws command with what `moor env` prints and nothing else of this machine's settings. */
export class AwsCli {
  readonly #environment: Readonly<Record<string, string>>;

  constructor(environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
  }

  static async for(instance: Instance): Promise<AwsCli> {
    return new AwsCli(await instance.moor.json<Record<string, string>>(["env"]));
  }

  /** As another caller. */
  as(accessKeyId: string, secretAccessKey: string): AwsCli {
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    return new AwsCli({ ...this.#environment, ...keys });
  }

  /** E.g. `run("efs describe-file-systems", { "max-items": "2" })`. */
  run(command: string, options: CliOptions = {}): Promise<CliResult> {
    // Debian 12's CLI is older than AWS_ENDPOINT_URL (2.13), newer ones take both.
    const endpoint = ["--endpoint-url", this.#environment["AWS_ENDPOINT_URL"]!];
    const env = {
      PATH: process.env["PATH"] ?? "",
      HOME: "/nonexistent",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_PAGER: "",
      PYTHONUTF8: "1",
      ...this.#environment,
    };
    return new Promise((resolve, reject) => {
      const args = [...endpoint, ...command.split(" "), ...argumentsOf(options)];
      execFile(program, args, { env }, (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : error.code;
        if (typeof exitCode === "number") resolve({ exitCode, stdout, stderr });
        else reject(new Error(`${program} can't be run`, { cause: error }));
      });
    });
  }

  /** Has to succeed; what it printed as JSON, undefined where it printed nothing. */
  async json<T>(command: string, options: CliOptions = {}): Promise<T> {
    const { exitCode, stdout, stderr } = await this.run(command, { ...options, output: "json" });
    if (exitCode !== 0) throw new Error(`aws ${command}: ${stderr}`);
    return (stdout.trim() === "" ? undefined : JSON.parse(stdout)) as T;
  }
}

function argumentsOf(options: CliOptions): string[] {
  return Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, value],
  );
}
