import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type Docker from "dockerode";

import type { HostNetwork } from "../host-network.ts";

const run = promisify(execFile);
const instanceLabel = "mooring.instance";

/**
 * The VPC as one of Docker's bridge networks: tasks have their addresses in it, mount targets and
 * the tasks' metadata are addresses of this machine on the bridge.
 */
export class BridgeNetwork implements HostNetwork {
  readonly name: string;
  readonly #docker: Docker;
  readonly #cidrBlock: string;
  readonly #bridge: string;
  /** Whose network it is: the data directory. */
  readonly #instance: string;

  constructor(docker: Docker, cidrBlock: string, instance: string) {
    this.#docker = docker;
    this.#instance = instance;
    this.#cidrBlock = cidrBlock;
    const [a, b] = cidrBlock.split(".");
    this.name = `mooring-${cidrBlock.replace("/", "-")}`;
    // Interface names have at most 15 characters.
    this.#bridge = `moor-${a}-${b}`;
  }

  /** The machine's own address in the VPC: its first one, which AWS keeps for the router. */
  get gateway(): string {
    const [network = ""] = this.#cidrBlock.split("/");
    const parts = network.split(".").map(Number);
    return [...parts.slice(0, 3), parts[3]! + 1].join(".");
  }

  /** Throws where another instance runs tasks in the same range. */
  async open(): Promise<void> {
    const known = await this.#docker.listNetworks({ filters: { name: [this.name] } });
    const found = known.find((network) => network.Name === this.name);
    if (found?.Labels?.[instanceLabel] === this.#instance) {
      await this.#removeAddresses();
      return;
    }
    if (found !== undefined) await this.#takeAway(found.Labels?.[instanceLabel]);
    await this.#docker.createNetwork({
      Name: this.name,
      Driver: "bridge",
      IPAM: { Config: [{ Subnet: this.#cidrBlock, Gateway: this.gateway }] },
      Options: { "com.docker.network.bridge.name": this.#bridge },
      Labels: { [instanceLabel]: this.#instance },
    });
  }

  /** What another instance left; not where it has tasks still. */
  async #takeAway(owner: string | undefined): Promise<void> {
    try {
      await this.#docker.getNetwork(this.name).remove();
    } catch {
      throw new Error(
        `The range ${this.#cidrBlock} is used by the tasks of another Mooring (${owner}). ` +
          "Stop those, or start this one with another --vpc-cidr.",
      );
    }
  }

  /** Addresses that a run before a crash left; what is wanted is added again. */
  async #removeAddresses(): Promise<void> {
    const { stdout } = await run("ip", ["-json", "-4", "address", "show", "dev", this.#bridge]);
    const [device] = JSON.parse(stdout) as { addr_info: { local: string; prefixlen: number }[] }[];
    for (const { local, prefixlen } of device?.addr_info ?? []) {
      if (prefixlen === 32) await this.removeAddress(local);
    }
  }

  async addAddress(address: string): Promise<void> {
    await this.#ip("replace", address);
  }

  async removeAddress(address: string): Promise<void> {
    await this.#ip("del", address).catch(() => {});
  }

  async close(): Promise<void> {
    const network = this.#docker.getNetwork(this.name);
    const { Containers } = (await network.inspect()) as { Containers?: object };
    if (Object.keys(Containers ?? {}).length === 0) await network.remove();
  }

  async #ip(verb: string, address: string): Promise<void> {
    await run("ip", ["address", verb, `${address}/32`, "dev", this.#bridge]);
  }
}
