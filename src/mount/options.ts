// What `-o` takes, with amazon-efs-utils' names and sentences (facts §1.11).

export interface MountOptions {
  readonly tls: boolean;
  readonly iam: boolean;
  readonly accessPointId: string | undefined;
  /** Path at the task's credentials endpoint. */
  readonly credentialsUri: string | undefined;
  readonly profile: string | undefined;
  readonly mountTargetIp: string | undefined;
  readonly availabilityZone: string | undefined;
  readonly region: string | undefined;
  readonly caFile: string | undefined;
  /** 0 doesn't check the server's certificate. */
  readonly verify: number;
  readonly port: number | undefined;
  readonly readOnly: boolean;
  readonly driver: "fuse" | "kernel" | undefined;
  /** What the kernel's NFS client gets as it is. */
  readonly nfs: readonly string[];
}

export class OptionsRefused extends Error {
  override readonly name = "OptionsRefused";
}

const accessPointPattern = /^fsap-[0-9a-f]{17}$/;
const flags = new Set([
  "tls",
  "notls",
  "iam",
  "ro",
  "rw",
  "noocsp",
  "ocsp",
  "noresvport",
  "_netdev",
]);
const valued = new Set([
  "accesspoint",
  "awscredsuri",
  "awsprofile",
  "mounttargetip",
  "az",
  "region",
  "cafile",
  "verify",
  "port",
  "tlsport",
  "driver",
]);
const nfsOptions =
  /^(hard|soft|timeo=\d+|retrans=\d+|rsize=\d+|wsize=\d+|nfsvers=4\.[01]|vers=4\.[01]|noatime|nosuid|nodev|noexec|sync|actimeo=\d+|noac)$/;

/** Throws `OptionsRefused`. */
export function parseMountOptions(text: string): MountOptions {
  const given = new Map<string, string>();
  const nfs: string[] = [];
  const unknown: string[] = [];
  for (const option of text.split(",").filter((part) => part !== "")) {
    const [name = "", ...rest] = option.split("=");
    const isFlag = flags.has(name) && rest.length === 0;
    if (isFlag || (valued.has(name) && rest.length > 0)) given.set(name, rest.join("="));
    else if (nfsOptions.test(option)) nfs.push(option);
    else unknown.push(option);
  }
  if (unknown.length > 0) {
    const quoted = unknown.map((option) => `"${option}"`).join(", ");
    throw new OptionsRefused(`Unsupported mount options detected: ${quoted}`);
  }
  const problem = conflict(given);
  if (problem !== undefined) throw new OptionsRefused(problem);
  return {
    tls: given.has("tls"),
    iam: given.has("iam"),
    accessPointId: given.get("accesspoint"),
    credentialsUri: given.get("awscredsuri"),
    profile: given.get("awsprofile"),
    mountTargetIp: given.get("mounttargetip"),
    availabilityZone: given.get("az"),
    region: given.get("region"),
    caFile: given.get("cafile"),
    verify: Number(given.get("verify") ?? 2),
    port: given.has("port") ? Number(given.get("port")) : undefined,
    readOnly: given.has("ro"),
    driver: given.get("driver") as MountOptions["driver"],
    nfs,
  };
}

function conflict(given: ReadonlyMap<string, string>): string | undefined {
  const has = (name: string): boolean => given.has(name);
  const accessPoint = given.get("accesspoint");
  const credentialsUri = given.get("awscredsuri");
  const driver = given.get("driver");
  if (has("tls") && has("notls")) return 'The "tls" and "notls" options are mutually exclusive';
  if (has("ocsp") && has("noocsp")) return 'The "ocsp" and "noocsp" options are mutually exclusive';
  if (accessPoint !== undefined) {
    if (!accessPointPattern.test(accessPoint)) return `Access Point ID ${accessPoint} is malformed`;
    if (!has("tls")) return 'The "tls" option is required when mounting via "accesspoint"';
  }
  if (has("iam") && !has("tls")) return 'The "tls" option is required when mounting via "iam"';
  if (credentialsUri !== undefined) {
    if (!has("iam")) return 'The "iam" option is required when mounting with "awscredsuri"';
    if (has("awsprofile")) {
      return 'The "awscredsuri" and "awsprofile" options are mutually exclusive';
    }
    if (!credentialsUri.startsWith("/")) return `awscredsuri ${credentialsUri} is malformed`;
  }
  if (has("awsprofile") && !has("iam")) {
    return 'The "iam" option is required when mounting with named profile option, "awsprofile"';
  }
  const tlsPort = given.get("tlsport");
  if (tlsPort !== undefined && !/^\d+$/.test(tlsPort)) {
    return `tlsport option [${tlsPort}] is not an integer`;
  }
  if (driver !== undefined && driver !== "fuse" && driver !== "kernel") {
    return `driver option [${driver}] is neither "fuse" nor "kernel"`;
  }
  return undefined;
}
