import type { Task } from "@aws-sdk/client-ecs";

import type { Api } from "./api.ts";
import { UserError } from "./user-error.ts";

/** Every task, running and lately stopped, newest first. */
export async function allTasks(api: Api, cluster: string): Promise<Task[]> {
  const arns: string[] = [];
  for (const desiredStatus of ["RUNNING", "STOPPED"] as const) {
    let nextToken: string | undefined;
    do {
      const page = await api.ecs.listTasks({ cluster, desiredStatus, nextToken });
      arns.push(...(page.taskArns ?? []));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }
  const tasks: Task[] = [];
  for (let start = 0; start < arns.length; start += describeLimit) {
    const chunk = arns.slice(start, start + describeLimit);
    const described = await api.ecs.describeTasks({ cluster, tasks: chunk });
    tasks.push(...(described.tasks ?? []));
  }
  return tasks.sort((a, b) => Number(b.createdAt) - Number(a.createdAt));
}

/** DescribeTasks takes at most 100 tasks (facts: ECS API reference). */
const describeLimit = 100;

/** The one task whose id starts with `given` (or whose ARN it is). */
export async function findTask(api: Api, cluster: string, given: string): Promise<Task> {
  const id = given.slice(given.lastIndexOf("/") + 1);
  const matches = (await allTasks(api, cluster)).filter((task) => taskId(task).startsWith(id));
  if (matches.length === 1) return matches[0]!;
  if (matches.length > 1) {
    throw new UserError(`${matches.length} tasks start with ${id}; give more of the id.`);
  }
  throw new UserError(`There is no task ${id}. \`moor ps --all\` lists them.`);
}

export function taskId(task: Task): string {
  const arn = task.taskArn ?? "";
  return arn.slice(arn.lastIndexOf("/") + 1);
}

/** The address of the task's network interface, once it has one. */
export function taskAddress(task: Task): string | undefined {
  return attachmentDetail(task, "privateIPv4Address");
}

export function attachmentDetail(task: Task, name: string): string | undefined {
  return task.attachments
    ?.flatMap((attachment) => attachment.details ?? [])
    .find((detail) => detail.name === name)?.value;
}
