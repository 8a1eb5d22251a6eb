import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const taskEndpointAddress = "169.254.170.2";

/** Runs a command in the network namespace of a process, in this machine's file system. */
export function inNamespace(pid: number, command: readonly string[]): [string, string[]] {
  return ["nsenter", [`--net=/proc/${pid}/ns/net`, "--", ...command]];
}

/** Sends what a task asks of 169.254.170.2 to where this agent answers. */
export async function redirectTaskEndpoint(
  pid: number,
  address: string,
  port: number,
): Promise<void> {
  const rule = ["-d", taskEndpointAddress, "-p", "tcp", "--dport", "80"];
  const target = ["-j", "DNAT", "--to-destination", `${address}:${port}`];
  const iptables = ["iptables", "-w", "-t", "nat", "-A", "OUTPUT", ...rule, ...target];
  const [command, flags] = inNamespace(pid, iptables);
  await run(command, flags);
}
