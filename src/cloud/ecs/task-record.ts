import type { Tag, TaskDefinition, TaskOverride } from "@aws-sdk/client-ecs";

import type { ContainerReport, TaskReport, TaskStatus } from "../../agent/task-feed.ts";
import { stoppedReasonLimit } from "./limits.ts";

/** A task as it is kept: what was asked for and how far it has come. */
export interface TaskRecord {
  readonly taskId: string;
  readonly taskArn: string;
  readonly clusterArn: string;
  readonly clusterName: string;
  readonly definition: TaskDefinition;
  readonly overrides: TaskOverride;
  readonly group: string;
  readonly startedBy?: string;
  readonly launchType: string;
  readonly platformVersion: string;
  readonly availabilityZone: string;
  readonly subnetId: string;
  readonly subnetCidrBlock: string;
  readonly vpcId: string;
  readonly networkInterfaceId: string;
  readonly macAddress: string;
  readonly privateDnsName: string;
  readonly address: string;
  readonly attachmentId: string;
  readonly tags: readonly Tag[];
  readonly clientToken?: string;
  readonly createdAtMs: number;
  readonly enableExecuteCommand: boolean;
  readonly desiredStatus: "RUNNING" | "STOPPED";
  readonly lastStatus: TaskStatus;
  readonly version: number;
  readonly times: Readonly<Partial<Record<TaskTime, number>>>;
  readonly stopCode?: string;
  readonly stoppedReason?: string;
  readonly containers: Readonly<Record<string, ContainerReport & { readonly id: string }>>;
}

const times = [
  "connectivityAtMs",
  "pullStartedAtMs",
  "pullStoppedAtMs",
  "startedAtMs",
  "stoppingAtMs",
  "executionStoppedAtMs",
  "stoppedAtMs",
] as const;
export type TaskTime = (typeof times)[number];

const order: readonly TaskStatus[] = [
  "PROVISIONING",
  "PENDING",
  "ACTIVATING",
  "RUNNING",
  "DEACTIVATING",
  "STOPPING",
  "DEPROVISIONING",
  "STOPPED",
];

/** The task after what the agent reported; statuses only go forward, the first reason stays. */
export function afterReport(task: TaskRecord, report: TaskReport): TaskRecord {
  const status = report.status ?? task.lastStatus;
  const lastStatus =
    order.indexOf(status) > order.indexOf(task.lastStatus) ? status : task.lastStatus;
  const reported = times.flatMap((name) => {
    const value = task.times[name] ?? report[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const containers = { ...task.containers };
  for (const container of report.containers ?? []) {
    const known = containers[container.name];
    if (known !== undefined) containers[container.name] = { ...known, ...container };
  }
  if (lastStatus === "STOPPED") {
    // Those that never ran, or whose end nobody saw, have stopped too.
    for (const [name, known] of Object.entries(containers)) {
      containers[name] = { ...known, lastStatus };
    }
  }
  const stopCode = task.stopCode ?? report.stopCode;
  const reason = task.stoppedReason ?? report.stoppedReason?.slice(0, stoppedReasonLimit);
  const ends = order.indexOf(lastStatus) > order.indexOf("RUNNING") || stopCode !== undefined;
  const next: TaskRecord = {
    ...task,
    lastStatus,
    desiredStatus: ends ? "STOPPED" : task.desiredStatus,
    times: Object.fromEntries(reported),
    containers,
    ...(stopCode !== undefined && { stopCode }),
    ...(reason !== undefined && { stoppedReason: reason }),
  };
  const changed = JSON.stringify(next) !== JSON.stringify(task);
  return changed ? { ...next, version: task.version + 1 } : task;
}

/** The task after somebody asked for it to stop. */
export function afterStopRequest(task: TaskRecord, reason: string, stopCode: string): TaskRecord {
  if (task.desiredStatus === "STOPPED") return task;
  return {
    ...task,
    desiredStatus: "STOPPED",
    stopCode,
    stoppedReason: reason,
    version: task.version + 1,
  };
}
