import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunTaskRequest } from "@aws-sdk/client-ecs";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, trusting, userWith } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";
import { operationsOf } from "../support/services.ts";

let instance: Instance;
let root: Clients;
let subnet: string;

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
  const { Subnets = [] } = await root.ec2.describeSubnets({});
  subnet = Subnets[0]!.SubnetId!;
});
after(() => instance?.end());

let made = 0;
const newName = (kind: string): string => `${kind}-${(made += 1)}`;
const arnOf = (resource: string): string => `arn:aws:ecs:us-east-1:123456789012:${resource}`;

async function newDefinition(roles: object = {}): Promise<string> {
  const { taskDefinition } = await root.ecs.registerTaskDefinition({
    family: newName("family"),
    networkMode: "awsvpc",
    requiresCompatibilities: ["FARGATE"],
    cpu: "256",
    memory: "512",
    containerDefinitions: [{ name: "app", image: "busybox" }],
    ...roles,
  });
  return taskDefinition!.taskDefinitionArn!;
}

async function newCluster(): Promise<string> {
  const clusterName = newName("cluster");
  await root.ecs.createCluster({ clusterName });
  return clusterName;
}

async function newRole(service = "ecs-tasks.amazonaws.com"): Promise<string> {
  const AssumeRolePolicyDocument = trusting({ Service: service });
  const RoleName = newName("role");
  const { Role } = await root.iam.createRole({ RoleName, AssumeRolePolicyDocument });
  return Role!.Arn!;
}

/** What RunTask needs besides the definition. */
const placed = (changes: Partial<RunTaskRequest> = {}): Omit<RunTaskRequest, "taskDefinition"> => ({
  launchType: "FARGATE",
  networkConfiguration: { awsvpcConfiguration: { subnets: [subnet] } },
  ...changes,
});

test("clusters: default is there, others come and go", async () => {
  const { clusterArns } = await root.ecs.listClusters({});
  assert.ok(clusterArns?.includes(arnOf("cluster/default")));
  const clusterName = newName("cluster");
  const tags = [{ key: "team", value: "a" }];
  const { cluster } = await root.ecs.createCluster({ clusterName, tags });
  assert.equal(cluster?.clusterArn, arnOf(`cluster/${clusterName}`));
  assert.equal(cluster.status, "ACTIVE");
  assert.deepEqual(cluster.tags, tags);
  const described = await root.ecs.describeClusters({ clusters: [clusterName, "nobodys"] });
  assert.deepEqual(
    described.clusters?.map((each) => each.clusterArn),
    [arnOf(`cluster/${clusterName}`)],
  );
  assert.deepEqual(described.failures, [{ arn: arnOf("cluster/nobodys"), reason: "MISSING" }]);
  const deleted = await root.ecs.deleteCluster({ cluster: cluster.clusterArn });
  assert.equal(deleted.cluster?.status, "INACTIVE");
  await fails(root.ecs.deleteCluster({ cluster: clusterName }), {
    code: "ClusterNotFoundException",
    status: 400,
    message: "Cluster not found.",
  });
});

test("CreateCluster: twice is once, a name with a blank is refused", async () => {
  const clusterName = await newCluster();
  await root.ecs.createCluster({ clusterName });
  const { clusterArns = [] } = await root.ecs.listClusters({});
  const arn = arnOf(`cluster/${clusterName}`);
  assert.equal(clusterArns.filter((each) => each === arn).length, 1);
  await fails(root.ecs.createCluster({ clusterName: "my cluster" }), {
    code: "InvalidParameterException",
    status: 400,
  });
});

test("ListClusters: pages hold every cluster once", async () => {
  for (let count = 0; count < 3; count += 1) await newCluster();
  const whole = (await root.ecs.listClusters({})).clusterArns;
  const found: string[] = [];
  let nextToken: string | undefined;
  do {
    const page = await root.ecs.listClusters({ maxResults: 2, nextToken });
    assert.ok((page.clusterArns?.length ?? 0) <= 2);
    found.push(...(page.clusterArns ?? []));
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  assert.deepEqual(found, whole);
  assert.ok(found.length > 3);
});

test("DeleteCluster: not while it has tasks", async () => {
  const cluster = await newCluster();
  const taskDefinition = await newDefinition();
  await root.ecs.runTask({ ...placed({ cluster }), taskDefinition });
  await fails(root.ecs.deleteCluster({ cluster }), {
    code: "ClusterContainsTasksException",
    status: 400,
    message: "The Cluster cannot be deleted while Tasks are active.",
  });
});

test("RunTask: tasks with an interface in the subnet, described with what was asked for", async () => {
  const cluster = await newCluster();
  const taskDefinition = await newDefinition();
  const overrides = {
    containerOverrides: [{ name: "app", environment: [{ name: "A", value: "1" }] }],
  };
  const { tasks = [], failures } = await root.ecs.runTask({
    ...placed({ cluster, count: 2, startedBy: "test", overrides }),
    tags: [{ key: "team", value: "a" }],
    taskDefinition,
  });
  assert.deepEqual(failures, []);
  assert.equal(tasks.length, 2);
  const [task] = tasks;
  assert.match(task?.taskArn ?? "", new RegExp(`^${arnOf(`task/${cluster}/[0-9a-f]{32}`)}$`));
  assert.equal(task?.taskDefinitionArn, taskDefinition);
  assert.equal(task.lastStatus, "PROVISIONING");
  assert.equal(task.desiredStatus, "RUNNING");
  assert.equal(task.launchType, "FARGATE");
  assert.equal(task.platformVersion, "1.4.0");
  assert.equal(task.startedBy, "test");
  assert.match(task.group ?? "", /^family:family-\d+$/);
  assert.deepEqual(task.overrides?.containerOverrides, overrides.containerOverrides);
  assert.deepEqual(task.tags, [{ key: "team", value: "a" }]);
  assert.equal(task.containers?.[0]?.lastStatus, "PENDING");
  const details = new Map(task.attachments?.[0]?.details?.map((each) => [each.name, each.value]));
  assert.equal(details.get("subnetId"), subnet);
  const { NetworkInterfaces } = await root.ec2.describeNetworkInterfaces({
    NetworkInterfaceIds: [details.get("networkInterfaceId")!],
  });
  assert.equal(NetworkInterfaces?.[0]?.PrivateIpAddress, details.get("privateIPv4Address"));
});

test("RunTask: a client token that was used gives the first tasks again", async () => {
  const cluster = await newCluster();
  const taskDefinition = await newDefinition();
  const request = { ...placed({ cluster, clientToken: newName("token") }), taskDefinition };
  const first = await root.ecs.runTask(request);
  const again = await root.ecs.runTask(request);
  assert.deepEqual(
    again.tasks?.map(({ taskArn }) => taskArn),
    first.tasks?.map(({ taskArn }) => taskArn),
  );
  const { taskArns } = await root.ecs.listTasks({ cluster });
  assert.equal(taskArns?.length, 1);
  await fails(root.ecs.runTask({ ...request, startedBy: "another" }), {
    code: "ConflictException",
    status: 400,
  });
});

const networked = (awsvpcConfiguration: object): Partial<RunTaskRequest> => ({
  networkConfiguration: { awsvpcConfiguration: { subnets: [subnet], ...awsvpcConfiguration } },
});
const ids = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(17, "0")}`);

const invalid = "InvalidParameterException";
const refused: Record<string, [() => Partial<RunTaskRequest>, string, (string | RegExp)?]> = {
  "an unknown cluster": [
    () => ({ cluster: "nobodys" }),
    "ClusterNotFoundException",
    "Cluster not found.",
  ],
  "an unknown definition": [
    () => ({ taskDefinition: "nobodys" }),
    "ClientException",
    "Unable to describe task definition.",
  ],
  "no network configuration": [
    () => ({ networkConfiguration: undefined }),
    invalid,
    "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
  ],
  "no subnets": [() => networked({ subnets: [] }), invalid, "subnets can not be empty."],
  "an unknown subnet": [
    () => networked({ subnets: ["subnet-0123456789abcdef0"] }),
    invalid,
    /The subnet ID 'subnet-0123456789abcdef0' does not exist/,
  ],
  "17 subnets": [() => networked({ subnets: ids("subnet", 17) }), invalid],
  "an unknown security group": [
    () => networked({ securityGroups: ["sg-0123456789abcdef0"] }),
    invalid,
    /The security group 'sg-0123456789abcdef0' does not exist/,
  ],
  "six security groups": [() => networked({ securityGroups: ids("sg", 6) }), invalid],
  "a launch type with a capacity provider": [
    () => ({ capacityProviderStrategy: [{ capacityProvider: "FARGATE" }] }),
    invalid,
    "Specifying both a launch type and capacity provider strategy is not supported",
  ],
  "the launch type EC2": [() => ({ launchType: "EC2" }), invalid],
  "an unknown platform version": [() => ({ platformVersion: "9.9.9" }), "PlatformUnknownException"],
  "eleven tasks": [() => ({ count: 11 }), invalid],
  "no task": [() => ({ count: 0 }), invalid],
};
for (const [what, [changes, code, message]] of Object.entries(refused)) {
  test(`RunTask: ${what} is ${code} and runs nothing`, async () => {
    const cluster = await newCluster();
    const taskDefinition = await newDefinition();
    const call = root.ecs.runTask({ taskDefinition, ...placed({ cluster }), ...changes() });
    await fails(call, { code, status: 400, ...(message !== undefined && { message }) });
    const { taskArns } = await root.ecs.listTasks({ cluster });
    assert.deepEqual(taskArns, []);
  });
}

test("RunTask: a definition that was deregistered is not run", async () => {
  const taskDefinition = await newDefinition();
  await root.ecs.deregisterTaskDefinition({ taskDefinition });
  await fails(root.ecs.runTask({ ...placed(), taskDefinition }), {
    code: "ClientException",
    message: "TaskDefinition is inactive",
  });
});

test("RunTask: a definition that isn't for Fargate is not run", async () => {
  const taskDefinition = await newDefinition({ requiresCompatibilities: ["EC2"] });
  await fails(root.ecs.runTask({ ...placed(), taskDefinition }), {
    code: invalid,
    message: "Task definition does not support launch_type FARGATE.",
  });
});

for (const kind of ["taskRoleArn", "executionRoleArn"] as const) {
  test(`RunTask: a ${kind} that is missing or doesn't trust ECS is refused`, async () => {
    const nobodys = "arn:aws:iam::123456789012:role/nobodys";
    for (const roleArn of [nobodys, await newRole("lambda.amazonaws.com")]) {
      const taskDefinition = await newDefinition({ [kind]: roleArn });
      await fails(root.ecs.runTask({ ...placed(), taskDefinition }), {
        code: "ClientException",
        message:
          `ECS was unable to assume the role '${roleArn}' that was provided for this task. ` +
          "Please verify that the role being passed has the proper trust relationship and " +
          "permissions and that your IAM user has permissions to pass this role.",
      });
    }
    const taskDefinition = await newDefinition({ [kind]: await newRole() });
    const { tasks } = await root.ecs.runTask({ ...placed(), taskDefinition });
    assert.equal(tasks?.length, 1);
  });
}

test("RunTask: the definition's roles and the overrides' have to be passable", async () => {
  const [own, other] = [await newRole(), await newRole()];
  const taskDefinition = await newDefinition({ taskRoleArn: own });
  const UserName = newName("runs");
  const user = await userWith(instance, UserName, allowing(["ecs:RunTask"]));
  const run = (overrides = {}): Promise<unknown> =>
    user.ecs.runTask({ ...placed({ overrides }), taskDefinition });
  await fails(run(), denied("iam:PassRole"));
  await root.iam.putUserPolicy({
    UserName,
    PolicyName: "pass",
    PolicyDocument: allowing(["iam:PassRole"], own),
  });
  await run();
  await fails(run({ executionRoleArn: other }), denied("iam:PassRole"));
});

test("DescribeTasks: by id and ARN, what is missing or elsewhere among the failures", async () => {
  const cluster = await newCluster();
  const taskDefinition = await newDefinition();
  const tags = [{ key: "team", value: "a" }];
  const { tasks = [] } = await root.ecs.runTask({
    ...placed({ cluster, count: 2, tags }),
    taskDefinition,
  });
  const [first, second] = tasks.map(({ taskArn }) => taskArn!);
  const missing = "0".repeat(32);
  const described = await root.ecs.describeTasks({
    cluster,
    tasks: [first!, second!.split("/").at(-1)!, missing],
  });
  assert.deepEqual(
    described.tasks?.map((task) => task.taskArn),
    [first, second],
  );
  assert.deepEqual(described.tasks?.[0]?.tags, []);
  assert.deepEqual(described.failures, [
    { arn: arnOf(`task/${cluster}/${missing}`), reason: "MISSING" },
  ]);
  const withTags = await root.ecs.describeTasks({ cluster, tasks: [first!], include: ["TAGS"] });
  assert.deepEqual(withTags.tasks?.[0]?.tags, tags);
  const elsewhere = await root.ecs.describeTasks({ tasks: [first!] });
  assert.equal(elsewhere.failures?.[0]?.reason, "MISSING");
  await fails(root.ecs.describeTasks({ cluster, tasks: [] }), {
    code: invalid,
    message: "Tasks cannot be empty.",
  });
  await fails(root.ecs.describeTasks({ cluster, tasks: ids("t", 101) }), { code: invalid });
  await fails(root.ecs.describeTasks({ cluster: "nobodys", tasks: [first!] }), {
    code: "ClusterNotFoundException",
  });
});

test("ListTasks: by family, starter, status and launch type, in pages", async () => {
  const cluster = await newCluster();
  const [one, two] = [await newDefinition(), await newDefinition()];
  await root.ecs.runTask({
    ...placed({ cluster, count: 3, startedBy: "me" }),
    taskDefinition: one,
  });
  const { tasks } = await root.ecs.runTask({ ...placed({ cluster }), taskDefinition: two });
  const last = tasks?.[0]?.taskArn;
  const count = async (input: object): Promise<number | undefined> =>
    (await root.ecs.listTasks({ cluster, ...input })).taskArns?.length;
  assert.equal(await count({}), 4);
  assert.equal(await count({ startedBy: "me" }), 3);
  assert.equal(await count({ startedBy: "somebody" }), 0);
  assert.equal(await count({ launchType: "EC2" }), 0);
  const family = two.split("/")[1]!.split(":")[0];
  const { taskArns } = await root.ecs.listTasks({ cluster, family });
  assert.deepEqual(taskArns, [last]);
  await root.ecs.stopTask({ cluster, task: last });
  assert.equal(await count({ desiredStatus: "STOPPED" }), 1);
  assert.equal(await count({ desiredStatus: "RUNNING" }), 3);
  const first = await root.ecs.listTasks({ cluster, maxResults: 2 });
  assert.equal(first.taskArns?.length, 2);
  const { nextToken } = first;
  const rest = await root.ecs.listTasks({ cluster, maxResults: 2, nextToken });
  assert.equal(rest.taskArns?.length, 1);
  assert.equal(rest.nextToken, undefined);
  for (const input of [{ nextToken: "nonsense" }, { maxResults: 0 }, { maxResults: 101 }]) {
    await fails(root.ecs.listTasks({ cluster, ...input }), { code: invalid, status: 400 });
  }
});

test("StopTask: the task is to stop for that reason, and only the first one counts", async () => {
  const cluster = await newCluster();
  const taskDefinition = await newDefinition();
  const { tasks } = await root.ecs.runTask({ ...placed({ cluster }), taskDefinition });
  const task = tasks?.[0]?.taskArn;
  const stopped = await root.ecs.stopTask({ cluster, task, reason: "enough" });
  assert.equal(stopped.task?.desiredStatus, "STOPPED");
  assert.equal(stopped.task.stopCode, "UserInitiated");
  assert.equal(stopped.task.stoppedReason, "enough");
  const again = await root.ecs.stopTask({ cluster, task, reason: "more" });
  assert.equal(again.task?.stoppedReason, "enough");
  await fails(root.ecs.stopTask({ cluster, task: "0".repeat(32) }), {
    code: invalid,
    status: 400,
    message: "The referenced task was not found.",
  });
});

test("a user without permissions is denied every operation", async () => {
  const nobody = await userWith(instance, newName("nobody"));
  const taskDefinition = await newDefinition();
  const task = "0".repeat(32);
  const calls: Record<string, (ecs: Clients["ecs"]) => Promise<unknown>> = {
    CreateCluster: (ecs) => ecs.createCluster({ clusterName: "theirs" }),
    DeleteCluster: (ecs) => ecs.deleteCluster({ cluster: "default" }),
    DeregisterTaskDefinition: (ecs) => ecs.deregisterTaskDefinition({ taskDefinition }),
    DescribeClusters: (ecs) => ecs.describeClusters({}),
    DescribeTaskDefinition: (ecs) => ecs.describeTaskDefinition({ taskDefinition }),
    DescribeTasks: (ecs) => ecs.describeTasks({ tasks: [task] }),
    ListClusters: (ecs) => ecs.listClusters({}),
    ListTaskDefinitionFamilies: (ecs) => ecs.listTaskDefinitionFamilies({}),
    ListTaskDefinitions: (ecs) => ecs.listTaskDefinitions({}),
    ListTasks: (ecs) => ecs.listTasks({}),
    RegisterTaskDefinition: (ecs) =>
      ecs.registerTaskDefinition({ family: "theirs", containerDefinitions: [] }),
    RunTask: (ecs) => ecs.runTask({ ...placed(), taskDefinition }),
    StopTask: (ecs) => ecs.stopTask({ task }),
  };
  assert.deepEqual(Object.keys(calls).sort(), operationsOf("ecs"));
  for (const [name, call] of Object.entries(calls)) {
    await fails(call(nobody.ecs), { ...denied(`ecs:${name}`), status: 400 });
  }
  await fails(nobody.ecs.describeTasks({ tasks: [] }), denied("ecs:DescribeTasks"));
});

test("RunTask: a permission for one cluster doesn't reach another", async () => {
  const cluster = await newCluster();
  const statement = {
    Effect: "Allow",
    Action: "ecs:RunTask",
    Resource: "*",
    Condition: { ArnEquals: { "ecs:cluster": arnOf(`cluster/${cluster}`) } },
  };
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: statement });
  const { ecs } = await userWith(instance, newName("one-cluster"), policy);
  const taskDefinition = await newDefinition();
  const { tasks } = await ecs.runTask({ ...placed({ cluster }), taskDefinition });
  assert.equal(tasks?.length, 1);
  await fails(ecs.runTask({ ...placed(), taskDefinition }), denied("ecs:RunTask"));
});
