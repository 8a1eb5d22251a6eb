import { execFileSync } from "node:child_process";
import { globSync, realpathSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";

import type { CommandResult } from "../../tools/moor.ts";
import { GuestConsole } from "./console.ts";
import { Guest } from "./guest.ts";
import type { GuestNetwork } from "./network.ts";

const root = path.resolve(import.meta.dirname, "../..");
const program = path.join(import.meta.dirname, "program/shell.py");
/** Of the guest's `moor`; the rest of its tree can't be written. */
export const dataDirectory = "/run/mooring";
const commandLimitMs = 60_000;

/** A guest that runs what it is told; this checkout's `moor` and the Node that runs it are there. */
export class GuestShell {
  readonly #guest: Guest;
  readonly #off: Promise<void>;
  readonly #console = new GuestConsole();
  readonly #answers: ((answer: CommandResult) => void)[] = [];
  #commands = 0;

  /** Boots it; `end` has to be called, also when the test failed. */
  constructor(tree: string, network: GuestNetwork) {
    this.#guest = new Guest(tree, network);
    for (const part of ["bin", "src", "tools", "node_modules"]) {
      this.#guest.show(path.join(root, part), `mooring/${part}`);
    }
    this.#guest.copy(path.join(root, "package.json"), "mooring/package.json");
    this.#guest.show(path.dirname(process.execPath), "node");
    for (const library of librariesBeside(tree)) {
      this.#guest.copy(realpathSync(library), `lib/${path.basename(library)}`);
    }
    this.#off = this.#guest.run(program, [], (line) => this.#hear(line));
  }

  /** The guest's name of what is given to it. */
  give(name: string, contents: string): string {
    this.#guest.tell(name, contents);
    return this.#guest.inside(name);
  }

  /** Runs a command of the shell, which has `moor`; gives what it printed. Throws when it fails. */
  async run(command: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.attempt(command);
    if (exitCode === 0) return stdout;
    throw new Error(`${command}\nfailed in the guest (${exitCode}): ${stdout}${stderr}`);
  }

  /** Runs a command that may fail, once those before it have ended. */
  async attempt(command: string): Promise<CommandResult> {
    const answered = new Promise<CommandResult>((resolve) => this.#answers.push(resolve));
    this.#guest.tell(`command-${this.#commands}`, `${this.#moor()}\n${command}`);
    this.#commands += 1;
    const givenUp = new AbortController();
    const late = delay(commandLimitMs, "not done in time", { signal: givenUp.signal });
    late.catch(() => {});
    const off = this.#off.then(() => "the guest is off");
    try {
      const outcome = await Promise.race([answered, late, off]);
      if (typeof outcome !== "string") return outcome;
      const { tail } = this.#console;
      throw new Error(`${command}\n${outcome}; the guest's console ends with:\n${tail}`);
    } finally {
      givenUp.abort();
    }
  }

  async end(): Promise<void> {
    await this.#guest.remove();
  }

  #moor(): string {
    const libraries = this.#guest.inside("lib");
    const node = this.#guest.inside("node", path.basename(process.execPath));
    const entry = this.#guest.inside("mooring/bin/moor.mjs");
    // Each start would compile everything anew, for seconds.
    const variables = `LD_LIBRARY_PATH=${libraries} NODE_COMPILE_CACHE=/run/compiled`;
    return `moor() { ${variables} ${node} ${entry} --data ${dataDirectory} "$@"; }`;
  }

  #hear(line: string): void {
    const answer = this.#console.hear(line) as CommandResult | undefined;
    if (answer !== undefined) this.#answers.shift()!(answer);
  }
}

/** What this Node is linked to and the tree doesn't have. */
function librariesBeside(tree: string): string[] {
  const printed = execFileSync("ldd", [process.execPath], { encoding: "utf8" });
  const libraries = Array.from(printed.matchAll(/ => (\/\S+)/g), ([, library]) => library!);
  return libraries.filter((library) => {
    return globSync(path.join(tree, "usr/lib/*", path.basename(library))).length === 0;
  });
}
