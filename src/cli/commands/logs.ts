import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import type { TaskDefinition } from "@aws-sdk/client-ecs";

import type { Api } from "../api.ts";
import { CommandContext } from "../context.ts";
import type { Output } from "../output.ts";
import { findTask, taskId } from "../task-lookup.ts";
import { UserError } from "../user-error.ts";

const followIntervalMs = 500;

export function logsCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("logs")
    .description("print a task's log lines, as its containers' awslogs streams hold them")
    .argument("<task>", "its id, or the beginning of it")
    .option("--cluster <name>", "the cluster", "default")
    .option("--container <name>", "only this container")
    .option("-f, --follow", "go on printing what comes")
    .action(async (given: string, options: LogsOptions, command: Command) => {
      const { api, output } = new CommandContext(command, environment);
      const task = await findTask(api, options.cluster, given);
      const described = await api.ecs.describeTaskDefinition({
        taskDefinition: task.taskDefinitionArn,
      });
      const streams = logStreams(described.taskDefinition ?? {}, taskId(task), options.container);
      const reading = streams.map((stream) => printStream(api, output, stream, options.follow));
      await Promise.all(reading);
    });
}

interface LogsOptions {
  readonly cluster: string;
  readonly container?: string;
  readonly follow?: boolean;
}

interface LogStream {
  readonly logGroupName: string;
  readonly logStreamName: string;
}

function logStreams(
  definition: TaskDefinition,
  id: string,
  only: string | undefined,
): readonly LogStream[] {
  const streams = (definition.containerDefinitions ?? []).flatMap((container) => {
    const options = container.logConfiguration?.options;
    if (container.logConfiguration?.logDriver !== "awslogs") return [];
    if (only !== undefined && container.name !== only) return [];
    return [
      {
        logGroupName: options?.["awslogs-group"] ?? "",
        logStreamName: `${options?.["awslogs-stream-prefix"]}/${container.name}/${id}`,
      },
    ];
  });
  if (streams.length > 0) return streams;
  throw new UserError("No container of this task logs with awslogs, so there is nothing to show.");
}

async function printStream(
  api: Api,
  output: Output,
  stream: LogStream,
  follow = false,
): Promise<void> {
  let nextToken: string | undefined;
  for (;;) {
    const page = await api.logs.getLogEvents({ ...stream, nextToken, startFromHead: true });
    for (const event of page.events ?? []) {
      const time = new Date(event.timestamp ?? 0).toISOString();
      output.data({ ...event, ...stream }, () => [`${time} ${event.message}`]);
    }
    const atEnd = page.nextForwardToken === nextToken;
    nextToken = page.nextForwardToken;
    if (atEnd && !follow) return;
    if (atEnd) await delay(followIntervalMs);
  }
}
