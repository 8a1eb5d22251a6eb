import { spawnSync } from "node:child_process";

import { type BenchCase, preparation } from "./cases.ts";
import type { RunningServer } from "./child.ts";
import type { LoadGenerator } from "./load.ts";
import type { Sample } from "./report.ts";

export interface Servers {
  readonly mooring: RunningServer;
  readonly peer: RunningServer;
}

type Side = keyof Servers;

export interface RoundOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Both servers keep their files here. */
  readonly directory: string;
}

/** Files that are looked up or removed, for each second that a run may take. */
const filesPerSecond = 4000;
/** More than a run can make in its time. */
const unlimitedFiles = 1_000_000;
const warmUpSeconds = 0.3;

/**
 * Runs each case on both servers, one after the other, in every round; who comes first changes
 * with the rounds. What the machine does meanwhile so falls on both alike.
 */
export class Rounds {
  readonly #servers: Servers;
  readonly #generator: LoadGenerator;
  readonly #options: RoundOptions;
  #runs = 0;

  constructor(servers: Servers, generator: LoadGenerator, options: RoundOptions) {
    this.#servers = servers;
    this.#generator = generator;
    this.#options = options;
  }

  /** The samples of each case, in the order of the cases. */
  async measure(
    cases: readonly BenchCase[],
    progress: (line: string) => void,
  ): Promise<Record<Side, Sample[]>[]> {
    const { rounds, seconds } = this.#options;
    const samples = cases.map((): Record<Side, Sample[]> => ({ mooring: [], peer: [] }));
    progress("warming up");
    for (const wanted of cases) {
      for (const side of sides(0)) await this.#run(side, wanted, Math.min(seconds, warmUpSeconds));
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, wanted] of cases.entries()) {
        progress(`round ${round + 1} of ${rounds}: ${wanted.name}`);
        for (const side of sides(round)) {
          samples[index]![side].push(await this.#run(side, wanted, seconds));
        }
      }
    }
    return samples;
  }

  async #run(side: Side, wanted: BenchCase, seconds: number): Promise<Sample> {
    // TLS is measured beside the same server without it.
    const server = this.#servers[wanted.secure ? "mooring" : side];
    const load = { ...wanted, secure: wanted.secure === true && side === "mooring" };
    // A file is written over by the runs that come: new ones would fill the disk, or the memory.
    const directory =
      wanted.needs === "file" ? `file${wanted.fileBytes}` : `run${(this.#runs += 1)}`;
    const files =
      wanted.needs === "files"
        ? Math.ceil((filesPerSecond * seconds) / wanted.connections)
        : unlimitedFiles;
    const limits = { directory, filesPerConnection: files };
    const prepare = preparation(load);
    if (prepare) await this.#generator.run(server, prepare, { ...limits, seconds: undefined });
    // What earlier runs left to be written would be paid for by this one.
    spawnSync("sync", ["--file-system", this.#options.directory]);
    return this.#generator.run(server, load, { ...limits, seconds });
  }
}

function sides(round: number): readonly Side[] {
  return round % 2 === 0 ? ["mooring", "peer"] : ["peer", "mooring"];
}
