import type { AssignedTask } from "./task-feed.ts";

/** Task metadata version 4 (facts §3.6); `keys` are the containers' by their names. */
export function taskMetadata(
  task: AssignedTask,
  keys: ReadonlyMap<string, string>,
  containerKey: string,
  kind: "container" | "task",
): unknown {
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
    DockerId: keys.get(container.name!),
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
  const asking = containers.find(({ DockerId }) => DockerId === containerKey);
  if (asking === undefined || kind === "container") return asking;
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
