// What RegisterTaskDefinition refuses for Fargate, with ECS's sentences (facts §3.3).
import type {
  ContainerDefinition,
  RegisterTaskDefinitionRequest,
  Volume,
} from "@aws-sdk/client-ecs";

import { ApiError } from "../../wire/aws/api-error.ts";
import { isFargateSize, parseCpu, parseMemory } from "./task-size.ts";

type Rule = (definition: RegisterTaskDefinitionRequest) => string | undefined;
type ContainerRule = (
  container: ContainerDefinition,
  definition: RegisterTaskDefinitionRequest,
) => string | undefined;
type VolumeRule = (volume: Volume, definition: RegisterTaskDefinitionRequest) => string | undefined;

/** Throws ClientException with the first rule that is broken. */
export function checkDefinition(definition: RegisterTaskDefinitionRequest): void {
  const broken =
    firstOf(taskRules, (rule) => rule(definition)) ??
    firstOf(definition.volumes ?? [], (volume) =>
      firstOf(volumeRules, (rule) => rule(volume, definition)),
    ) ??
    firstOf(definition.containerDefinitions ?? [], (container) =>
      firstOf(containerRules, (rule) => rule(container, definition)),
    );
  if (broken !== undefined) throw new ApiError("ClientException", broken);
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | undefined) {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isFargate(definition: RegisterTaskDefinitionRequest): boolean {
  return definition.requiresCompatibilities?.includes("FARGATE") ?? false;
}

const taskRules: readonly Rule[] = [
  ({ family = "" }) =>
    /^[A-Za-z0-9_-]{1,255}$/.test(family)
      ? undefined
      : "Family contains invalid characters or is not 1 to 255 characters long.",
  ({ containerDefinitions = [] }) =>
    containerDefinitions.length === 0 ? "Container list cannot be empty" : undefined,
  (definition) =>
    isFargate(definition) && definition.networkMode !== "awsvpc"
      ? "Fargate only supports network mode ‘awsvpc’."
      : undefined,
  (definition) =>
    isFargate(definition) && definition.cpu === undefined
      ? "Fargate requires that 'cpu' be defined at the task level."
      : undefined,
  (definition) =>
    isFargate(definition) && definition.memory === undefined
      ? "Fargate requires that 'memory' be defined at the task level."
      : undefined,
  ({ cpu }) =>
    cpu !== undefined && parseCpu(cpu) === undefined
      ? "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of " +
        "the Amazon ECS Developer Guide."
      : undefined,
  (definition) => {
    const cpu = parseCpu(definition.cpu ?? "");
    const memory = parseMemory(definition.memory ?? "");
    if (!isFargate(definition) || cpu === undefined) return undefined;
    const fits = memory !== undefined && isFargateSize(cpu, memory);
    return fits ? undefined : "No Fargate configuration exists for given values.";
  },
  ({ containerDefinitions = [] }) => {
    const names = containerDefinitions.map(({ name }) => name);
    const unique = new Set(names).size === names.length;
    return unique ? undefined : "Container names must be unique within a task definition";
  },
  ({ containerDefinitions = [] }) =>
    containerDefinitions.every(({ essential }) => essential === false)
      ? "Task definition doesn't have any essential container"
      : undefined,
  (definition) =>
    isFargate(definition) && (definition.placementConstraints ?? []).length > 0
      ? "Fargate does not support task placement constraints."
      : undefined,
  (definition) =>
    isFargate(definition) && definition.pidMode === "host"
      ? "Tasks using the Fargate launch type do not support pidMode 'host'"
      : undefined,
  (definition) =>
    isFargate(definition) && definition.ipcMode !== undefined
      ? "Fargate compatible task definitions do not support ipcMode"
      : undefined,
  ({ cpu, containerDefinitions = [] }) => {
    const limit = parseCpu(cpu ?? "");
    const sum = containerDefinitions.reduce((total, each) => total + (each.cpu ?? 0), 0);
    return limit !== undefined && sum > limit
      ? "The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value"
      : undefined;
  },
  ({ ephemeralStorage }) => {
    const size = ephemeralStorage?.sizeInGiB;
    if (size === undefined) return undefined;
    if (size < 21) return "EphemeralStorage size should be at least 21";
    return size > 200 ? "EphemeralStorage size should be at most 200" : undefined;
  },
];

const volumeRules: readonly VolumeRule[] = [
  ({ name = "" }) =>
    /^[A-Za-z0-9_-]{1,255}$/.test(name) ? undefined : `Volume name '${name}' is invalid.`,
  ({ host }, definition) =>
    isFargate(definition) && host?.sourcePath !== undefined
      ? "Fargate compatible task definitions do not support sourcePath"
      : undefined,
  ({ dockerVolumeConfiguration }, definition) =>
    isFargate(definition) && dockerVolumeConfiguration !== undefined
      ? "Fargate compatible task definitions do not support dockerVolumeConfiguration"
      : undefined,
  (volume) => {
    const { host, efsVolumeConfiguration: efs, dockerVolumeConfiguration: docker } = volume;
    const { fsxWindowsFileServerVolumeConfiguration: fsx, s3filesVolumeConfiguration: s3 } = volume;
    return [host, efs, docker, fsx, s3].filter((each) => each !== undefined).length > 1
      ? "When the volume parameter is specified, only one volume configuration type should be used."
      : undefined;
  },
  ({ efsVolumeConfiguration: efs }) =>
    efs !== undefined && !/^(arn:aws[-a-z]*:.*\/)?fs-[0-9a-f]{8,40}$/.test(efs.fileSystemId ?? "")
      ? `Invalid EFS file system ID '${efs.fileSystemId}'.`
      : undefined,
  ({ efsVolumeConfiguration: efs }) => {
    const point = efs?.authorizationConfig?.accessPointId;
    if (point === undefined || /^fsap-[0-9a-f]{8,40}$/.test(point)) return undefined;
    // What ECS itself says isn't known (facts §6); this says what to do.
    return `Invalid EFS access point ID '${point}': it must look like fsap-0123456789abcdef0.`;
  },
  ({ efsVolumeConfiguration: efs }) => {
    const root = efs?.rootDirectory ?? "/";
    const hasPoint = efs?.authorizationConfig?.accessPointId !== undefined;
    return hasPoint && root !== "/" && root !== ""
      ? 'When using an EFS access point, the root directory must either be set to "/" or be omitted'
      : undefined;
  },
  ({ efsVolumeConfiguration: efs }) =>
    efs?.authorizationConfig?.accessPointId !== undefined && efs.transitEncryption !== "ENABLED"
      ? "EFS IAM access point requires TransitEncryption to be enabled."
      : undefined,
  ({ efsVolumeConfiguration: efs }) =>
    efs?.authorizationConfig?.iam === "ENABLED" && efs.transitEncryption !== "ENABLED"
      ? "EFS IAM authorization requires TransitEncryption to be enabled"
      : undefined,
  ({ efsVolumeConfiguration: efs }) =>
    efs?.transitEncryptionPort !== undefined && efs.transitEncryption !== "ENABLED"
      ? "TransitEncryptionPort requires that TransitEncryption is enabled"
      : undefined,
  ({ efsVolumeConfiguration: efs }, { taskRoleArn }) =>
    efs?.authorizationConfig?.iam === "ENABLED" && taskRoleArn === undefined
      ? "EFS IAM authorization requires a task role"
      : undefined,
];

const containerRules: readonly ContainerRule[] = [
  ({ name = "" }) =>
    /^[A-Za-z0-9_-]{1,255}$/.test(name) ? undefined : "Container.name contains invalid characters.",
  ({ image }) => (image ? undefined : "Container.image should not be null or empty."),
  ({ privileged }, definition) =>
    isFargate(definition) && privileged
      ? "Fargate requires that the 'privileged' setting be 'false'"
      : undefined,
  ({ links = [] }, { networkMode }) =>
    links.length > 0 && networkMode === "awsvpc"
      ? "Links are not supported when networkMode=awsvpc"
      : undefined,
  ({ hostname }, { networkMode }) =>
    hostname !== undefined && networkMode === "awsvpc"
      ? "hostname is not supported on container when networkMode=awsvpc"
      : undefined,
  (container, { networkMode }) => {
    if (networkMode !== "awsvpc") return undefined;
    const { dnsServers = [], extraHosts = [], disableNetworking } = container;
    const found =
      (dnsServers.length > 0 && "DNS servers are") ||
      (extraHosts.length > 0 && "Extra hosts are") ||
      (disableNetworking && "Disable Networking is");
    return found ? `${found} not supported on container when networkMode=awsvpc` : undefined;
  },
  (container, definition) => {
    const unsupported = isFargate(definition) ? unsupportedSetting(container) : undefined;
    return unsupported && `Fargate compatible task definitions do not support ${unsupported}`;
  },
  ({ linuxParameters }, definition) => {
    const added = linuxParameters?.capabilities?.add ?? [];
    const refused = isFargate(definition) && added.find((each) => each !== "SYS_PTRACE");
    return refused ? `${refused} is not allowed on Fargate.` : undefined;
  },
  ({ resourceRequirements = [] }, definition) =>
    isFargate(definition) && resourceRequirements.some(({ type }) => type === "GPU")
      ? "Tasks using the Fargate launch type do not support GPU resource requirements"
      : undefined,
  ({ portMappings = [] }, { networkMode }) =>
    networkMode === "awsvpc" &&
    portMappings.some(
      ({ hostPort, containerPort }) => hostPort !== undefined && hostPort !== containerPort,
    )
      ? "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
      : undefined,
  ({ mountPoints = [] }, { volumes = [] }) => {
    const unknown = mountPoints.find(
      ({ sourceVolume }) => !volumes.some(({ name }) => name === sourceVolume),
    );
    return unknown && `Unknown volume '${unknown.sourceVolume}'`;
  },
  ({ dependsOn = [] }, { containerDefinitions = [] }) => {
    const unknown = dependsOn.find(
      (each) => !containerDefinitions.some((other) => other.name === each.containerName),
    );
    return (
      unknown && `Cannot depend on container ${unknown.containerName} because it does not exist`
    );
  },
  ({ memory, memoryReservation }) =>
    memory !== undefined && memoryReservation !== undefined && memory < memoryReservation
      ? "'memory' must be greater than or equal to 'memoryReservation'"
      : undefined,
  ({ name, memory }, definition) => {
    const limit = parseMemory(definition.memory ?? "");
    return memory !== undefined && limit !== undefined && memory > limit
      ? `The 'memory' setting for container '${name}' is greater than for the task`
      : undefined;
  },
  ({ logConfiguration: log }, definition) => {
    if (log?.logDriver === undefined || !isFargate(definition)) return undefined;
    return ["awslogs", "splunk", "awsfirelens"].includes(log.logDriver)
      ? undefined
      : `${log.logDriver} is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]`;
  },
  ({ logConfiguration: log }) =>
    log?.logDriver === "awslogs" && log.options?.["awslogs-group"] === undefined
      ? "Log driver awslogs requires options: awslogs-group"
      : undefined,
  ({ logConfiguration: log }, definition) =>
    isFargate(definition) &&
    log?.logDriver === "awslogs" &&
    log.options?.["awslogs-stream-prefix"] === undefined
      ? "Fargate requires log configuration options to include awslogs-stream-prefix"
      : undefined,
  ({ logConfiguration: log }, definition) =>
    isFargate(definition) &&
    log?.logDriver === "awslogs" &&
    definition.executionRoleArn === undefined
      ? "Fargate requires task definition to have execution role ARN to support log driver awslogs."
      : undefined,
  ({ image = "" }, definition) =>
    isFargate(definition) && /\.dkr\.ecr\./.test(image) && !definition.executionRoleArn
      ? "Fargate requires task definition to have execution role ARN to support ECR images."
      : undefined,
  ({ secrets = [] }, { executionRoleArn }) =>
    secrets.length > 0 && executionRoleArn === undefined
      ? "When you are specifying container secrets, you must also specify a value for " +
        "'executionRoleArn'."
      : undefined,
];

function unsupportedSetting(container: ContainerDefinition): string | undefined {
  const { dockerSecurityOptions = [], linuxParameters } = container;
  const { devices = [], sharedMemorySize, maxSwap } = linuxParameters ?? {};
  if (dockerSecurityOptions.length > 0) return "dockerSecurityOptions";
  if (devices.length > 0) return "devices";
  if (sharedMemorySize !== undefined) return "sharedMemorySize";
  return maxSwap === undefined ? undefined : "maxSwap";
}
