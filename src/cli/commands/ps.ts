import { Command } from "commander";
import type { Task } from "@aws-sdk/client-ecs";

import { CommandContext } from "../context.ts";
import { columns } from "../output.ts";
import { allTasks, taskAddress, taskId } from "../task-lookup.ts";

export function psCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("ps")
    .description("list the tasks")
    .option("--cluster <name>", "the cluster", "default")
    .option("-a, --all", "stopped tasks too")
    .action(async (options: { cluster: string; all?: boolean }, command: Command) => {
      const { api, output } = new CommandContext(command, environment);
      const found = await allTasks(api, options.cluster);
      const tasks = found.filter((task) => options.all || task.lastStatus !== "STOPPED");
      output.data(tasks, () => columns([heading, ...tasks.map(row)]));
    });
}

const heading = ["TASK", "DEFINITION", "STATUS", "ADDRESS", "ZONE", "REASON"];

function row(task: Task): string[] {
  const definition = task.taskDefinitionArn ?? "";
  return [
    taskId(task),
    definition.slice(definition.lastIndexOf("/") + 1),
    task.lastStatus ?? "",
    taskAddress(task) ?? "-",
    task.availabilityZone ?? "-",
    task.stoppedReason ?? "",
  ];
}
