import type { AssignedTask } from "./task-feed.ts";

/** Task metadata version 4 (facts §3.6): the task's, or with a key one container's. */
export function taskMetadata(task: AssignedTask, containerKey: string | undefined): unknown {
  const { definition, overrides } = task;
  const network = {
    NetworkMode: "awsvpc",
    IPv4Addresses: [task.interface.address],
    AttachmentIndex: 0,
    MACAddress: task.interface.macAddress,
    IPv4SubnetCIDRBlock: task.interface.subnetCidrBlock,
    PrivateDNSName: task.interface.privateDnsName,
  };
  const containers = (definition.containerDefinitions ?? []).map((container) => ({
    DockerId: containerKey ?? task.taskId,
    Name: container.name,
    DockerName: container.name,
    Image: container.image,
    ImageID: "",
    Labels: {
      "com.amazonaws.ecs.cluster": task.clusterArn,
      "com.amazonaws.ecs.container-name": container.name,
      "com.amazonaws.ecs.task-arn": task.taskArn,
      "com.amazonaws.ecs.task-definition-family": definition.family,
      "com.amazonaws.ecs.task-definition-version": String(definition.revision),
    },
    DesiredStatus: "RUNNING",
    KnownStatus: "RUNNING",
    Limits: { CPU: container.cpu ?? 0 },
    Type: "NORMAL",
    Networks: [network],
  }));
  if (containerKey !== undefined) return containers[0];
  return {
    Cluster: task.clusterArn,
    TaskARN: task.taskArn,
    Family: definition.family,
    Revision: String(definition.revision),
    DesiredStatus: task.desiredStatus,
    KnownStatus: "RUNNING",
    Limits: {
      CPU: Number(overrides.cpu ?? definition.cpu) / 1024,
      Memory: Number(overrides.memory ?? definition.memory),
    },
    AvailabilityZone: task.availabilityZone,
    LaunchType: task.launchType,
    VPCID: task.interface.vpcId,
    Containers: containers,
  };
}
