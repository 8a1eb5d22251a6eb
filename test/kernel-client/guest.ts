import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

import { GuestNetwork } from "./network.ts";

const tapDevice = `vec0:transport=tap,ifname=${GuestNetwork.tap},depth=128,gro=1`;
const kernelOptions = [
  "root=/dev/root rootfstype=hostfs ro mem=1G quiet seccomp=on",
  `${tapDevice},mac=02:00:00:00:00:02`,
  "con=null con0=null,fd:2 con1=null ssl=null",
].join(" ");

/** All of the guest's processes and mounts end with this one. */
const isolated = "unshare -m --propagation private --pid --fork --kill-child=KILL".split(" ");

/** A Linux kernel that runs as a process, with a tree of the host as its root. */
export class Guest {
  /** What the guest and the host both see; below the tree, and this guest's own. */
  readonly #directory: string;
  readonly #tree: string;
  readonly #network: GuestNetwork;
  #process: ChildProcess | undefined;

  constructor(tree: string, network: GuestNetwork) {
    this.#tree = tree;
    this.#network = network;
    this.#directory = mkdtempSync(path.join(tree, "tmp/mooring-test-"));
  }

  /** Lets the guest see that something happened. */
  tell(fact: string): void {
    writeFileSync(path.join(this.#directory, fact), "");
  }

  /**
   * Boots and runs a Python program, until the guest switches itself off. Its arguments are the
   * directory that `tell` writes to and those given. `line` gets what is written to the console.
   */
  async run(
    program: string,
    programArguments: readonly string[],
    line: (text: string) => void,
  ): Promise<void> {
    const inside = path.join("/", path.relative(this.#tree, this.#directory));
    cpSync(path.dirname(program), path.join(this.#directory, "program"), { recursive: true });
    const script = `${inside}/program/${path.basename(program)}`;
    const work = ["python3", script, inside, ...programArguments].join(" ");
    writeFileSync(path.join(this.#directory, "init.sh"), initScript(work));
    chmodSync(path.join(this.#directory, "init.sh"), 0o755);
    const options = `${kernelOptions} init=${inside}/init.sh`;
    const boot = [...isolated, "sh", "-c", bootScript, "boot", this.#tree, options];
    const [command, args] = this.#network.within(...boot);
    const started = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = started;
    createInterface({ input: started.stderr }).on("line", line);
    await once(started, "close");
  }

  /** Harmless when it has switched itself off. */
  async end(): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill("SIGKILL");
    await exited;
  }

  async remove(): Promise<void> {
    await this.end();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** The kernel stays a child, since it couldn't kill itself as process 1 of a namespace. */
const bootScript = `
set -e
mount --bind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -t tmpfs -o exec tmpfs "$1/dev/shm"
chroot "$1" env TMPDIR=/dev/shm /usr/bin/linux.uml $2
exit 0
`;

function initScript(command: string): string {
  return `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /mnt
ip link set lo up
ip link set vec0 up
ip addr add ${GuestNetwork.guestAddress}/24 dev vec0
modprobe nfsv4
${command} 2>&1
echo o > /proc/sysrq-trigger
sleep 60
`;
}
