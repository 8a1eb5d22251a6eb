import type { HostNetwork } from "../agent/host-network.ts";
import type { Log } from "../base/log.ts";
import type { FileSystems } from "../cloud/efs/file-systems.ts";
import type { NfsServer } from "../nfs/server/nfs-server.ts";

/** Makes every mount target's address answer, and no other (level-triggered). */
export class MountTargetServers {
  readonly #fileSystems: FileSystems;
  readonly #network: HostNetwork;
  readonly #server: NfsServer;
  readonly #port: number;
  readonly #log: Log;
  /** Addresses that answer, by mount target. */
  readonly #served = new Map<string, string>();
  #running: Promise<void> | undefined;
  #again = false;

  constructor(
    fileSystems: FileSystems,
    network: HostNetwork,
    server: NfsServer,
    port: number,
    log: Log,
  ) {
    this.#fileSystems = fileSystems;
    this.#network = network;
    this.#server = server;
    this.#port = port;
    this.#log = log;
  }

  async start(): Promise<void> {
    this.#fileSystems.onChange(() => void this.reconcile());
    await this.reconcile();
  }

  reconcile(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#reconcileAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #reconcileAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const wanted = new Map(
        this.#fileSystems.mountTargets.list().map((each) => [each.mountTargetId, each.address]),
      );
      for (const [id, address] of this.#served) if (!wanted.has(id)) await this.#end(id, address);
      for (const [id, address] of wanted) if (!this.#served.has(id)) await this.#begin(id, address);
    }
  }

  async #begin(id: string, address: string): Promise<void> {
    try {
      await this.#network.addAddress(address);
      await this.#server.listen(address, this.#port);
      this.#served.set(id, address);
      this.#fileSystems.setServed(id, true);
    } catch (error) {
      this.#log.error({ error, mountTarget: id, address }, "a mount target can't be served");
    }
  }

  async #end(id: string, address: string): Promise<void> {
    this.#served.delete(id);
    this.#fileSystems.setServed(id, false);
    await this.#server.unlisten(address, this.#port);
    await this.#network.removeAddress(address);
  }
}
