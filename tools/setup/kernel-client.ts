import { spawnSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";

import { ensureDebianPackages } from "./debian-packages.ts";

/**
 * The first release whose user-mode Linux traps system calls with seccomp; those before it use
 * ptrace, which is slow, and panic on hosts that have more processor state than they know.
 */
const release = "forky";
const packages = ["user-mode-linux", "nfs-common", "iproute2", "kmod", "python3"];
/** debootstrap of an older release has no script named for a newer one; all are the same. */
const debootstrapScript = "/usr/share/debootstrap/scripts/sid";
const defaultMirror = "http://deb.debian.org/debian";
const cache = path.resolve(import.meta.dirname, "../../.toolchain");

/**
 * The root tree of a guest that has the Linux kernel's NFS client, made where it is missing
 * (under a minute, about 400 MB). Returns its path. A tree gets its name when it is complete, so
 * one that was cut off is never used, and two makers at once don't meet.
 */
export function ensureKernelClientTree(): string {
  const tree = path.join(cache, `kernel-client-${release}`);
  if (existsSync(tree)) return tree;
  ensureDebianPackages(["debootstrap"]);
  removeAbandoned(tree);
  const staged = `${tree}.${process.pid}`;
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  console.error(`mooring: making the tree of a guest with the kernel's NFS client, in ${tree}`);
  bootstrap(staged);
  symlinkSync("/usr/lib/uml/modules", path.join(staged, "usr/lib/modules"));
  try {
    renameSync(staged, tree);
  } catch (error) {
    rmSync(staged, { recursive: true, force: true });
    if (!existsSync(tree)) throw error;
  }
  return tree;
}

/** In a mount namespace of its own, so that what it mounts in the tree ends with it. */
function bootstrap(staged: string): void {
  const options = ["--variant=minbase", `--include=${packages.join(",")}`];
  const command = ["debootstrap", ...options, release, staged, mirror(), debootstrapScript];
  const ran = spawnSync("unshare", ["--mount", "--propagation", "private", ...command], {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (ran.status === 0) return;
  rmSync(staged, { recursive: true, force: true });
  const lastLines = `${ran.stdout}${ran.stderr}`.trim().split("\n").slice(-10).join("\n");
  throw new Error(`debootstrap of ${release} failed:\n${lastLines}`);
}

/** Trees whose maker was killed. */
function removeAbandoned(tree: string): void {
  for (const staged of globSync(`${tree}.*`)) {
    const maker = path.extname(staged).slice(1);
    if (!existsSync(`/proc/${maker}`)) rmSync(staged, { recursive: true, force: true });
  }
}

/** The machine's own Debian mirror, which may be the only one that it reaches. */
function mirror(): string {
  const files = globSync(["/etc/apt/sources.list", "/etc/apt/sources.list.d/*.{list,sources}"]);
  const lines = files.flatMap((file) => readFileSync(file, "utf8").split("\n"));
  for (const line of lines) {
    const address = /^(?:deb |URIs:).*?(https?:\/\/\S+\/debian)\/?(?:\s|$)/.exec(line)?.[1];
    if (address !== undefined) return address;
  }
  return defaultMirror;
}
