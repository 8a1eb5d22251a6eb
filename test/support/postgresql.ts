import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { eventually } from "./eventually.ts";

/** Small, so that pages are written back and segments of the log come and go within seconds. */
const settings = {
  checkpoint_timeout: "30s",
  listen_addresses: "",
  max_connections: "20",
  max_wal_size: "64MB",
  min_wal_size: "32MB",
  shared_buffers: "8MB",
};

/**
 * A PostgreSQL server of this machine's package, run by hand: with its data where the test wants
 * it and its socket in a directory of its own.
 */
export class Postgresql {
  readonly #sockets: string;
  #data: string;
  #server: ChildProcess | undefined;
  #log = "";

  private constructor(data: string, sockets: string) {
    this.#data = data;
    this.#sockets = sockets;
  }

  /** Makes a cluster with checksums; `end` has to be called, also when the test failed. */
  static async create(data: string): Promise<Postgresql> {
    const sockets = await mkdtemp(path.join(tmpdir(), "mooring-test-"));
    const { uid, gid } = postgresqlUser();
    await chown(sockets, uid, gid);
    await mkdir(data, { mode: 0o700 });
    await chown(data, uid, gid);
    const made = new Postgresql(data, sockets);
    await made.#run("initdb", [
      "--data-checksums",
      "--auth=trust",
      "--no-locale",
      "--pgdata",
      data,
    ]);
    return made;
  }

  /** Where the data are now: the same directory on another mount, after the first was killed. */
  movedTo(data: string): void {
    this.#data = data;
  }

  /** Returns when it takes connections, which is after it has recovered. */
  async start(): Promise<void> {
    const options = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    const server = spawn(program("postgres"), ["-D", this.#data, "-k", this.#sockets, ...options], {
      ...postgresqlUser(),
      cwd: "/",
      stdio: ["ignore", "ignore", "pipe"],
    });
    server.stderr.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    this.#server = server;
    await eventually("a PostgreSQL server", async () => {
      if (server.exitCode !== null) throw new Error(`PostgreSQL ended:\n${this.#log}`);
      return this.#run("pg_isready", ["-q", "-h", this.#sockets]).then(
        () => true,
        () => false,
      );
    });
  }

  /** As `pg_ctl stop -m fast`. */
  async stop(): Promise<void> {
    await this.#end((processId) => [processId], "SIGINT");
  }

  /** Kills all processes of the server at once. */
  async kill(): Promise<void> {
    await this.#end((processId) => [processId, ...childrenOf(processId)], "SIGKILL");
  }

  async query(statement: string): Promise<string> {
    const printed = await this.#run("psql", [...this.#session(), "-c", statement]);
    return printed.trim();
  }

  /** A program of the package's, with this server's connection; gives what it printed. */
  async run(name: string, ...flags: readonly string[]): Promise<string> {
    return this.#run(name, ["-h", this.#sockets, ...flags]);
  }

  /** One of the package's programs that goes on until it is ended. */
  startClient(name: string, ...flags: readonly string[]): Client {
    const args = name === "psql" ? [...this.#session(), ...flags] : ["-h", this.#sockets, ...flags];
    return new Client(spawn(program(name), args, { ...postgresqlUser(), cwd: "/", stdio: "pipe" }));
  }

  /** Of a server that was stopped: compares every page with its checksum. Throws where one differs. */
  async checkPages(): Promise<void> {
    await this.#run("pg_checksums", ["--check", "--pgdata", this.#data]);
  }

  async end(): Promise<void> {
    await this.kill();
    await rm(this.#sockets, { recursive: true, force: true });
  }

  #session(): string[] {
    return ["-h", this.#sockets, "-d", "postgres", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"];
  }

  async #run(name: string, args: readonly string[]): Promise<string> {
    const options = { ...postgresqlUser(), cwd: "/", maxBuffer: 2 ** 26 };
    const { stdout } = await promisify(execFile)(program(name), args, options);
    return stdout;
  }

  async #end(
    whom: (processId: number) => readonly number[],
    signal: NodeJS.Signals,
  ): Promise<void> {
    const server = this.#server;
    if (server?.pid === undefined) return;
    this.#server = undefined;
    if (server.exitCode !== null || server.signalCode !== null) return;
    const closed = once(server, "close");
    for (const processId of whom(server.pid)) kill(processId, signal);
    await closed;
  }
}

/** A client program of a server, that is told things by lines and answers by lines. */
export class Client {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<void>;
  #complained = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#complained += text));
    // One that has ended reads no more.
    child.stdin!.on("error", () => {});
    this.#closed = once(child, "close").then(() => {});
  }

  /** The next line that it prints; undefined when it has ended. */
  async ask(line: string): Promise<string | undefined> {
    this.#child.stdin!.write(`${line}\n`);
    const answer = await this.#lines.next();
    return answer.done === true ? undefined : answer.value;
  }

  /** What it said of errors so far. */
  get complained(): string {
    return this.#complained;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }
}

/** The processes of a PostgreSQL server leave its process group. */
function childrenOf(processId: number): number[] {
  const children = readFileSync(`/proc/${processId}/task/${processId}/children`, "utf8");
  return children.split(" ").filter(Boolean).map(Number);
}

function kill(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function program(name: string): string {
  const [found] = globSync(`/usr/lib/postgresql/*/bin/${name}`).sort().reverse();
  if (found === undefined) throw new Error(`${name} is missing: install Debian's postgresql`);
  return found;
}

/** The package's own, as PostgreSQL doesn't run for root. */
export function postgresqlUser(): { readonly uid: number; readonly gid: number } {
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"]).toString());
  return { uid: id("-u"), gid: id("-g") };
}
