import { Command } from "commander";

import { connectionsCommand } from "./commands/connections.ts";
import { envCommand } from "./commands/env.ts";
import { explainCommand } from "./commands/explain.ts";
import { type FsCheckHandler, fsCommand } from "./commands/fs.ts";
import { logsCommand } from "./commands/logs.ts";
import { mountCommands } from "./commands/mount.ts";
import { psCommand } from "./commands/ps.ts";
import { runCommand } from "./commands/run.ts";
import { stopCommand } from "./commands/stop.ts";
import { type UpHandler, upCommand } from "./commands/up.ts";

/** What needs other rooms than the command line's: the rest uses the public API. */
export interface Handlers {
  readonly up: UpHandler;
  readonly checkFileSystems: FsCheckHandler;
}

/** The `moor` command. */
export function createProgram(
  handlers: Handlers,
  version: string,
  environment: NodeJS.ProcessEnv,
): Command {
  const program = new Command("moor")
    .description(
      "Runs Amazon ECS Fargate tasks with Amazon EFS volumes, for real, on your machine.",
    )
    .version(version)
    .option(
      "--data <directory>",
      "where the state is kept",
      environment["MOORING_DATA"] ?? ".mooring",
    )
    .option("--json", "print data as JSON")
    .showHelpAfterError("(moor --help shows the commands)");
  const commands = [
    upCommand(handlers.up),
    envCommand(environment),
    runCommand(environment),
    psCommand(environment),
    logsCommand(environment),
    stopCommand(environment),
    explainCommand(environment),
    connectionsCommand(environment),
    ...mountCommands(environment),
    fsCommand(handlers.checkFileSystems, environment),
  ];
  for (const command of commands) {
    command.showHelpAfterError(`(moor ${command.name()} --help says more)`);
    program.addCommand(command);
  }
  return program;
}
