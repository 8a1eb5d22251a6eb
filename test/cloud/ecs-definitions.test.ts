import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type {
  ContainerDefinition,
  EFSVolumeConfiguration,
  RegisterTaskDefinitionRequest,
  Volume,
} from "@aws-sdk/client-ecs";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, userWith } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";

let instance: Instance;
let root: Clients;

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
});
after(() => instance?.end());

let made = 0;
const newFamily = (): string => `family-${(made += 1)}`;
const role = "arn:aws:iam::123456789012:role/tasks";

/** A definition that ECS accepts, with changes. */
function definition(
  changes: Partial<RegisterTaskDefinitionRequest> = {},
): RegisterTaskDefinitionRequest {
  return {
    family: newFamily(),
    networkMode: "awsvpc",
    requiresCompatibilities: ["FARGATE"],
    cpu: "256",
    memory: "512",
    containerDefinitions: [{ name: "app", image: "busybox" }],
    ...changes,
  };
}

const container = (changes: ContainerDefinition): Partial<RegisterTaskDefinitionRequest> => ({
  containerDefinitions: [{ name: "app", image: "busybox", ...changes }],
});

const volume = (changes: Partial<Volume>): Partial<RegisterTaskDefinitionRequest> => ({
  volumes: [{ name: "data", ...changes }],
});

function efs(changes: Partial<EFSVolumeConfiguration>): Partial<RegisterTaskDefinitionRequest> {
  const efsVolumeConfiguration = { fileSystemId: "fs-0123456789abcdef0", ...changes };
  return volume({ efsVolumeConfiguration });
}

const accessPointId = "fsap-0123456789abcdef0";
const awslogs = {
  "awslogs-group": "/ecs/app",
  "awslogs-region": "us-east-1",
  "awslogs-stream-prefix": "ecs",
};
const logging = (options: Record<string, string>): Partial<RegisterTaskDefinitionRequest> =>
  container({ logConfiguration: { logDriver: "awslogs", options } });

/** What ECS refuses, with its sentence (facts §3.3). */
const refused: Record<string, [Partial<RegisterTaskDefinitionRequest>, string | RegExp]> = {
  "EFS: an access point with a root directory": [
    efs({
      rootDirectory: "/a",
      transitEncryption: "ENABLED",
      authorizationConfig: { accessPointId },
    }),
    'When using an EFS access point, the root directory must either be set to "/" or be omitted',
  ],
  "EFS: an access point without transit encryption": [
    efs({ authorizationConfig: { accessPointId } }),
    "EFS IAM access point requires TransitEncryption to be enabled.",
  ],
  "EFS: IAM without transit encryption": [
    { ...efs({ authorizationConfig: { iam: "ENABLED" } }), taskRoleArn: role },
    "EFS IAM authorization requires TransitEncryption to be enabled",
  ],
  "EFS: IAM without a task role": [
    efs({ transitEncryption: "ENABLED", authorizationConfig: { iam: "ENABLED" } }),
    "EFS IAM authorization requires a task role",
  ],
  "EFS: IAM with an execution role only": [
    {
      ...efs({ transitEncryption: "ENABLED", authorizationConfig: { iam: "ENABLED" } }),
      executionRoleArn: role,
    },
    "EFS IAM authorization requires a task role",
  ],
  "EFS: a port for TLS without transit encryption": [
    efs({ transitEncryptionPort: 20_049 }),
    "TransitEncryptionPort requires that TransitEncryption is enabled",
  ],
  "EFS: what isn't a file system id": [
    efs({ fileSystemId: "vol-0123456789abcdef0" }),
    /file system ID 'vol-0123456789abcdef0'/,
  ],
  "EFS: what isn't an access point id": [
    efs({
      transitEncryption: "ENABLED",
      authorizationConfig: { accessPointId: "ap-0123456789abcdef0" },
    }),
    /access point ID 'ap-0123456789abcdef0'/,
  ],
  "EFS: two kinds of volume in one": [
    volume({ efsVolumeConfiguration: { fileSystemId: "fs-01234567" }, host: {} }),
    "When the volume parameter is specified, only one volume configuration type should be used.",
  ],
  "a mount point of an unknown volume": [
    container({ mountPoints: [{ sourceVolume: "nowhere", containerPath: "/mnt" }] }),
    "Unknown volume 'nowhere'",
  ],
  "a volume with a path of the host": [
    volume({ host: { sourcePath: "/etc" } }),
    "Fargate compatible task definitions do not support sourcePath",
  ],
  "a Docker volume": [
    volume({ dockerVolumeConfiguration: { scope: "task" } }),
    "Fargate compatible task definitions do not support dockerVolumeConfiguration",
  ],
  "a network mode that isn't awsvpc": [
    { networkMode: "bridge" },
    "Fargate only supports network mode ‘awsvpc’.",
  ],
  "no cpu": [{ cpu: undefined }, "Fargate requires that 'cpu' be defined at the task level."],
  "no memory": [
    { memory: undefined },
    "Fargate requires that 'memory' be defined at the task level.",
  ],
  "cpu that isn't a number": [
    { cpu: "lots" },
    "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the " +
      "Amazon ECS Developer Guide.",
  ],
  "a size that Fargate doesn't have": [
    { cpu: "256", memory: "8192" },
    "No Fargate configuration exists for given values.",
  ],
  "no containers": [{ containerDefinitions: [] }, "Container list cannot be empty"],
  "no essential container": [
    container({ essential: false }),
    "Task definition doesn't have any essential container",
  ],
  "two containers of one name": [
    {
      containerDefinitions: [
        { name: "app", image: "a" },
        { name: "app", image: "b" },
      ],
    },
    "Container names must be unique within a task definition",
  ],
  "a dependency on nothing": [
    container({ dependsOn: [{ containerName: "other", condition: "START" }] }),
    "Cannot depend on container other because it does not exist",
  ],
  "a container without an image": [
    container({ image: undefined }),
    "Container.image should not be null or empty.",
  ],
  "a container larger than its task": [
    container({ memory: 1024 }),
    "The 'memory' setting for container 'app' is greater than for the task",
  ],
  "more reserved memory than memory": [
    container({ memory: 128, memoryReservation: 256 }),
    "'memory' must be greater than or equal to 'memoryReservation'",
  ],
  "more cpu in the containers than in the task": [
    container({ cpu: 512 }),
    "The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value",
  ],
  "an image of ECR without an execution role": [
    container({ image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:latest" }),
    "Fargate requires task definition to have execution role ARN to support ECR images.",
  ],
  "awslogs without an execution role": [
    logging(awslogs),
    "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
  ],
  "awslogs without a group": [
    { ...logging({ "awslogs-stream-prefix": "ecs" }), executionRoleArn: role },
    "Log driver awslogs requires options: awslogs-group",
  ],
  "awslogs without a stream prefix": [
    { ...logging({ "awslogs-group": "/ecs/app" }), executionRoleArn: role },
    "Fargate requires log configuration options to include awslogs-stream-prefix",
  ],
  "a log driver that Fargate doesn't have": [
    container({ logConfiguration: { logDriver: "syslog" } }),
    "syslog is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]",
  ],
  "secrets without an execution role": [
    container({ secrets: [{ name: "KEY", valueFrom: "arn:aws:ssm:us-east-1:1:parameter/a" }] }),
    "When you are specifying container secrets, you must also specify a value for " +
      "'executionRoleArn'.",
  ],
  "a privileged container": [
    container({ privileged: true }),
    "Fargate requires that the 'privileged' setting be 'false'",
  ],
  links: [container({ links: ["db"] }), "Links are not supported when networkMode=awsvpc"],
  "a host name": [
    container({ hostname: "app" }),
    "hostname is not supported on container when networkMode=awsvpc",
  ],
  "DNS servers": [
    container({ dnsServers: ["192.0.2.1"] }),
    "DNS servers are not supported on container when networkMode=awsvpc",
  ],
  "extra hosts": [
    container({ extraHosts: [{ hostname: "a", ipAddress: "192.0.2.1" }] }),
    "Extra hosts are not supported on container when networkMode=awsvpc",
  ],
  "disabled networking": [
    container({ disableNetworking: true }),
    "Disable Networking is not supported on container when networkMode=awsvpc",
  ],
  "ports that don't match": [
    container({ portMappings: [{ containerPort: 80, hostPort: 8080 }] }),
    "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
  ],
  "security options of Docker": [
    container({ dockerSecurityOptions: ["no-new-privileges"] }),
    "Fargate compatible task definitions do not support dockerSecurityOptions",
  ],
  devices: [
    container({ linuxParameters: { devices: [{ hostPath: "/dev/fuse" }] } }),
    "Fargate compatible task definitions do not support devices",
  ],
  "shared memory": [
    container({ linuxParameters: { sharedMemorySize: 64 } }),
    "Fargate compatible task definitions do not support sharedMemorySize",
  ],
  swap: [
    container({ linuxParameters: { maxSwap: 64 } }),
    "Fargate compatible task definitions do not support maxSwap",
  ],
  "a capability": [
    container({ linuxParameters: { capabilities: { add: ["SYS_ADMIN"] } } }),
    "SYS_ADMIN is not allowed on Fargate.",
  ],
  "a GPU": [
    container({ resourceRequirements: [{ type: "GPU", value: "1" }] }),
    "Tasks using the Fargate launch type do not support GPU resource requirements",
  ],
  "the IPC namespace of the host": [
    { ipcMode: "host" },
    "Fargate compatible task definitions do not support ipcMode",
  ],
  "the process namespace of the host": [
    { pidMode: "host" },
    "Tasks using the Fargate launch type do not support pidMode 'host'",
  ],
  "placement constraints": [
    { placementConstraints: [{ type: "memberOf", expression: "attribute:a == b" }] },
    "Fargate does not support task placement constraints.",
  ],
  "20 GiB of ephemeral storage": [
    { ephemeralStorage: { sizeInGiB: 20 } },
    "EphemeralStorage size should be at least 21",
  ],
  "201 GiB of ephemeral storage": [
    { ephemeralStorage: { sizeInGiB: 201 } },
    "EphemeralStorage size should be at most 200",
  ],
  "a family with a blank": [{ family: "my app" }, /^Family/],
  "no family": [{ family: undefined }, /^Family/],
};
for (const [what, [changes, message]] of Object.entries(refused)) {
  test(`RegisterTaskDefinition: ${what} is refused and leaves nothing`, async () => {
    const given = definition(changes);
    await fails(root.ecs.registerTaskDefinition(given), {
      code: "ClientException",
      status: 400,
      message,
    });
    const { families } = await root.ecs.listTaskDefinitionFamilies({ familyPrefix: given.family });
    if (given.family !== undefined) assert.deepEqual(families, []);
  });
}

const accepted: Record<string, Partial<RegisterTaskDefinitionRequest>> = {
  "an EFS volume with nothing but its id": efs({}),
  "an EFS volume with a directory": efs({ rootDirectory: "/a/b" }),
  "an EFS volume with an access point and TLS": efs({
    rootDirectory: "/",
    transitEncryption: "ENABLED",
    transitEncryptionPort: 20_049,
    authorizationConfig: { accessPointId },
  }),
  "an EFS volume with IAM and a task role": {
    ...efs({ transitEncryption: "ENABLED", authorizationConfig: { iam: "ENABLED" } }),
    taskRoleArn: role,
  },
  "an EFS file system by its ARN": efs({
    fileSystemId: "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-01234567",
  }),
  "the capability that Fargate allows": container({
    linuxParameters: { capabilities: { add: ["SYS_PTRACE"], drop: ["ALL"] } },
  }),
};
for (const [what, changes] of Object.entries(accepted)) {
  test(`RegisterTaskDefinition: ${what} is accepted`, async () => {
    const { taskDefinition } = await root.ecs.registerTaskDefinition(definition(changes));
    assert.equal(taskDefinition?.status, "ACTIVE");
    assert.deepEqual(taskDefinition.volumes, changes.volumes ?? []);
  });
}

const sizes = [
  ["256", "512", "256", "512"],
  [".25 vCPU", "0.5GB", "256", "512"],
  ["1 vcpu", "2 gb", "1024", "2048"],
  ["4096", "30720", "4096", "30720"],
  ["16384", "32768", "16384", "32768"],
  ["32768", "249856", "32768", "249856"],
] as const;
for (const [cpu, memory, cpuUnits, mebibytes] of sizes) {
  test(`RegisterTaskDefinition: ${cpu} and ${memory} become ${cpuUnits} and ${mebibytes}`, async () => {
    const { taskDefinition } = await root.ecs.registerTaskDefinition(definition({ cpu, memory }));
    assert.equal(taskDefinition?.cpu, cpuUnits);
    assert.equal(taskDefinition.memory, mebibytes);
  });
}

test("RegisterTaskDefinition: says back what was given, with ECS's defaults", async () => {
  const family = newFamily();
  const given = definition({
    family,
    ...efs({ rootDirectory: "/" }),
    ...container({
      portMappings: [{ containerPort: 3000 }],
      mountPoints: [{ sourceVolume: "data", containerPath: "/mnt/efs", readOnly: false }],
    }),
    runtimePlatform: { cpuArchitecture: "X86_64", operatingSystemFamily: "LINUX" },
  });
  const { taskDefinition } = await root.ecs.registerTaskDefinition(given);
  assert.equal(
    taskDefinition?.taskDefinitionArn,
    `arn:aws:ecs:us-east-1:123456789012:task-definition/${family}:1`,
  );
  assert.equal(taskDefinition.family, family);
  assert.equal(taskDefinition.revision, 1);
  assert.ok(taskDefinition.registeredAt instanceof Date);
  assert.ok(taskDefinition.compatibilities?.includes("FARGATE"));
  assert.deepEqual(taskDefinition.runtimePlatform, given.runtimePlatform);
  const [app] = taskDefinition.containerDefinitions ?? [];
  assert.equal(app?.essential, true);
  assert.equal(app.cpu, 0);
  assert.deepEqual(app.portMappings, [{ containerPort: 3000, hostPort: 3000, protocol: "tcp" }]);
  assert.deepEqual(app.mountPoints, given.containerDefinitions?.[0]?.mountPoints);
});

test("RegisterTaskDefinition: the tutorial's definition needs an access point id of AWS's kind", async () => {
  const file = new URL("../../examples/uploads/task-definition.json", import.meta.url);
  const given = JSON.parse(readFileSync(file, "utf8")) as RegisterTaskDefinitionRequest;
  await fails(root.ecs.registerTaskDefinition(given), {
    code: "ClientException",
    message: /'ap-0123456789abcdef0'.*fsap-/,
  });
  given.volumes![0]!.efsVolumeConfiguration!.authorizationConfig!.accessPointId = accessPointId;
  const { taskDefinition } = await root.ecs.registerTaskDefinition(given);
  assert.equal(taskDefinition?.family, "my-efs-app");
});

test("revisions: counted up, found by family, by number and by ARN, not given again", async () => {
  const family = newFamily();
  for (const image of ["one", "two", "three"]) {
    await root.ecs.registerTaskDefinition(definition({ family, ...container({ image }) }));
  }
  const revisionOf = async (taskDefinition: string): Promise<number | undefined> => {
    const found = await root.ecs.describeTaskDefinition({ taskDefinition });
    return found.taskDefinition?.revision;
  };
  const arn = `arn:aws:ecs:us-east-1:123456789012:task-definition/${family}`;
  assert.equal(await revisionOf(family), 3);
  assert.equal(await revisionOf(`${family}:2`), 2);
  assert.equal(await revisionOf(`${arn}:1`), 1);
  const gone = await root.ecs.deregisterTaskDefinition({ taskDefinition: `${family}:3` });
  assert.equal(gone.taskDefinition?.status, "INACTIVE");
  assert.equal(await revisionOf(family), 2);
  assert.equal(await revisionOf(`${family}:3`), 3);
  const next = await root.ecs.registerTaskDefinition(definition({ family }));
  assert.equal(next.taskDefinition?.revision, 4);
});

test("DescribeTaskDefinition and DeregisterTaskDefinition: unknown ones are refused", async () => {
  const expected = { code: "ClientException", message: "Unable to describe task definition." };
  const { family } = (await root.ecs.registerTaskDefinition(definition())).taskDefinition!;
  for (const taskDefinition of ["nobodys", `${family}:2`, ""]) {
    await fails(root.ecs.describeTaskDefinition({ taskDefinition }), expected);
    await fails(root.ecs.deregisterTaskDefinition({ taskDefinition }), expected);
  }
});

test("tags of a task definition: described where they are asked for", async () => {
  const tags = [{ key: "team", value: "a" }];
  const registered = await root.ecs.registerTaskDefinition(definition({ tags }));
  assert.deepEqual(registered.tags, tags);
  const taskDefinition = registered.taskDefinition?.taskDefinitionArn;
  const without = await root.ecs.describeTaskDefinition({ taskDefinition });
  assert.deepEqual(without.tags ?? [], []);
  const described = await root.ecs.describeTaskDefinition({ taskDefinition, include: ["TAGS"] });
  assert.deepEqual(described.tags, tags);
});

test("ListTaskDefinitions: by family and status, in either order, in pages", async () => {
  const family = newFamily();
  const arns: string[] = [];
  for (let revision = 1; revision <= 11; revision += 1) {
    const { taskDefinition } = await root.ecs.registerTaskDefinition(definition({ family }));
    arns.push(taskDefinition!.taskDefinitionArn!);
  }
  await root.ecs.registerTaskDefinition(definition({ family: `${family}-other` }));
  const inactive = arns.pop()!;
  await root.ecs.deregisterTaskDefinition({ taskDefinition: inactive });
  const list = async (input: object): Promise<string[] | undefined> =>
    (await root.ecs.listTaskDefinitions({ familyPrefix: family, ...input })).taskDefinitionArns;
  assert.deepEqual(await list({}), arns);
  assert.deepEqual(await list({ sort: "DESC" }), arns.toReversed());
  assert.deepEqual(await list({ status: "INACTIVE" }), [inactive]);
  const first = await root.ecs.listTaskDefinitions({ familyPrefix: family, maxResults: 7 });
  assert.deepEqual(first.taskDefinitionArns, arns.slice(0, 7));
  const { nextToken } = first;
  const rest = await root.ecs.listTaskDefinitions({ familyPrefix: family, nextToken });
  assert.deepEqual(rest.taskDefinitionArns, arns.slice(7));
  assert.equal(rest.nextToken, undefined);
});

test("ListTaskDefinitionFamilies: by prefix and status, in pages", async () => {
  const prefix = newFamily();
  const families = ["a", "b", "c"].map((letter) => `${prefix}-${letter}`);
  for (const family of families) await root.ecs.registerTaskDefinition(definition({ family }));
  await root.ecs.deregisterTaskDefinition({ taskDefinition: `${families[2]}:1` });
  const list = async (input: object): Promise<string[] | undefined> =>
    (await root.ecs.listTaskDefinitionFamilies({ familyPrefix: prefix, ...input })).families;
  assert.deepEqual(await list({ status: "ALL" }), families);
  assert.deepEqual(await list({ status: "ACTIVE" }), families.slice(0, 2));
  assert.deepEqual(await list({ status: "INACTIVE" }), families.slice(2));
  const page = { familyPrefix: prefix, status: "ALL", maxResults: 2 } as const;
  const { families: first, nextToken } = await root.ecs.listTaskDefinitionFamilies(page);
  assert.deepEqual(first, families.slice(0, 2));
  assert.deepEqual(await list({ status: "ALL", nextToken }), families.slice(2));
});

test("RegisterTaskDefinition: each role that is handed over has to be passable", async () => {
  const other = "arn:aws:iam::123456789012:role/other";
  const policy = allowing(["ecs:RegisterTaskDefinition"]);
  const user = await userWith(instance, "ecs-registers", policy);
  await user.ecs.registerTaskDefinition(definition());
  const withRoles = { taskRoleArn: role, executionRoleArn: other };
  const register = (changes: object): Promise<unknown> =>
    user.ecs.registerTaskDefinition(definition(changes));
  await fails(register({ taskRoleArn: role }), denied("iam:PassRole"));
  await fails(register({ executionRoleArn: role }), denied("iam:PassRole"));
  const pass = {
    Effect: "Allow",
    Action: "iam:PassRole",
    Resource: role,
    Condition: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
  };
  await root.iam.putUserPolicy({
    UserName: "ecs-registers",
    PolicyName: "pass",
    PolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement: pass }),
  });
  await register({ taskRoleArn: role });
  await fails(register(withRoles), denied("iam:PassRole"));
});
