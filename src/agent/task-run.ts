import type { Readable } from "node:stream";
import type { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import type { ContainerDefinition } from "@aws-sdk/client-ecs";
import type Docker from "dockerode";

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type Random, randomHex, randomUuid } from "../base/random.ts";
import { containerSettings } from "./container-settings.ts";
import { pauseImage } from "./docker/pause-image.ts";
import { retryMs, stopTimeoutSeconds } from "./limits.ts";
import { endOfStream, type LogDestination, type LogPosition, LogShipper } from "./log-shipper.ts";
import { redirectTaskEndpoint } from "./network-namespace.ts";
import type { TaskEndpoint } from "./task-endpoint.ts";
import { TaskDirectory } from "./task-directory.ts";
import type { AssignedTask, TaskFeed, TaskReport } from "./task-feed.ts";
import { taskMetadata } from "./task-metadata.ts";
import { VolumeFailed, type VolumeMounts } from "./volume-mounts.ts";

export interface TaskRunContext {
  readonly docker: Docker;
  readonly feed: TaskFeed;
  readonly endpoint: TaskEndpoint;
  readonly volumes: VolumeMounts;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Tells this instance's containers from those of others on the machine. */
  readonly dataDirectory: string;
  readonly networkName: string;
  /** Where the tasks' endpoint answers. */
  readonly endpointAddress: string;
  readonly endpointPort: () => number;
  /** A Logs client with the execution role's rights. */
  readonly logsFor: (task: AssignedTask) => CloudWatchLogs;
  /** One that may read, to find where a stream ended before a restart. */
  readonly logsReader: CloudWatchLogs;
}

export const label = {
  instance: "mooring.instance",
  task: "mooring.task",
  container: "mooring.container",
  credentials: "mooring.credentials",
  metadata: "mooring.metadata",
} as const;
const pauseName = "~pause";

/** The task can't start; the message is its stoppedReason. */
class StartFailed extends Error {
  override readonly name = "StartFailed";
}

interface RunningContainer {
  readonly name: string;
  readonly essential: boolean;
  readonly container: Docker.Container;
  /** Resolves with the exit code once the container ended and its output was shipped. */
  readonly ended: Promise<number>;
}

/** One task from its namespace to its end (facts §3.4). */
export class TaskRun {
  readonly #context: TaskRunContext;
  readonly #task: AssignedTask;
  readonly #running: RunningContainer[] = [];
  #credentialsId: string;
  #stopWanted: () => void = () => {};
  readonly #stopAsked = new Promise<void>((resolve) => {
    this.#stopWanted = resolve;
  });
  #pausePid = 0;
  /** The containers' keys at the metadata endpoint, by name. */
  readonly #metadataKeys = new Map<string, string>();
  readonly #directory: TaskDirectory;

  constructor(context: TaskRunContext, task: AssignedTask) {
    this.#context = context;
    this.#task = task;
    this.#credentialsId = randomUuid(context.random);
    this.#directory = new TaskDirectory(context.dataDirectory, task.taskId);
  }

  /** Resolves when the task is STOPPED and nothing of it is left. */
  async run(): Promise<void> {
    try {
      if (!(await this.#adopt())) await this.#start();
      await this.#untilEnd();
    } catch (error) {
      this.#failed(error);
    }
    await this.#cleanUp();
  }

  stop(): void {
    this.#stopWanted();
  }

  #report(report: TaskReport): void {
    this.#context.feed.report(this.#task.taskId, report);
  }

  get #nowMs(): number {
    return this.#context.clock.nowMs();
  }

  /** Finds the task's containers of before a restart; false where it has to start (again). */
  async #adopt(): Promise<boolean> {
    const containers = await this.#containers();
    const byName = new Map(containers.map((each) => [each.Labels[label.container], each]));
    const pause = byName.get(pauseName);
    const { lastStatus, definition } = this.#task;
    const wasRunning = !["PROVISIONING", "PENDING", "ACTIVATING"].includes(lastStatus);
    if (!wasRunning) {
      for (const directory of this.#mountPoints()) await this.#context.volumes.abandon(directory);
      await this.#removeContainers();
      return false;
    }
    if (pause?.State !== "running") {
      throw new StartFailed("Essential container in task exited");
    }
    this.#credentialsId = pause.Labels[label.credentials] ?? this.#credentialsId;
    this.#pausePid = await this.#pidOf(pause.Id);
    this.#register();
    await this.#redirectEndpoint(false);
    for (const each of definition.containerDefinitions ?? []) {
      const found = byName.get(each.name);
      if (found === undefined) throw new StartFailed("Essential container in task exited");
      this.#metadataKeys.set(each.name!, found.Labels[label.metadata] ?? "");
      const shipper = this.#shipperFor(each, await this.#logEnd(each));
      this.#follow(each, this.#context.docker.getContainer(found.Id), shipper);
    }
    return true;
  }

  async #start(): Promise<void> {
    if (this.#task.desiredStatus === "STOPPED") return;
    this.#report({ status: "PENDING" });
    await this.#startPause();
    this.#report({ connectivityAtMs: this.#nowMs });
    const shippers = await this.#prepareLogs();
    await this.#mountVolumes();
    await this.#pullImages();
    this.#report({ status: "ACTIVATING" });
    for (const container of inStartOrder(this.#task.definition.containerDefinitions ?? [])) {
      await this.#startContainer(container, shippers.get(container.name!));
    }
    this.#report({ status: "RUNNING", startedAtMs: this.#nowMs });
  }

  async #startPause(): Promise<void> {
    const { docker, networkName } = this.#context;
    const { address, macAddress } = this.#task.interface;
    const pause = await docker.createContainer({
      name: `mooring-${this.#task.taskId.slice(0, 12)}-pause`,
      Image: pauseImage,
      Labels: { ...this.#labels(pauseName), [label.credentials]: this.#credentialsId },
      Hostname: this.#task.interface.privateDnsName.slice(0, 63),
      MacAddress: macAddress,
      HostConfig: { NetworkMode: networkName },
      NetworkingConfig: {
        EndpointsConfig: { [networkName]: { IPAMConfig: { IPv4Address: address } } },
      },
    });
    await pause.start();
    this.#pausePid = await this.#pidOf(pause.id);
    this.#register();
    await this.#redirectEndpoint(true);
  }

  /** Also after a restart, as the endpoint answers at another port then. */
  async #redirectEndpoint(isNew: boolean): Promise<void> {
    const { endpointAddress: address, endpointPort } = this.#context;
    await redirectTaskEndpoint(this.#pausePid, { address, port: endpointPort(), isNew });
  }

  async #pidOf(id: string): Promise<number> {
    const found = await this.#context.docker.getContainer(id).inspect();
    return found.State.Pid;
  }

  #register(): void {
    const task = this.#task;
    this.#context.endpoint.register(this.#credentialsId, {
      task,
      roleArn: task.overrides.taskRoleArn ?? task.definition.taskRoleArn,
      metadata: (key, kind) => taskMetadata(task, this.#metadataKeys, key, kind),
    });
  }

  async #prepareLogs(): Promise<Map<string, LogShipper>> {
    const shippers = new Map<string, LogShipper>();
    for (const container of this.#task.definition.containerDefinitions ?? []) {
      const shipper = this.#shipperFor(container);
      if (shipper === undefined) continue;
      try {
        await shipper.prepare();
      } catch (error) {
        const { name, message } = error as Error;
        throw new StartFailed(
          "ResourceInitializationError: failed to validate logger args: create stream has been " +
            `retried 1 times: failed to create Cloudwatch log stream: ${name}: ${message} : ` +
            "exit status 1",
        );
      }
      shippers.set(container.name!, shipper);
    }
    return shippers;
  }

  #shipperFor(container: ContainerDefinition, after?: LogPosition): LogShipper | undefined {
    const destination = this.#logDestination(container);
    if (destination === undefined) return undefined;
    const { logsFor, log } = this.#context;
    return new LogShipper(logsFor(this.#task), destination, log, after);
  }

  #logDestination(container: ContainerDefinition): LogDestination | undefined {
    const { logDriver, options } = container.logConfiguration ?? {};
    if (logDriver !== "awslogs") return undefined;
    const prefix = options?.["awslogs-stream-prefix"];
    const stream = `${prefix}/${container.name}/${this.#task.taskId}`;
    return { group: options?.["awslogs-group"] ?? "", stream };
  }

  /** How far the container's output was sent before a restart. */
  async #logEnd(container: ContainerDefinition): Promise<LogPosition | undefined> {
    const destination = this.#logDestination(container);
    if (destination === undefined) return undefined;
    try {
      return await endOfStream(this.#context.logsReader, destination);
    } catch (error) {
      // Somebody deleted the stream: what comes can't be sent either, which the shipper says.
      this.#context.log.warn({ error: String(error), ...destination }, "a log stream is gone");
      return undefined;
    }
  }

  async #mountVolumes(): Promise<void> {
    const { availabilityZone, definition } = this.#task;
    for (const volume of definition.volumes ?? []) {
      if (volume.efsVolumeConfiguration === undefined) continue;
      await this.#context.volumes.mount({
        directory: this.#directory.volume(volume.name ?? ""),
        pid: this.#pausePid,
        availabilityZone,
        volume,
        credentialsPath: this.#credentialsPath,
      });
    }
  }

  get #credentialsPath(): string {
    return `/v2/credentials/${this.#credentialsId}`;
  }

  /** Images that the engine has are used as they are; others are asked of their registry. */
  async #pullImages(): Promise<void> {
    const { docker } = this.#context;
    this.#report({ pullStartedAtMs: this.#nowMs });
    for (const { image = "" } of this.#task.definition.containerDefinitions ?? []) {
      try {
        await docker.getImage(image).inspect();
        continue;
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode !== 404) throw error;
      }
      try {
        const progress = await docker.pull(image);
        await new Promise<void>((resolve, reject) => {
          docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
        });
      } catch (error) {
        throw new StartFailed(
          "CannotPullContainerError: pull image manifest has been retried 1 time(s): " +
            `failed to resolve ref ${image}: ${(error as Error).message}`,
        );
      }
    }
    this.#report({ pullStoppedAtMs: this.#nowMs });
  }

  async #startContainer(
    definition: ContainerDefinition,
    shipper: LogShipper | undefined,
  ): Promise<void> {
    const { docker, random } = this.#context;
    const task = this.#task;
    const name = definition.name!;
    const digits = Number.parseInt(randomHex(random, 8), 16).toString().padStart(10, "0");
    const runtimeId = `${task.taskId}-${digits.slice(-10)}`;
    const hasRole = (task.overrides.taskRoleArn ?? task.definition.taskRoleArn) !== undefined;
    const settings = containerSettings({
      task,
      container: definition,
      labels: { ...this.#labels(name), [label.metadata]: runtimeId },
      pauseContainer: `mooring-${task.taskId.slice(0, 12)}-pause`,
      credentialsPath: hasRole ? this.#credentialsPath : undefined,
      metadataKey: runtimeId,
      volumeDirectory: (volume) => this.#directory.volume(volume),
    });
    this.#metadataKeys.set(name, runtimeId);
    const container = await docker.createContainer(settings);
    const { Image } = await container.inspect();
    try {
      await container.start();
    } catch (error) {
      const reason = `CannotStartContainerError: ${(error as Error).message}`;
      this.#report({ containers: [{ name, lastStatus: "STOPPED", runtimeId, reason }] });
      throw new StartFailed(reason);
    }
    const started = { name, lastStatus: "RUNNING" as const, runtimeId, imageDigest: Image };
    this.#report({ containers: [started] });
    this.#follow(definition, container, shipper);
  }

  #follow(
    definition: ContainerDefinition,
    container: Docker.Container,
    shipper: LogShipper | undefined,
  ): void {
    const shipped = shipper && this.#ship(container, definition, shipper);
    const ended = this.#exitOf(definition.name!, container, shipped);
    const essential = definition.essential ?? true;
    this.#running.push({ name: definition.name!, essential, container, ended });
  }

  async #exitOf(
    name: string,
    container: Docker.Container,
    shipped: Promise<void> | undefined,
  ): Promise<number> {
    await container.wait();
    const { State } = await container.inspect();
    const reason = State.OOMKilled
      ? { reason: "OutOfMemoryError: Container killed due to memory usage" }
      : {};
    const exitCode = State.ExitCode;
    this.#report({ containers: [{ name, lastStatus: "STOPPED", exitCode, ...reason }] });
    await shipped;
    return exitCode;
  }

  /** Follows the output and, as engines end that early, reads once more what was written last. */
  async #ship(
    container: Docker.Container,
    { pseudoTerminal: isTerminal = false }: ContainerDefinition,
    shipper: LogShipper,
  ): Promise<void> {
    for (const isComplete of [false, true]) {
      if (isComplete) await container.wait();
      const output = await container.logs({
        follow: true,
        stdout: true,
        stderr: true,
        timestamps: true,
        since: Math.floor(shipper.position.atMs / 1000),
      });
      await shipper.ship({ bytes: output as unknown as Readable, isTerminal, isComplete });
    }
  }

  async #untilEnd(): Promise<void> {
    const essential = this.#running.filter((each) => each.essential);
    const exited = essential.map((each) => each.ended);
    if (this.#task.desiredStatus === "STOPPED") this.#stopWanted();
    if (exited.length === 0) return;
    const end = await Promise.race([
      this.#stopAsked.then(() => "asked" as const),
      ...exited.map((each) => each.then(() => "exited" as const)),
    ]);
    this.#report({
      status: "DEACTIVATING",
      stoppingAtMs: this.#nowMs,
      ...(end === "exited" && {
        stopCode: "EssentialContainerExited" as const,
        stoppedReason: "Essential container in task exited",
      }),
    });
  }

  #failed(error: unknown): void {
    const isExpected = error instanceof StartFailed || error instanceof VolumeFailed;
    const { taskId } = this.#task;
    if (!isExpected) this.#context.log.error({ error, taskId }, "a task could not be run");
    const message = error instanceof Error ? error.message : String(error);
    const exited = message === "Essential container in task exited";
    this.#report({
      stopCode: exited ? "EssentialContainerExited" : "TaskFailedToStart",
      stoppedReason: isExpected ? message : `CannotStartContainerError: ${message}`,
      stoppingAtMs: this.#nowMs,
    });
  }

  /** SIGTERM and, after the time that the definition gives, SIGKILL; then everything goes. */
  async #cleanUp(): Promise<void> {
    const { volumes, endpoint, feed, log } = this.#context;
    this.#report({ status: "STOPPING" });
    await Promise.all(this.#running.map((each) => this.#stopContainer(each)));
    const now = this.#nowMs;
    this.#report({ status: "DEPROVISIONING", executionStoppedAtMs: now });
    for (;;) {
      try {
        // The pause container last: the mounts use its network to say goodbye to the server.
        await this.#removeContainers((name) => name !== pauseName);
        for (const directory of this.#mountPoints()) await volumes.unmount(directory);
        await this.#removeContainers();
        this.#removeOwnVolumes();
        break;
      } catch (error) {
        log.warn({ error, taskId: this.#task.taskId }, "a task's remains can't be removed yet");
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
    this.#directory.remove();
    endpoint.forget(this.#credentialsId);
    feed.report(this.#task.taskId, { status: "STOPPED", stoppedAtMs: this.#nowMs });
  }

  /** Where the task's file systems are mounted. */
  #mountPoints(): string[] {
    return (this.#task.definition.volumes ?? [])
      .filter(({ efsVolumeConfiguration }) => efsVolumeConfiguration !== undefined)
      .map(({ name = "" }) => this.#directory.volume(name));
  }

  #removeOwnVolumes(): void {
    for (const { name = "", efsVolumeConfiguration } of this.#task.definition.volumes ?? []) {
      if (efsVolumeConfiguration === undefined) this.#directory.removeVolume(name);
    }
  }

  async #stopContainer({ name, container, ended }: RunningContainer): Promise<void> {
    const definition = this.#task.definition.containerDefinitions?.find(
      (each) => each.name === name,
    );
    try {
      await container.stop({ t: definition?.stopTimeout ?? stopTimeoutSeconds });
    } catch (error) {
      const { statusCode } = error as { statusCode?: number };
      // 304: it has stopped already; 404: it is gone.
      if (statusCode !== 304 && statusCode !== 404) throw error;
      if (statusCode === 404) return;
    }
    await ended;
  }

  async #removeContainers(wanted: (name: string) => boolean = () => true): Promise<void> {
    for (const { Id, Labels } of await this.#containers()) {
      if (!wanted(Labels[label.container] ?? "")) continue;
      await this.#context.docker.getContainer(Id).remove({ force: true });
    }
  }

  #containers(): Promise<Docker.ContainerInfo[]> {
    const wanted = [
      `${label.instance}=${this.#context.dataDirectory}`,
      `${label.task}=${this.#task.taskId}`,
    ];
    return this.#context.docker.listContainers({ all: true, filters: { label: wanted } });
  }

  #labels(name: string): Record<string, string> {
    return {
      [label.instance]: this.#context.dataDirectory,
      [label.task]: this.#task.taskId,
      [label.container]: name,
    };
  }
}

/** Those that others depend on first; registration refused cycles to unknown ones only. */
function inStartOrder(definitions: readonly ContainerDefinition[]): ContainerDefinition[] {
  const ordered: ContainerDefinition[] = [];
  const visit = (definition: ContainerDefinition, above: readonly string[]): void => {
    if (ordered.includes(definition) || above.includes(definition.name!)) return;
    for (const { containerName } of definition.dependsOn ?? []) {
      const needed = definitions.find(({ name }) => name === containerName);
      if (needed !== undefined) visit(needed, [...above, definition.name!]);
    }
    ordered.push(definition);
  };
  for (const definition of definitions) visit(definition, []);
  return ordered;
}
