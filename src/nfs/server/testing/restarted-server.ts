import { once } from "node:events";
import net from "node:net";

import { SystemClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { SystemRandom } from "../../../base/random.ts";
import type { FileSystem } from "../../../files/file-system.ts";
import type { PosixFileSystem } from "../../../files/posix-file-system.ts";
import { memoryFileSystem } from "../../../files/testing.ts";
import { NfsServer } from "../nfs-server.ts";
import { MemoryClientRecords } from "../state/client-records.ts";

/** For tests: a server that is stopped and started again. Memory is its disk. */
export class RestartedServer {
  readonly #disk = memoryFileSystem();
  /** What is served now. */
  files = this.#disk.files;
  readonly #records = new MemoryClientRecords();
  readonly #watched: (files: PosixFileSystem) => FileSystem;
  #server: NfsServer | undefined;
  #port = 0;

  /** `watched` is given each file system before it is served. */
  constructor(watched: (files: PosixFileSystem) => FileSystem = (files) => files) {
    this.#watched = watched;
  }

  /** What was not committed before a `stop` is gone. */
  async start(): Promise<void> {
    if (this.#server !== undefined) this.files = this.#disk.reopen();
    const fileSystem = this.#watched(this.files);
    this.#server = new NfsServer({
      admission: {
        arrives: () => "serve",
        admit: () => ({
          fileSystem,
          root: () => fileSystem.root,
          permissions: { mount: true, write: true, root: true },
          identity: undefined,
          expiresAtMs: undefined,
          closed: () => {},
        }),
      },
      records: this.#records,
      clock: new SystemClock(),
      random: new SystemRandom(),
      log: silentLog,
    });
    this.#port = await this.#server.listen("127.0.0.1", this.#port);
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async dial(): Promise<net.Socket> {
    const socket = net.connect({ host: "127.0.0.1", port: this.#port, noDelay: true });
    await once(socket, "connect");
    return socket;
  }
}
