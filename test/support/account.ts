import { allowing, type Clients, trusting } from "./clients.ts";
import { eventually } from "./eventually.ts";

/** Makes something of every kind that the services keep. */
export async function fillAccount(root: Clients): Promise<void> {
  const { efs, ec2, ecs, iam, logs } = root;
  const { GroupId } = await ec2.createSecurityGroup({
    GroupName: "nfs",
    Description: "NFS for tasks",
    TagSpecifications: [{ ResourceType: "security-group", Tags: [{ Key: "a", Value: "b" }] }],
  });
  await ec2.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [
      { IpProtocol: "tcp", FromPort: 2049, ToPort: 2049, UserIdGroupPairs: [{ GroupId }] },
    ],
  });
  const AssumeRolePolicyDocument = trusting({ Service: "ecs-tasks.amazonaws.com" });
  const { Role } = await iam.createRole({ RoleName: "role", AssumeRolePolicyDocument });
  const policy = allowing(["elasticfilesystem:ClientMount"]);
  await iam.putRolePolicy({ RoleName: "role", PolicyName: "own", PolicyDocument: policy });
  const { Policy } = await iam.createPolicy({ PolicyName: "managed", PolicyDocument: policy });
  await iam.createUser({ UserName: "user" });
  await iam.attachUserPolicy({ UserName: "user", PolicyArn: Policy?.Arn });
  await iam.createAccessKey({ UserName: "user" });

  const { FileSystemId } = await efs.createFileSystem({
    CreationToken: "token",
    Encrypted: true,
    Tags: [{ Key: "Name", Value: "uploads" }],
  });
  const { Subnets = [] } = await ec2.describeSubnets({});
  const { SubnetId } = Subnets[0]!;
  await efs.createMountTarget({ FileSystemId, SubnetId, SecurityGroups: [GroupId!] });
  const { AccessPointId } = await efs.createAccessPoint({
    ClientToken: "token",
    FileSystemId,
    PosixUser: { Uid: 1000, Gid: 1000, SecondaryGids: [7] },
    RootDirectory: {
      Path: "/a",
      CreationInfo: { OwnerUid: 1000, OwnerGid: 1000, Permissions: "750" },
    },
  });
  await efs.tagResource({ ResourceId: AccessPointId, Tags: [{ Key: "Name", Value: "app" }] });
  const statement = { Effect: "Allow", Principal: "*", Action: "elasticfilesystem:ClientMount" };
  const filePolicy = JSON.stringify({ Version: "2012-10-17", Statement: statement });
  await efs.putFileSystemPolicy({ FileSystemId, Policy: filePolicy });

  await ecs.createCluster({ clusterName: "cluster", tags: [{ key: "a", value: "b" }] });
  for (const cpu of ["256", "512"]) {
    await ecs.registerTaskDefinition({
      family: "app",
      networkMode: "awsvpc",
      requiresCompatibilities: ["FARGATE"],
      cpu,
      memory: "1024",
      taskRoleArn: Role?.Arn,
      containerDefinitions: [{ name: "app", image: "busybox" }],
      tags: [{ key: "a", value: "b" }],
    });
  }
  await ecs.deregisterTaskDefinition({ taskDefinition: "app:1" });
  const run = {
    cluster: "cluster",
    taskDefinition: "app",
    networkConfiguration: { awsvpcConfiguration: { subnets: [SubnetId!] } },
  };
  await ecs.runTask({ ...run, clientToken: "token" });
  const { tasks } = await ecs.runTask(run);
  await ecs.stopTask({ cluster: "cluster", task: tasks?.[0]?.taskArn, reason: "enough" });

  const stream = { logGroupName: "/ecs/app", logStreamName: "ecs/app/1" };
  await logs.createLogGroup(stream);
  await logs.putRetentionPolicy({ ...stream, retentionInDays: 7 });
  await logs.createLogStream(stream);
  const timestamp = Date.now();
  await logs.putLogEvents({
    ...stream,
    logEvents: ["one", "two"].map((message) => ({ timestamp, message })),
  });
}

/** Everything that the API tells of what `fillAccount` made, by service. */
export async function describeAccount(
  root: Clients,
): Promise<Readonly<Record<string, readonly unknown[]>>> {
  await eventually("every mount target is available", async () => {
    const { FileSystems = [] } = await root.efs.describeFileSystems({});
    const { FileSystemId } = FileSystems[0]!;
    const { MountTargets = [] } = await root.efs.describeMountTargets({ FileSystemId });
    return MountTargets.every(({ LifeCycleState }) => LifeCycleState === "available");
  });
  const answers: Record<string, object[]> = {
    efs: await describeEfs(root),
    ec2: await Promise.all([
      root.ec2.describeVpcs({}),
      root.ec2.describeSubnets({}),
      root.ec2.describeSecurityGroups({}),
      root.ec2.describeNetworkInterfaces({}),
    ]),
    iam: await describeIam(root),
    ecs: await describeEcs(root),
    logs: await describeLogs(root),
  };
  return Object.fromEntries(
    Object.entries(answers).map(([service, each]) => [service, each.map(withoutMetadata)]),
  );
}

async function describeEfs({ efs }: Clients): Promise<object[]> {
  const { FileSystems = [] } = await efs.describeFileSystems({});
  const { FileSystemId } = FileSystems[0]!;
  const targets = await efs.describeMountTargets({ FileSystemId });
  const { MountTargetId } = targets.MountTargets![0]!;
  // The size is as of now, whenever that is.
  const systems = FileSystems.map(({ SizeInBytes, ...system }) => ({
    ...system,
    size: SizeInBytes?.Value,
  }));
  return [
    ...systems,
    targets,
    await efs.describeMountTargetSecurityGroups({ MountTargetId }),
    await efs.describeAccessPoints({ FileSystemId }),
    await efs.describeFileSystemPolicy({ FileSystemId }),
    await efs.listTagsForResource({ ResourceId: FileSystemId }),
  ];
}

async function describeIam({ iam }: Clients): Promise<object[]> {
  return [
    await iam.listRoles({}),
    await iam.getRolePolicy({ RoleName: "role", PolicyName: "own" }),
    await iam.listUsers({}),
    await iam.listAttachedUserPolicies({ UserName: "user" }),
    await iam.listAccessKeys({ UserName: "user" }),
    await iam.listPolicies({ Scope: "Local" }),
  ];
}

async function describeEcs({ ecs }: Clients): Promise<object[]> {
  const cluster = "cluster";
  const running = await ecs.listTasks({ cluster });
  const stopped = await ecs.listTasks({ cluster, desiredStatus: "STOPPED" });
  const tasks = [...(running.taskArns ?? []), ...(stopped.taskArns ?? [])];
  return [
    await ecs.listClusters({}),
    await ecs.describeClusters({ clusters: [cluster] }),
    await ecs.listTaskDefinitions({}),
    await ecs.listTaskDefinitions({ status: "INACTIVE" }),
    await ecs.describeTaskDefinition({ taskDefinition: "app", include: ["TAGS"] }),
    await ecs.describeTasks({ cluster, tasks, include: ["TAGS"] }),
  ];
}

async function describeLogs({ logs }: Clients): Promise<object[]> {
  const logGroupName = "/ecs/app";
  return [
    await logs.describeLogGroups({}),
    await logs.describeLogStreams({ logGroupName }),
    await logs.getLogEvents({ logGroupName, logStreamName: "ecs/app/1" }),
  ];
}

function withoutMetadata(answer: object): object {
  const { $metadata: _metadata, ...rest } = answer as { $metadata?: unknown };
  return rest;
}
