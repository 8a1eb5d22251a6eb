import type { TaskDefinition, TaskOverride } from "@aws-sdk/client-ecs";

/**
 * What the agent is told to run, and where it reports. Implemented by `cloud/ecs`, handed over by
 * `main`. Level-triggered: the agent compares `tasks()` with what is there, on every change and
 * after a restart, and brings the two together.
 */
export interface TaskFeed {
  /** Every task that hasn't reached STOPPED yet. */
  tasks(): readonly AssignedTask[];
  /** Calls back after tasks came or their desired status changed; returns how to stop it. */
  onChange(call: () => void): () => void;
  /** What happened, as soon as it did. Reporting the same twice is harmless. */
  report(taskId: string, report: TaskReport): void;
}

export interface AssignedTask {
  readonly taskId: string;
  readonly taskArn: string;
  readonly clusterArn: string;
  readonly desiredStatus: "RUNNING" | "STOPPED";
  /** The furthest status reported so far. */
  readonly lastStatus: TaskStatus;
  readonly definition: TaskDefinition;
  readonly overrides: TaskOverride;
  readonly availabilityZone: string;
  readonly interface: {
    readonly networkInterfaceId: string;
    readonly address: string;
    readonly macAddress: string;
    readonly subnetCidrBlock: string;
    readonly privateDnsName: string;
    readonly vpcId: string;
  };
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  readonly launchType: string;
  readonly group: string;
}

/** In the order of life (facts §3.4). */
export type TaskStatus =
  | "PROVISIONING"
  | "PENDING"
  | "ACTIVATING"
  | "RUNNING"
  | "DEACTIVATING"
  | "STOPPING"
  | "DEPROVISIONING"
  | "STOPPED";

/** Only what changed; times in milliseconds since 1970. */
export interface TaskReport {
  readonly status?: TaskStatus;
  readonly connectivityAtMs?: number;
  readonly pullStartedAtMs?: number;
  readonly pullStoppedAtMs?: number;
  readonly startedAtMs?: number;
  readonly stoppingAtMs?: number;
  readonly executionStoppedAtMs?: number;
  readonly stoppedAtMs?: number;
  /** The first one given stays. */
  readonly stopCode?: "TaskFailedToStart" | "EssentialContainerExited";
  readonly stoppedReason?: string;
  readonly containers?: readonly ContainerReport[];
}

export interface ContainerReport {
  readonly name: string;
  readonly lastStatus: "PENDING" | "RUNNING" | "STOPPED";
  /** `<task id>-<10 digits>`. */
  readonly runtimeId?: string;
  readonly imageDigest?: string;
  readonly exitCode?: number;
  readonly reason?: string;
  readonly healthStatus?: "HEALTHY" | "UNHEALTHY" | "UNKNOWN";
}
