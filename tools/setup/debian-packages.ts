import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

/**
 * Installs Debian packages that this machine lacks. Exits with one sentence that says what to
 * install where that can't be done from here. Without `services` nothing that a package would start
 * is started.
 */
export function ensureDebianPackages(
  packages: readonly string[],
  { services = true }: { readonly services?: boolean } = {},
): void {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    console.error(`mooring: install ${missing.join(", ")} (Debian's names), then run this again`);
    process.exit(1);
  }
  console.error(`mooring: installing Debian's ${missing.join(", ")}`);
  const install = ["install", "--yes", "--no-install-recommends", ...missing];
  const failure =
    aptGet(["update"]) ?? (services ? aptGet(install) : withoutServices(() => aptGet(install)));
  if (failure === undefined) return;
  console.error(`mooring: ${failure}`);
  process.exit(1);
}

/** Says no to packages that want to start a service of theirs (invoke-rc.d(8)). */
function withoutServices<T>(install: () => T): T {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return install();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return install();
  } finally {
    rmSync(policy);
  }
}

function isInstalled(name: string): boolean {
  const query = spawnSync("dpkg-query", ["--show", "--showformat=${Status}", name], {
    encoding: "utf8",
  });
  return query.status === 0 && query.stdout.endsWith("ok installed");
}

/** What went wrong, if anything did. */
function aptGet(args: readonly string[]): string | undefined {
  const ran = spawnSync("apt-get", ["--quiet", ...args], {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  return ran.status === 0 ? undefined : `apt-get ${args.join(" ")} failed:\n${ran.stderr}`;
}
