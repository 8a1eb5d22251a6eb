import type { HostNetwork } from "./host-network.ts";

/** A VPC range inside 127.0.0.0/8, where every address is this machine's already. */
export class LoopbackNetwork implements HostNetwork {
  async open(): Promise<void> {}
  async addAddress(): Promise<void> {}
  async removeAddress(): Promise<void> {}
  async close(): Promise<void> {}
}
