import { Command } from "commander";

import { explain } from "../../explain/explain.ts";
import { CommandContext } from "../context.ts";
import { listConnections } from "../mooring-api.ts";
import { findTask, taskId } from "../task-lookup.ts";

export function explainCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("explain")
    .description("say why a task did not start or stopped, and what to do")
    .argument("<task>", "its id, or the beginning of it")
    .option("--cluster <name>", "the cluster", "default")
    .action(async (given: string, options: { cluster: string }, command: Command) => {
      const { api, output, session } = new CommandContext(command, environment);
      const task = await findTask(api, options.cluster, given);
      const { taskDefinition } = await api.ecs.describeTaskDefinition({
        taskDefinition: task.taskDefinitionArn,
      });
      const connections = await listConnections(session);
      const explanation = explain({ task, definition: taskDefinition ?? {}, connections });
      const { lastStatus, stopCode, stoppedReason } = task;
      output.data(
        { task: taskId(task), lastStatus, stopCode, stoppedReason, ...explanation },
        () => {
          const state = `task ${taskId(task)} is ${lastStatus}`;
          if (explanation === undefined) return [`${state}; nothing is wrong with it`];
          const { cause, fix } = explanation;
          return [`${state}: ${stoppedReason ?? ""}`, `cause: ${cause}; fix: ${fix}`];
        },
      );
    });
}
