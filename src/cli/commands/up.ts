import { Command } from "commander";

export interface UpOptions {
  readonly data: string;
  readonly listen: string;
  readonly region: string;
  readonly account: string;
  readonly vpcCidr: string;
  readonly network: string;
  readonly nfsPort: string;
  readonly logLevel: string;
}

/** Starts Mooring and returns when it was told to stop. */
export type UpHandler = (options: UpOptions) => Promise<void>;

export function upCommand(up: UpHandler): Command {
  return new Command("up")
    .description("start Mooring: the AWS APIs, the file systems and the task runner")
    .option("--listen <address>", "address and port of the API", "127.0.0.1:4566")
    .option("--region <name>", "the region to be", "us-east-1")
    .option("--account <id>", "the account to be, 12 digits", "123456789012")
    .option("--vpc-cidr <range>", "range of the default VPC on this machine", "172.31.0.0/16")
    .option(
      "--network <kind>",
      "docker: a bridge with containers; loopback: no containers, a VPC range inside 127.0.0.0/8",
      "docker",
    )
    .option("--nfs-port <port>", "port of the mount targets", "2049")
    .option("--log-level <level>", "debug, info, warn or error", "warn")
    .action((_options, command: Command) => up(command.optsWithGlobals<UpOptions>()));
}
