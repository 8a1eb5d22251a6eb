import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { freePort } from "./instance.ts";

export interface StunnelOptions {
  readonly address: string;
  readonly nfsPort: number;
  /** What the server's certificate has to be for. */
  readonly checkHost: string;
  readonly caFile: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

const waitLimitMs = 10_000;

/**
 * Debian's stunnel with the configuration that amazon-efs-utils writes for the option `stunnel`
 * (facts §1.5), in the form that it has with `stunnel_debug_enabled`.
 */
export class Stunnel {
  readonly port: number;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, child: ChildProcess, port: number) {
    this.#directory = directory;
    this.#process = child;
    this.port = port;
  }

  /** `end` has to be called, also when the test failed. */
  static async start(options: StunnelOptions): Promise<Stunnel> {
    const directory = mkdtempSync(path.join(tmpdir(), "mooring-test-stunnel-"));
    mkdirSync(path.join(directory, "state+"));
    writeFileSync(path.join(directory, "certificate.pem"), options.certificatePem);
    writeFileSync(path.join(directory, "privateKey.pem"), options.keyPem, { mode: 0o400 });
    const port = await freePort();
    const file = path.join(directory, "stunnel-config");
    writeFileSync(file, configuration(directory, port, options));
    const child = spawn("stunnel", [file], { stdio: "ignore" });
    const stunnel = new Stunnel(directory, child, port);
    try {
      await stunnel.#logged(/Accepting new connections/, 1);
    } catch (error) {
      await stunnel.end();
      throw error;
    }
    return stunnel;
  }

  get log(): string {
    try {
      return readFileSync(path.join(this.#directory, "stunnel.log"), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
      throw error;
    }
  }

  /** As the watchdog does: the new certificate in the old one's place, then SIGHUP. */
  async renew(certificatePem: string): Promise<void> {
    const bound = / bound to /;
    const before = this.#count(bound);
    writeFileSync(path.join(this.#directory, "certificate.pem"), certificatePem);
    this.#process.kill("SIGHUP");
    await this.#logged(bound, before + 1);
  }

  async end(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise<void>((resolve) => this.#process.once("exit", () => resolve()));
      this.#process.kill("SIGTERM");
      await exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #count(pattern: RegExp): number {
    return this.log.split("\n").filter((line) => pattern.test(line)).length;
  }

  async #logged(pattern: RegExp, times: number): Promise<void> {
    const startedMs = Date.now();
    while (this.#count(pattern) < times) {
      const late = Date.now() - startedMs > waitLimitMs;
      if (late || this.#process.exitCode !== null) throw new Error(`stunnel says:\n${this.log}`);
      await delay(10);
    }
  }
}

function configuration(directory: string, port: number, options: StunnelOptions): string {
  return [
    "fips = no",
    "foreground = yes",
    "socket = l:SO_REUSEADDR=yes",
    "socket = a:SO_BINDTODEVICE=lo",
    "debug = debug",
    `output = ${directory}/stunnel.log`,
    `pid = ${directory}/state+/stunnel.pid`,
    "[efs]",
    "client = yes",
    `accept = 127.0.0.1:${port}`,
    `connect = ${options.address}:${options.nfsPort}`,
    "sslVersion = TLSv1.2",
    "renegotiation = no",
    "TIMEOUTbusy = 20",
    "TIMEOUTclose = 0",
    "TIMEOUTidle = 70",
    "delay = yes",
    "verify = 2",
    `CAfile = ${options.caFile}`,
    `cert = ${directory}/certificate.pem`,
    `key = ${directory}/privateKey.pem`,
    `checkHost = ${options.checkHost}`,
    "libwrap = no",
  ].join("\n");
}
