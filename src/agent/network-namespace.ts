import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

const taskEndpointAddress = "169.254.170.2";
const chain = "MOORING";

/** Runs a command in the network namespace of a process, in this machine's file system. */
export function inNamespace(pid: number, command: readonly string[]): [string, string[]] {
  return ["nsenter", [`--net=/proc/${pid}/ns/net`, "--", ...command]];
}

/**
 * Sends what a task asks of 169.254.170.2 to where this agent answers, and no longer to where one
 * before a restart did. Only a new namespace gets the way into the chain.
 */
export async function redirectTaskEndpoint(
  pid: number,
  to: { readonly address: string; readonly port: number; readonly isNew: boolean },
): Promise<void> {
  const asked = `-d ${taskEndpointAddress}/32 -p tcp --dport 80`;
  await restoreRules(pid, [
    // Naming the chain empties it; the engine's own rules stay.
    `:${chain} - [0:0]`,
    `-A ${chain} ${asked} -j DNAT --to-destination ${to.address}:${to.port}`,
    ...(to.isNew ? [`-A OUTPUT ${asked} -j ${chain}`] : []),
  ]);
}

async function restoreRules(pid: number, rules: readonly string[]): Promise<void> {
  const [command, flags] = inNamespace(pid, ["iptables-restore", "--noflush", "--wait"]);
  const child = spawn(command, flags, { stdio: ["pipe", "ignore", "pipe"] });
  child.stdin.on("error", () => {
    // It ended before it read everything; its exit code and words say why.
  });
  child.stdin.end(["*nat", ...rules, "COMMIT", ""].join("\n"));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [exitCode, stderr] = await Promise.all([ended, text(child.stderr)]);
  if (exitCode !== 0) throw new Error(`iptables-restore failed: ${stderr.trim()}`);
}
