import { readFileSync } from "node:fs";
import type { ContainerDefinition, ContainerOverride } from "@aws-sdk/client-ecs";
import type { ContainerCreateOptions } from "dockerode";

import type { AssignedTask } from "./task-feed.ts";

export interface ContainerSettings {
  readonly task: AssignedTask;
  readonly container: ContainerDefinition;
  /** Labels by which the agent finds its containers again. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whose network namespace it shares. */
  readonly pauseContainer: string;
  readonly credentialsPath: string | undefined;
  readonly metadataKey: string;
  /** Where a volume is on this machine. */
  readonly volumeDirectory: (name: string) => string;
}

const mebibyte = 1 << 20;
/** CPU units of one vCPU. */
const vcpuUnits = 1024;

/** What Docker is told about one container of a task. */
export function containerSettings(settings: ContainerSettings): ContainerCreateOptions {
  const { task, container, labels } = settings;
  const override = overrideOf(task, container.name);
  const command = override?.command ?? container.command;
  const taskMemory = Number(task.overrides.memory ?? task.definition.memory);
  const memory = override?.memory ?? container.memory ?? taskMemory;
  const { entryPoint, workingDirectory, user } = container;
  return {
    name: `mooring-${task.taskId.slice(0, 12)}-${container.name}`,
    Image: container.image!,
    Labels: { ...container.dockerLabels, ...labels },
    Env: Object.entries(environmentOf(settings, override)).map(
      ([name, value]) => `${name}=${value}`,
    ),
    ...(command && { Cmd: command }),
    ...(entryPoint && { Entrypoint: entryPoint }),
    ...(workingDirectory && { WorkingDir: workingDirectory }),
    ...(user && { User: user }),
    Tty: container.pseudoTerminal ?? false,
    OpenStdin: container.interactive ?? false,
    ...(container.stopTimeout !== undefined && { StopTimeout: container.stopTimeout }),
    HostConfig: {
      NetworkMode: `container:${settings.pauseContainer}`,
      Binds: bindsOf(settings),
      Memory: memory * mebibyte,
      MemorySwap: memory * mebibyte,
      CpuShares: Math.max(2, container.cpu ?? 0),
      NanoCpus: cpusOf(task) * 1e9,
      ReadonlyRootfs: container.readonlyRootFilesystem ?? false,
      Ulimits: ulimitsOf(container),
      Init: container.linuxParameters?.initProcessEnabled ?? false,
      // Unlike json-file it keeps the bytes: that one breaks letters at the ends of its entries.
      LogConfig: { Type: "local", Config: { "max-size": "16m", "max-file": "4" } },
    },
  };
}

function overrideOf(task: AssignedTask, name: string | undefined): ContainerOverride | undefined {
  return task.overrides.containerOverrides?.find((override) => override.name === name);
}

function environmentOf(
  { task, container, credentialsPath, metadataKey }: ContainerSettings,
  override: ContainerOverride | undefined,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { name = "", value = "" } of container.environment ?? []) environment[name] = value;
  for (const { name = "", value = "" } of override?.environment ?? []) environment[name] = value;
  const region = task.taskArn.split(":")[3]!;
  return {
    ...environment,
    AWS_DEFAULT_REGION: region,
    AWS_REGION: region,
    AWS_EXECUTION_ENV: "AWS_ECS_FARGATE",
    ECS_CONTAINER_METADATA_URI_V4: `http://169.254.170.2/v4/${metadataKey}`,
    ...(credentialsPath !== undefined && {
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: credentialsPath,
    }),
  };
}

function bindsOf({ container, volumeDirectory }: ContainerSettings): string[] {
  return (container.mountPoints ?? []).map(({ sourceVolume, containerPath, readOnly }) => {
    const mode = readOnly ? "ro" : "rw";
    return `${volumeDirectory(sourceVolume!)}:${containerPath}:${mode}`;
  });
}

function cpusOf(task: AssignedTask): number {
  const units = Number(task.overrides.cpu ?? task.definition.cpu ?? vcpuUnits);
  return Math.min(units / vcpuUnits, availableCpus());
}

/** Docker refuses more than the machine has. */
function availableCpus(): number {
  return navigator.hardwareConcurrency;
}

/** Fargate's open files limit is 65,535 where the definition sets none (facts §5). */
const usualOpenFiles = 65_535;

function ulimitsOf(container: ContainerDefinition): { Name: string; Soft: number; Hard: number }[] {
  const given = (container.ulimits ?? []).map(({ name, softLimit = 0, hardLimit = 0 }) => ({
    Name: name!,
    Soft: softLimit,
    Hard: hardLimit,
  }));
  if (given.some(({ Name }) => Name === "nofile")) return given;
  const limit = Math.min(usualOpenFiles, machineOpenFiles());
  return [...given, { Name: "nofile", Soft: limit, Hard: limit }];
}

/** More than this machine's own limit no container can be given where it may not raise limits. */
function machineOpenFiles(): number {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return line === null || line[1] === "unlimited" ? Infinity : Number(line[1]);
}
