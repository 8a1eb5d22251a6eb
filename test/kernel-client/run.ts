import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { SystemClock } from "../../src/base/clock.ts";
import { checkFileSystem } from "../../src/files/check.ts";
import { ensureKernelClientTree } from "../../tools/setup/kernel-client.ts";
import { GuestConsole } from "./console.ts";
import { Guest } from "./guest.ts";
import { GuestNetwork } from "./network.ts";
import { Server } from "./server.ts";
import { openStorage } from "./storage.ts";

export const checksProgram = path.join(import.meta.dirname, "program/checks.py");

/** Of which NFSv4.0 takes 90 s to recover from the server's crash. */
const runLimitMs = 200_000;

/** One guest's life: it boots, runs the checks with one version of NFS, and is gone. */
export class Run {
  /** By the check's sentence: null where it passed, else what went wrong. */
  readonly results = new Map<string, string | null>();
  /** What doesn't fit in the file system when all is over. */
  problems: readonly string[] | undefined;
  readonly console = new GuestConsole();

  /** Leaves nothing behind, whatever happens. */
  async run(version: string, how: "plain" | "tunnel"): Promise<void> {
    const tree = ensureKernelClientTree();
    const directory = mkdtempSync(path.join(tmpdir(), "mooring-test-"));
    try {
      const network = new GuestNetwork();
      try {
        const server = new Server(network, directory, how);
        await this.#runGuest(new Guest(tree, network), server, version);
      } finally {
        network.remove();
      }
      this.problems = await findProblems(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  async #runGuest(guest: Guest, server: Server, version: string): Promise<void> {
    const giveUp = async (reason: string): Promise<void> => {
      this.console.note(reason);
      await guest.end();
      await server.end("SIGKILL");
    };
    const limit = setTimeout(() => void giveUp(`not done after ${runLimitMs} ms`), runLimitMs);
    try {
      await server.start();
      await guest.run(checksProgram, [GuestNetwork.hostAddress, version], (line) => {
        this.#hear(line, server, guest).catch((error: unknown) => giveUp(String(error)));
      });
    } finally {
      clearTimeout(limit);
      await guest.remove();
      await server.end("SIGTERM");
    }
  }

  async #hear(line: string, server: Server, guest: Guest): Promise<void> {
    const said = this.console.hear(line) as
      | { readonly check: string; readonly failure: string | null }
      | { readonly restart: true }
      | undefined;
    if (said === undefined) return;
    if ("check" in said) {
      this.results.set(said.check, said.failure);
      return;
    }
    await server.end("SIGKILL");
    await server.start();
    guest.tell("restarted");
  }
}

async function findProblems(directory: string): Promise<string[]> {
  const { store, data } = openStorage(directory, new SystemClock());
  try {
    return checkFileSystem(store, data);
  } finally {
    await store.close();
    await data.close();
  }
}
