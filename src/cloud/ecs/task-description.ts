import type * as ecs from "@aws-sdk/client-ecs";

import type { TaskRecord } from "./task-record.ts";

/** The task as DescribeTasks shows it (facts §3.4). */
export function describeTask(task: TaskRecord, withTags: boolean): ecs.Task {
  const { definition, overrides, times } = task;
  const isAttached = task.lastStatus !== "PROVISIONING" && task.lastStatus !== "STOPPED";
  return {
    taskArn: task.taskArn,
    clusterArn: task.clusterArn,
    taskDefinitionArn: definition.taskDefinitionArn,
    group: task.group,
    startedBy: task.startedBy,
    launchType: task.launchType as ecs.LaunchType,
    platformVersion: task.platformVersion,
    platformFamily: "Linux",
    availabilityZone: task.availabilityZone,
    desiredStatus: task.desiredStatus,
    lastStatus: task.lastStatus,
    version: task.version,
    cpu: overrides.cpu ?? definition.cpu,
    memory: overrides.memory ?? definition.memory,
    overrides,
    attributes: [{ name: "ecs.cpu-architecture", value: "x86_64" }],
    attachments: [
      {
        id: task.attachmentId,
        type: "ElasticNetworkInterface",
        status: attachmentStatus(task, isAttached),
        details: [
          { name: "subnetId", value: task.subnetId },
          { name: "networkInterfaceId", value: task.networkInterfaceId },
          { name: "macAddress", value: task.macAddress },
          { name: "privateDnsName", value: task.privateDnsName },
          { name: "privateIPv4Address", value: task.address },
        ],
      },
    ],
    connectivity: isAttached ? "CONNECTED" : "DISCONNECTED",
    containers: (definition.containerDefinitions ?? []).map((each) =>
      describeContainer(task, each.name!, each.image, isAttached),
    ),
    enableExecuteCommand: task.enableExecuteCommand,
    ephemeralStorage: definition.ephemeralStorage ?? { sizeInGiB: 20 },
    stopCode: task.stopCode as ecs.TaskStopCode | undefined,
    stoppedReason: task.stoppedReason,
    createdAt: new Date(task.createdAtMs),
    connectivityAt: dateOf(times.connectivityAtMs),
    pullStartedAt: dateOf(times.pullStartedAtMs),
    pullStoppedAt: dateOf(times.pullStoppedAtMs),
    startedAt: dateOf(times.startedAtMs),
    stoppingAt: dateOf(times.stoppingAtMs),
    executionStoppedAt: dateOf(times.executionStoppedAtMs),
    stoppedAt: dateOf(times.stoppedAtMs),
    tags: withTags ? [...task.tags] : [],
  };
}

function attachmentStatus(task: TaskRecord, isAttached: boolean): string {
  if (isAttached) return "ATTACHED";
  return task.lastStatus === "STOPPED" ? "DELETED" : "PRECREATED";
}

function describeContainer(
  task: TaskRecord,
  name: string,
  image: string | undefined,
  isAttached: boolean,
): ecs.Container {
  const found = task.containers[name];
  const { clusterName, taskId, taskArn } = task;
  const prefix = taskArn.split(":task/")[0];
  return {
    containerArn: `${prefix}:container/${clusterName}/${taskId}/${found?.id}`,
    taskArn,
    name,
    image,
    imageDigest: found?.imageDigest,
    runtimeId: found?.runtimeId,
    lastStatus: found?.lastStatus,
    exitCode: found?.exitCode,
    reason: found?.reason,
    healthStatus: found?.healthStatus ?? "UNKNOWN",
    networkBindings: [],
    networkInterfaces: isAttached
      ? [{ attachmentId: task.attachmentId, privateIpv4Address: task.address }]
      : [],
    cpu: "0",
  };
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}
