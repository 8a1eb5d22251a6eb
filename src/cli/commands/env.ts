import { Command } from "commander";

import { CommandContext } from "../context.ts";

export function envCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("env")
    .description('print what a shell needs to use the API: eval "$(moor env)"')
    .action((_options, command: Command) => {
      const { session, output } = new CommandContext(command, environment);
      const variables = {
        AWS_ENDPOINT_URL: session.endpoint,
        AWS_REGION: session.region,
        AWS_DEFAULT_REGION: session.region,
        AWS_ACCESS_KEY_ID: session.accessKeyId,
        AWS_SECRET_ACCESS_KEY: session.secretAccessKey,
      };
      output.data(variables, () =>
        Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`),
      );
    });
}
