import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { Api } from "../../src/cli/api.ts";
import { readSession } from "../../src/cli/session.ts";
import { Moor } from "../../tools/moor.ts";

export interface InstanceOptions {
  /** `loopback`, the default, needs no container engine and runs no tasks. */
  readonly network?: "loopback" | "docker";
}

/** `moor up` as a process, with a data directory, a port and a VPC range of its own. */
export class Instance {
  readonly moor: Moor;
  readonly nfsPort: number;
  readonly #directory: string;

  constructor(directory: string, moor: Moor, nfsPort: number) {
    this.#directory = directory;
    this.moor = moor;
    this.nfsPort = nfsPort;
  }

  /** Starts one; `end` has to be called, also when the test failed. */
  static async start({ network = "loopback" }: InstanceOptions = {}): Promise<Instance> {
    const directory = await mkdtemp(path.join(tmpdir(), "mooring-test-"));
    const nfsPort = await freePort();
    const moor = new Moor(directory, `127.0.0.1:${await freePort()}`, [
      `--network=${network}`,
      `--vpc-cidr=${vpcRange(network)}`,
      `--nfs-port=${nfsPort}`,
    ]);
    const instance = new Instance(directory, moor, nfsPort);
    try {
      await moor.up();
    } catch (error) {
      await instance.end();
      throw error;
    }
    return instance;
  }

  get endpoint(): string {
    return this.moor.endpoint;
  }

  get dataDirectory(): string {
    return this.#directory;
  }

  /** The SDK's clients with the root credentials of this instance. */
  api(): Api {
    return new Api(readSession(this.#directory));
  }

  /** As a crash would: SIGKILL, then the same command again. */
  async crashAndStart(): Promise<void> {
    await this.moor.end("SIGKILL");
    await this.moor.up();
  }

  async end(): Promise<void> {
    await this.moor.end("SIGTERM");
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Test files that run at the same time don't take each other's addresses. */
function vpcRange(network: "loopback" | "docker"): string {
  const second = 16 + Math.floor(Math.random() * 220);
  return network === "loopback" ? `127.${second}.0.0/16` : `10.${second}.0.0/16`;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port of its own");
  return address.port;
}
