import { z } from "zod";

import { parseRange } from "../cloud/ec2/addresses.ts";
import type { UpOptions } from "../cli/commands/up.ts";
import { UserError } from "../cli/user-error.ts";

const Configuration = z.object({
  dataDirectory: z.string().min(1),
  host: z.string().min(1),
  port: z.number().int().min(0).max(65_535),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be like us-east-1"),
  accountId: z.string().regex(/^\d{12}$/, "must have 12 digits"),
  vpcCidr: z.string().refine(isVpcRange, "must be an IPv4 range from /16 to /24"),
  network: z.enum(["docker", "loopback"]),
  nfsPort: z.number().int().min(1).max(65_535),
  logLevel: z.enum(["debug", "info", "warn", "error"]),
});

/** What `moor up` was told, checked. */
export type Configuration = z.infer<typeof Configuration>;

/** Throws `UserError` with every setting that is wrong. */
export function readConfiguration(options: UpOptions): Configuration {
  const colon = options.listen.lastIndexOf(":");
  const parsed = Configuration.safeParse({
    dataDirectory: options.data,
    host: options.listen.slice(0, colon),
    port: Number(options.listen.slice(colon + 1)),
    region: options.region,
    accountId: options.account,
    vpcCidr: options.vpcCidr,
    network: options.network,
    nfsPort: Number(options.nfsPort),
    logLevel: options.logLevel,
  });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new UserError(`moor up can't start so: ${problems.join("; ")}`);
}

function isVpcRange(text: string): boolean {
  try {
    const { size } = parseRange(text);
    return size <= 2 ** 16 && size >= 2 ** 8;
  } catch {
    return false;
  }
}
