import { isDeepStrictEqual } from "node:util";
import type * as ecs from "@aws-sdk/client-ecs";

import { randomHex } from "../../base/random.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import type { NetworkInterface, Subnet } from "../contracts/network.ts";
import type { Call } from "../contracts/service.ts";
import { clusterArn } from "./clusters.ts";
import type { EcsOptions } from "./ecs-service.ts";
import type { Clusters } from "./clusters.ts";
import type { TaskDefinitions } from "./definitions.ts";
import { runTaskCount, securityGroupsLimit, subnetsLimit } from "./limits.ts";
import { describeTask } from "./task-description.ts";
import type { TaskRecord } from "./task-record.ts";
import type { Tasks } from "./tasks.ts";

export interface RunTaskContext {
  readonly options: EcsOptions;
  readonly clusters: Clusters;
  readonly definitions: TaskDefinitions;
  readonly tasks: Tasks;
}

/** RunTask: places tasks and returns them PROVISIONING; the agent does the rest. */
export function runTask(
  context: RunTaskContext,
  input: ecs.RunTaskRequest,
  call: Call,
): ecs.RunTaskResponse {
  const { clusters, definitions, tasks, options } = context;
  const cluster = clusters.find(input.cluster);
  const definition = definitions.find(input.taskDefinition);
  if (definition.status !== "ACTIVE") {
    throw new ApiError("ClientException", "TaskDefinition is inactive");
  }
  const known = tasks
    .list()
    .filter((task) => task.clientToken !== undefined && task.clientToken === input.clientToken);
  if (known.length > 0) {
    checkSameRequest(known[0]!, input, cluster, definition);
    return { tasks: known.map((task) => describeTask(task, true)), failures: [] };
  }
  checkRequest(input, definition);
  const place = placement(context, input);
  checkRoles(options, definition, input);
  const count = input.count ?? 1;
  const made: TaskRecord[] = [];
  const failures: ecs.Failure[] = [];
  for (let index = 0; index < count; index += 1) {
    const attached = attach(context, place);
    if (attached === undefined) {
      failures.push({ reason: "RESOURCE:ENI" });
      continue;
    }
    const task = newRecord({ context, input, call, cluster, definition, ...attached });
    tasks.add(task);
    made.push(task);
  }
  return { tasks: made.map((task) => describeTask(task, true)), failures };
}

/** A token that was used stands for the same request only (facts §3.3). */
function checkSameRequest(
  known: TaskRecord,
  input: ecs.RunTaskRequest,
  cluster: string,
  definition: ecs.TaskDefinition,
): void {
  const isSame =
    known.clusterName === cluster &&
    known.definition.taskDefinitionArn === definition.taskDefinitionArn &&
    known.startedBy === input.startedBy &&
    isDeepStrictEqual(known.overrides, overridesOf(input));
  if (isSame) return;
  const message = "The client token was used for a request with other parameters.";
  throw new ApiError("ConflictException", message);
}

function overridesOf({ overrides }: ecs.RunTaskRequest): ecs.TaskOverride {
  return { containerOverrides: [], ...overrides };
}

function checkRequest(input: ecs.RunTaskRequest, definition: ecs.TaskDefinition): void {
  const count = input.count ?? 1;
  if (count < 1 || count > runTaskCount) throw invalid(`count must be from 1 to ${runTaskCount}.`);
  if (input.launchType !== undefined && input.capacityProviderStrategy !== undefined) {
    throw invalid("Specifying both a launch type and capacity provider strategy is not supported");
  }
  const fargate = definition.requiresCompatibilities?.includes("FARGATE") ?? false;
  if (!fargate) throw invalid("Task definition does not support launch_type FARGATE.");
  if (input.launchType === "EC2" || input.launchType === "EXTERNAL") {
    throw invalid(`Mooring runs Fargate tasks only; launch type ${input.launchType} is not there.`);
  }
  const version = input.platformVersion ?? "LATEST";
  if (!["LATEST", "1.4.0"].includes(version)) {
    throw new ApiError("PlatformUnknownException", `The platform version ${version} is not known.`);
  }
}

interface Place {
  readonly subnets: readonly Subnet[];
  readonly securityGroupIds: readonly string[];
}

function placement({ options: { network } }: RunTaskContext, input: ecs.RunTaskRequest): Place {
  const configuration = input.networkConfiguration?.awsvpcConfiguration;
  if (configuration === undefined) {
    throw invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
  }
  const ids = configuration.subnets ?? [];
  if (ids.length === 0) throw invalid("subnets can not be empty.");
  if (ids.length > subnetsLimit) throw invalid(`At most ${subnetsLimit} subnets can be given.`);
  const subnets = ids.map((id) => {
    const subnet = network.subnet(id);
    if (subnet !== undefined) return subnet;
    throw invalid(
      `Error retrieving subnet information for [${id}]: The subnet ID '${id}' does not exist`,
    );
  });
  const given = configuration.securityGroups ?? [];
  if (given.length > securityGroupsLimit) {
    throw invalid(`At most ${securityGroupsLimit} security groups can be given.`);
  }
  for (const id of given) {
    if (network.securityGroup(id) !== undefined) continue;
    throw invalid(
      `Error retrieving security group information for [${id}]: ` +
        `The security group '${id}' does not exist`,
    );
  }
  const first = subnets[0]!;
  const groups = given.length > 0 ? given : [network.defaultSecurityGroup(first.vpcId)];
  return { subnets, securityGroupIds: groups };
}

/** The roles must exist and trust ECS before anything is started (facts §3.3). */
function checkRoles(
  { identities }: EcsOptions,
  definition: ecs.TaskDefinition,
  input: ecs.RunTaskRequest,
): void {
  const roles = [
    input.overrides?.taskRoleArn ?? definition.taskRoleArn,
    input.overrides?.executionRoleArn ?? definition.executionRoleArn,
  ];
  for (const roleArn of new Set(roles)) {
    if (roleArn === undefined) continue;
    try {
      identities.assumeRole({
        roleArn,
        sessionName: "ecs-check",
        durationSeconds: 900,
        by: { kind: "service", service: "ecs-tasks.amazonaws.com" },
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      throw new ApiError(
        "ClientException",
        `ECS was unable to assume the role '${roleArn}' that was provided for this task. Please ` +
          "verify that the role being passed has the proper trust relationship and permissions " +
          "and that your IAM user has permissions to pass this role.",
      );
    }
  }
}

interface Attached {
  readonly subnet: Subnet;
  readonly attached: NetworkInterface;
}

/** In the first of the subnets that has an address left. */
function attach({ options: { network } }: RunTaskContext, place: Place): Attached | undefined {
  for (const subnet of place.subnets) {
    try {
      const attached = network.createInterface({
        subnetId: subnet.subnetId,
        securityGroupIds: place.securityGroupIds,
        description: "ECS task",
        requesterId: "amazon-ecs",
      });
      return { subnet, attached };
    } catch (error) {
      const full = error instanceof ApiError && error.code === "InsufficientFreeAddressesInSubnet";
      if (!full) throw error;
    }
  }
  return undefined;
}

function newRecord(
  given: Attached & {
    readonly context: RunTaskContext;
    readonly input: ecs.RunTaskRequest;
    readonly call: Call;
    readonly cluster: string;
    readonly definition: ecs.TaskDefinition;
  },
): TaskRecord {
  const { context, input, call, cluster, definition, subnet, attached } = given;
  const { random } = context.options;
  const taskId = randomHex(random, 32);
  const { region, accountId } = call;
  const containers = (definition.containerDefinitions ?? []).map((container) => {
    const name = container.name!;
    const id = `${randomHex(random, 8)}-${randomHex(random, 4)}-${randomHex(random, 12)}`;
    return [name, { id, name, lastStatus: "PENDING" as const }];
  });
  return {
    taskId,
    taskArn: `arn:aws:ecs:${region}:${accountId}:task/${cluster}/${taskId}`,
    clusterArn: clusterArn(cluster, call),
    clusterName: cluster,
    definition,
    overrides: overridesOf(input),
    group: input.group ?? `family:${definition.family}`,
    ...(input.startedBy !== undefined && { startedBy: input.startedBy }),
    launchType: "FARGATE",
    platformVersion: "1.4.0",
    availabilityZone: subnet.availabilityZone,
    subnetId: subnet.subnetId,
    subnetCidrBlock: subnet.cidrBlock,
    vpcId: subnet.vpcId,
    networkInterfaceId: attached.networkInterfaceId,
    macAddress: attached.macAddress,
    privateDnsName: attached.privateDnsName,
    address: attached.address,
    attachmentId: randomHex(random, 32),
    tags: input.tags ?? [],
    ...(input.clientToken !== undefined && { clientToken: input.clientToken }),
    createdAtMs: call.nowMs,
    enableExecuteCommand: input.enableExecuteCommand ?? false,
    desiredStatus: "RUNNING",
    lastStatus: "PROVISIONING",
    version: 1,
    times: {},
    containers: Object.fromEntries(containers) as TaskRecord["containers"],
  };
}

function invalid(message: string): ApiError {
  return new ApiError("InvalidParameterException", message);
}
