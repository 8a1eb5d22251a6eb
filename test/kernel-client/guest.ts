import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

import { GuestNetwork } from "./network.ts";

const tapDevice = `vec0:transport=tap,ifname=${GuestNetwork.tap},depth=128,gro=1`;
const kernelOptions = [
  "root=/dev/root rootfstype=hostfs ro mem=1G quiet seccomp=on",
  `${tapDevice},mac=02:00:00:00:00:02`,
  "con=null con0=null,fd:2 con1=null ssl=null",
].join(" ");

/**
 * All of the guest's processes and mounts end with this one. A slave doesn't keep what the host
 * unmounts meanwhile.
 */
const isolated = "unshare -m --propagation slave --pid --fork --kill-child=KILL".split(" ");

/** A Linux kernel that runs as a process, with a tree of the host as its root. */
export class Guest {
  /** What the guest and the host both see; below the tree, and this guest's own. */
  readonly #directory: string;
  readonly #tree: string;
  readonly #network: GuestNetwork;
  /** Directories of the host, by where they are in the guest. */
  readonly #shown = new Map<string, string>();
  #process: ChildProcess | undefined;

  constructor(tree: string, network: GuestNetwork) {
    this.#tree = tree;
    this.#network = network;
    this.#directory = mkdtempSync(path.join(tree, "tmp/mooring-test-"));
  }

  /** As the guest names what `tell`, `show` and `copy` give it. */
  inside(...names: readonly string[]): string {
    return path.join("/", path.relative(this.#tree, this.#directory), ...names);
  }

  /** Lets the guest see that something happened. */
  tell(fact: string, about = ""): void {
    const whole = path.join(this.#directory, `.${fact}`);
    writeFileSync(whole, about);
    renameSync(whole, path.join(this.#directory, fact));
  }

  /** Gives the guest a copy of a file of the host. */
  copy(file: string, name: string): void {
    cpSync(file, path.join(this.#directory, name));
  }

  /** Lets the guest read a directory of the host, from its boot on. */
  show(directory: string, name: string): void {
    mkdirSync(path.join(this.#directory, name), { recursive: true });
    this.#shown.set(this.inside(name), directory);
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
    cpSync(path.dirname(program), path.join(this.#directory, "program"), { recursive: true });
    const script = this.inside("program", path.basename(program));
    const work = ["python3", script, this.inside(), ...programArguments].join(" ");
    writeFileSync(path.join(this.#directory, "init.sh"), initScript(work));
    chmodSync(path.join(this.#directory, "init.sh"), 0o755);
    const options = `${kernelOptions} init=${this.inside("init.sh")}`;
    const shown = [...this.#shown].flat();
    const boot = [...isolated, "sh", "-c", bootScript, "boot", this.#tree, options, ...shown];
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
tree=$1 options=$2
shift 2
mount --bind /dev "$tree/dev"
mount -t proc proc "$tree/proc"
mount -t tmpfs -o exec tmpfs "$tree/dev/shm"
while [ $# -gt 0 ]; do
  mount --bind "$2" "$tree$1"
  shift 2
done
chroot "$tree" env TMPDIR=/dev/shm HOME=/dev/shm /usr/bin/linux.uml $options
exit 0
`;

function initScript(command: string): string {
  return `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /mnt
# Node would use io_uring, whose rings this kernel takes for ordinary pages when a process forks.
echo 2 > /proc/sys/kernel/io_uring_disabled
ip link set lo up
ip link set vec0 up
ip addr add ${GuestNetwork.guestAddress}/24 dev vec0
modprobe nfsv4
${command} 2>&1
echo o > /proc/sysrq-trigger
sleep 60
`;
}
