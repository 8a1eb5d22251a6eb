import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/**
 * Installs Debian packages that this machine lacks. Exits with one sentence that says what to
 * install where that can't be done from here.
 */
export function ensureDebianPackages(packages: readonly string[]): void {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    console.error(`mooring: install ${missing.join(", ")} (Debian's names), then run this again`);
    process.exit(1);
  }
  console.error(`mooring: installing Debian's ${missing.join(", ")}`);
  aptGet(["update"]);
  aptGet(["install", "--yes", "--no-install-recommends", ...missing]);
}

function isInstalled(name: string): boolean {
  const query = spawnSync("dpkg-query", ["--show", "--showformat=${Status}", name], {
    encoding: "utf8",
  });
  return query.status === 0 && query.stdout.endsWith("ok installed");
}

function aptGet(args: readonly string[]): void {
  const ran = spawnSync("apt-get", ["--quiet", ...args], {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (ran.status === 0) return;
  console.error(`mooring: apt-get ${args.join(" ")} failed:\n${ran.stderr}`);
  process.exit(1);
}
