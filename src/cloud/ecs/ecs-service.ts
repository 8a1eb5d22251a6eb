import * as ecs from "@aws-sdk/client-ecs";

import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { Store } from "../../store/store.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import type { Identities } from "../contracts/identities.ts";
import type { Network } from "../contracts/network.ts";
import { page } from "../contracts/page.ts";
import { type Call, type Operation, operation, type Service } from "../contracts/service.ts";
import { clusterArn, clusterOperations, Clusters } from "./clusters.ts";
import { definitionOperations, passRoles, TaskDefinitions } from "./definitions.ts";
import { describeTasksCount, listPages } from "./limits.ts";
import { runTask } from "./run-task.ts";
import { describeTask } from "./task-description.ts";
import type { TaskRecord } from "./task-record.ts";
import { Tasks } from "./tasks.ts";

export interface EcsOptions {
  readonly store: Store;
  readonly network: Network;
  readonly identities: Identities;
  readonly clock: Clock;
  readonly random: Random;
}

/** The ECS API and, for the agent, the tasks to run. */
export function ecsService(options: EcsOptions): { service: Service; tasks: Tasks } {
  const clusters = new Clusters(options.store);
  const definitions = new TaskDefinitions(options.store);
  const tasks = new Tasks(options.store, options.network, options.clock);
  const context = { options, clusters, definitions, tasks };
  const service: Service = {
    prefix: "ecs",
    signingName: "ecs",
    protocol: { kind: "awsJson1_1", targetPrefix: "AmazonEC2ContainerServiceV20141113" },
    schemas: ecs,
    operations: {
      ...clusterOperations(clusters, tasks),
      ...definitionOperations(definitions),
      RunTask: operation({
        authorize: (input: ecs.RunTaskRequest, call) => [
          {
            action: "RunTask",
            resource: taskDefinitionArnOf(input.taskDefinition, call),
            conditions: { "ecs:cluster": [clusterArn(nameOf(input.cluster), call)] },
          },
          ...passRoles(rolesOf(definitions, input)),
        ],
        handle: (input: ecs.RunTaskRequest, call) => runTask(context, input, call),
      }),
      DescribeTasks: describeTasks(clusters, tasks),
      ListTasks: listTasks(clusters, tasks),
      StopTask: stopTask(clusters, tasks),
    },
  };
  return { service, tasks };
}

function nameOf(given: string | undefined): string {
  return (given ?? "default").split("/").at(-1)!;
}

/** Of the overrides, else of the definition; nothing is handed over where that isn't known. */
function rolesOf(definitions: TaskDefinitions, { taskDefinition, overrides }: ecs.RunTaskRequest) {
  const definition = definitions.get(taskDefinition);
  return [
    overrides?.taskRoleArn ?? definition?.taskRoleArn,
    overrides?.executionRoleArn ?? definition?.executionRoleArn,
  ];
}

function taskDefinitionArnOf(given: string | undefined, { region, accountId }: Call): string {
  const name = nameOf(given);
  return `arn:aws:ecs:${region}:${accountId}:task-definition/${name}`;
}

function onTask(action: string, cluster: string | undefined, task: string, call: Call) {
  const { region, accountId } = call;
  const resource = `arn:aws:ecs:${region}:${accountId}:task/${nameOf(cluster)}/${nameOf(task)}`;
  return { action, resource };
}

function inCluster(tasks: Tasks, cluster: string, given: string): TaskRecord | undefined {
  const task = tasks.get(nameOf(given));
  return task?.clusterName === cluster ? task : undefined;
}

function describeTasks(clusters: Clusters, tasks: Tasks): Operation {
  return operation({
    authorize: ({ tasks: given = [], cluster }: ecs.DescribeTasksRequest, call) => {
      // Nobody learns anything without the permission, not even by asking for nothing.
      const wanted = given.length === 0 ? ["*"] : given;
      return wanted.map((task) => onTask("DescribeTasks", cluster, task, call));
    },
    handle: (input: ecs.DescribeTasksRequest, call) => {
      const cluster = clusters.find(input.cluster);
      const given = input.tasks ?? [];
      if (given.length === 0 || given.length > describeTasksCount) {
        const message = given.length === 0 ? "Tasks cannot be empty." : "At most 100 tasks.";
        throw new ApiError("InvalidParameterException", message);
      }
      const withTags = input.include?.includes("TAGS") ?? false;
      const found: ecs.Task[] = [];
      const failures: ecs.Failure[] = [];
      for (const id of given) {
        const task = inCluster(tasks, cluster, id);
        if (task !== undefined) found.push(describeTask(task, withTags));
        else {
          const arn = onTask("", cluster, id, call).resource;
          failures.push({ arn, reason: "MISSING" });
        }
      }
      return { tasks: found, failures };
    },
  });
}

function listTasks(clusters: Clusters, tasks: Tasks): Operation {
  return operation({
    authorize: () => ({ action: "ListTasks", resource: "*" }),
    handle: (input: ecs.ListTasksRequest) => {
      const cluster = clusters.find(input.cluster);
      const desired = input.desiredStatus ?? "RUNNING";
      const found = tasks
        .list()
        .filter(
          (task) =>
            task.clusterName === cluster &&
            task.desiredStatus === desired &&
            (input.family === undefined || task.definition.family === input.family) &&
            (input.startedBy === undefined || task.startedBy === input.startedBy) &&
            (input.serviceName === undefined || task.group === `service:${input.serviceName}`) &&
            (input.launchType === undefined || task.launchType === input.launchType),
        );
      const { items, next } = page(found, input.nextToken, input.maxResults, listPages);
      return { taskArns: items.map(({ taskArn }) => taskArn), nextToken: next };
    },
  });
}

function stopTask(clusters: Clusters, tasks: Tasks): Operation {
  return operation({
    authorize: (input: ecs.StopTaskRequest, call) =>
      onTask("StopTask", input.cluster, input.task ?? "", call),
    handle: (input: ecs.StopTaskRequest) => {
      const cluster = clusters.find(input.cluster);
      const task = inCluster(tasks, cluster, input.task ?? "");
      if (task === undefined) {
        throw new ApiError("InvalidParameterException", "The referenced task was not found.");
      }
      const reason = input.reason ?? "Task stopped by user";
      return { task: describeTask(tasks.stop(task, reason, "UserInitiated"), true) };
    },
  });
}
