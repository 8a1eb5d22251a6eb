import { Command } from "commander";
import { waitUntilTasksStopped } from "@aws-sdk/client-ecs";

import { CommandContext } from "../context.ts";
import { findTask, taskId } from "../task-lookup.ts";

/** A stop takes at most stopTimeout (120 s), and the mounts' and the network's end. */
const stopLimitSeconds = 180;

export function stopCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("stop")
    .description("stop a task and wait until it has stopped")
    .argument("<task>", "its id, or the beginning of it")
    .option("--cluster <name>", "the cluster", "default")
    .option("--reason <text>", "kept as the task's stoppedReason")
    .action(async (given: string, options: StopOptions, command: Command) => {
      const { api, output } = new CommandContext(command, environment);
      const task = await findTask(api, options.cluster, given);
      const id = taskId(task);
      await api.ecs.stopTask({ cluster: options.cluster, task: id, reason: options.reason });
      output.step(`stopping ${id}`);
      await waitUntilTasksStopped(
        { client: api.ecs, maxWaitTime: stopLimitSeconds, minDelay: 1, maxDelay: 2 },
        { cluster: options.cluster, tasks: [id] },
      );
      output.data({ taskArn: task.taskArn, lastStatus: "STOPPED" }, () => [`stopped ${id}`]);
    });
}

interface StopOptions {
  readonly cluster: string;
  readonly reason?: string;
}
