import { Command } from "commander";

import { CommandContext } from "../context.ts";
import { listConnections } from "../mooring-api.ts";
import { columns } from "../output.ts";

export function connectionsCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("connections")
    .description("list the latest connections to mount targets, with what each may do")
    .action(async (_options, command: Command) => {
      const { output, session } = new CommandContext(command, environment);
      const connections = await listConnections(session);
      output.data(connections, () =>
        columns([
          ["TIME", "FROM", "FILE SYSTEM", "WHO", "REASON"],
          ...connections.map(({ atMs, sourceAddress, fileSystemId, principal, reason }) => [
            new Date(atMs).toISOString(),
            sourceAddress,
            fileSystemId ?? "-",
            principal,
            reason ?? "",
          ]),
        ]),
      );
    });
}
