// The peer: nfs-ganesha as Debian has it, NFSv4.1 alone, over a directory of the machine.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { ensureDebianPackages } from "../setup/debian-packages.ts";
import { end, hasEnded, type RunningServer } from "./child.ts";

const startLimitMs = 30_000;

/** Starts it with everything that it keeps, the exported files included, in `directory`. */
export async function startGanesha(directory: string, signal: AbortSignal): Promise<RunningServer> {
  ensureDebianPackages(["nfs-ganesha", "nfs-ganesha-vfs"]);
  const inside = (name: string): string => path.join(directory, name);
  for (const name of ["export", "recovery"]) mkdirSync(inside(name), { recursive: true });
  const port = await freePort();
  writeFileSync(inside("ganesha.conf"), configuration(inside("export"), inside("recovery"), port));
  const server = ["ganesha.nfsd", "-F", "-f", inside("ganesha.conf")];
  const files = ["-L", inside("ganesha.log"), "-p", inside("ganesha.pid")];
  const output = openSync(inside("output.log"), "a");
  // Should this process be killed, so is the server; the command keeps its process id.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", ...server, ...files], {
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const stop = (): Promise<void> => end(child);
  child.once("error", (error) => console.error(`bench: setpriv: ${error.message}`));
  const startedMs = Date.now();
  while (!(await accepts(port))) {
    const late = Date.now() - startedMs > startLimitMs;
    if (!late && !hasEnded(child) && !signal.aborted) await delay(50);
    else {
      await stop();
      signal.throwIfAborted();
      throw new Error(`nfs-ganesha did not start: ${lastLines(inside("ganesha.log"))}`);
    }
  }
  return { port, pid: child.pid!, stop };
}

/**
 * What differs from its defaults: where it listens and keeps things, NFSv4.1 alone, which needs no
 * rpcbind, and no grace period, during which no file could be opened.
 */
function configuration(exported: string, recovery: string, port: number): string {
  return `
NFS_CORE_PARAM {
  Bind_addr = 127.0.0.1;
  NFS_Port = ${port};
  Protocols = 4;
  Enable_NLM = false;
  Enable_RQUOTA = false;
  Enable_UDP = false;
}
NFSv4 {
  Minor_Versions = 1;
  Graceless = true;
  RecoveryBackend = fs;
  RecoveryRoot = "${recovery}";
}
EXPORT {
  Export_Id = 1;
  Path = "${exported}";
  Pseudo = "/";
  Access_Type = RW;
  Squash = No_Root_Squash;
  SecType = sys;
  Protocols = 4;
  Transports = TCP;
  FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port for nfs-ganesha");
  return address.port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, "utf8").trim().split("\n").slice(-5).join("\n");
  } catch {
    return "it left no log";
  }
}
