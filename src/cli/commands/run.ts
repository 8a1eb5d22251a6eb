import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import type { Task } from "@aws-sdk/client-ecs";

import type { Api } from "../api.ts";
import { CommandContext } from "../context.ts";
import type { Output } from "../output.ts";
import { readDefinitionFile } from "../run/definition-file.ts";
import { checkRoles, ensurePrerequisites } from "../run/prerequisites.ts";
import { taskAddress, taskId } from "../task-lookup.ts";
import { UserError } from "../user-error.ts";

export function runCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("run")
    .description("run a task definition, making what it names and isn't there yet")
    .argument("<file>", "the task definition as JSON, as for AWS")
    .option("--cluster <name>", "the cluster", "default")
    .option("--subnet <id>", "run it in this subnet")
    .option("--availability-zone <name>", "run it in this zone's default subnet")
    .option("--security-group <id...>", "its security groups (the VPC's default one)")
    .option("--detach", "don't wait until it runs")
    .action(async (path: string, options: RunOptions, command: Command) => {
      const { api, output } = new CommandContext(command, environment);
      const file = readDefinitionFile(path);
      for (const warning of file.warnings) output.warn(warning);
      checkRoles(api, file);
      // First, as the API checks the definition then, and before anything is made for it.
      const { taskDefinition } = await api.ecs.registerTaskDefinition(file.definition);
      const arn = taskDefinition?.taskDefinitionArn;
      output.step(`registered ${arn}`);
      await ensurePrerequisites(api, file, (what) => output.step(`made ${what}`));
      const task = await runTask(api, options, arn);
      const settled = options.detach ? task : await untilRunning(api, options, task, output);
      output.data(settled, () => [`task ${taskId(settled)} at ${taskAddress(settled) ?? "-"}`]);
    });
}

interface RunOptions {
  readonly cluster: string;
  readonly subnet?: string;
  readonly availabilityZone?: string;
  readonly securityGroup?: string[];
  readonly detach?: boolean;
}

async function runTask(
  api: Api,
  options: RunOptions,
  taskDefinition: string | undefined,
): Promise<Task> {
  const started = await api.ecs.runTask({
    cluster: options.cluster,
    taskDefinition,
    launchType: "FARGATE",
    networkConfiguration: {
      awsvpcConfiguration: {
        subnets: [options.subnet ?? (await defaultSubnet(api, options.availabilityZone))],
        securityGroups: options.securityGroup,
        assignPublicIp: "ENABLED",
      },
    },
  });
  const task = started.tasks?.[0];
  if (task !== undefined) return task;
  const reasons = started.failures?.map((failure) => failure.detail ?? failure.reason).join("; ");
  throw new UserError(`The task was not placed: ${reasons}`);
}

async function defaultSubnet(api: Api, zone: string | undefined): Promise<string> {
  const { Subnets } = await api.ec2.describeSubnets({
    Filters: [
      { Name: "default-for-az", Values: ["true"] },
      ...(zone === undefined ? [] : [{ Name: "availability-zone", Values: [zone] }]),
    ],
  });
  const first = Subnets?.map((subnet) => subnet.SubnetId!).sort()[0];
  if (first !== undefined) return first;
  throw new UserError(`There is no default subnet${zone === undefined ? "" : ` in ${zone}`}.`);
}

async function untilRunning(
  api: Api,
  { cluster }: RunOptions,
  started: Task,
  output: Output,
): Promise<Task> {
  let shown = "";
  for (;;) {
    const described = await api.ecs.describeTasks({ cluster, tasks: [taskId(started)] });
    const task = described.tasks?.[0] ?? started;
    const status = task.lastStatus ?? "";
    if (status !== shown) output.step(`${taskId(task)} ${status}`);
    shown = status;
    if (status === "RUNNING") return task;
    if (status === "STOPPED") {
      throw new UserError(
        `The task did not start: ${task.stoppedReason}\n` +
          `\`moor explain ${taskId(task)}\` says why and what to do.`,
      );
    }
    await delay(300);
  }
}
