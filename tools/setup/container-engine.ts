import { spawn, spawnSync } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import Docker from "dockerode";

import { ensureDebianPackages } from "./debian-packages.ts";

const engineLog = "/var/log/mooring-dockerd.log";
const startLimitMs = 60_000;

/**
 * A container engine that answers: the one that is there, else Debian's docker.io, installed and
 * started. It is a service of the machine, so it is left running.
 */
export async function ensureContainerEngine(): Promise<Docker> {
  const docker = new Docker();
  if (await answers(docker)) return docker;
  ensureDebianPackages(["docker.io", "iptables"]);
  startEngine();
  const startedMs = Date.now();
  while (!(await answers(docker))) {
    if (Date.now() - startedMs > startLimitMs) {
      console.error(`mooring: the Docker engine does not answer; its log is ${engineLog}`);
      process.exit(1);
    }
    await delay(250);
  }
  return docker;
}

async function answers(docker: Docker): Promise<boolean> {
  try {
    await docker.ping();
    return true;
  } catch {
    return false;
  }
}

function startEngine(): void {
  if (existsSync("/run/systemd/system")) {
    spawnSync("systemctl", ["start", "docker"], { stdio: "inherit" });
    return;
  }
  console.error(`mooring: starting the Docker engine, log in ${engineLog}`);
  const log = openSync(engineLog, "a");
  spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log] }).unref();
}
