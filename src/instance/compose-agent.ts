import { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import Docker from "dockerode";

import { Agent } from "../agent/agent.ts";
import type { BridgeNetwork } from "../agent/docker/bridge-network.ts";
import { ensurePauseImage } from "../agent/docker/pause-image.ts";
import { credentialSeconds } from "../agent/limits.ts";
import { TaskEndpoint } from "../agent/task-endpoint.ts";
import type { AssignedTask, TaskFeed } from "../agent/task-feed.ts";
import { VolumeMounts } from "../agent/volume-mounts.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { UserError } from "../cli/user-error.ts";
import type { Credential } from "../cloud/contracts/identities.ts";
import type { FileSystems } from "../cloud/efs/file-systems.ts";
import type { IdentityStore } from "../cloud/iam/identity-store.ts";
import type { Configuration } from "./configuration.ts";

export interface AgentParts {
  readonly configuration: Configuration;
  readonly dataDirectory: string;
  /** The script that `moor` runs. */
  readonly entry: string;
  readonly dnsSuffix: string;
  readonly docker: Docker;
  readonly network: BridgeNetwork;
  readonly feed: TaskFeed;
  readonly identities: IdentityStore;
  readonly fileSystems: FileSystems;
  readonly endpoint: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const logsCredentialSeconds = 3600;

/** The agent with everything that it needs of the other rooms. */
export async function startAgent(parts: AgentParts): Promise<{ close: () => Promise<void> }> {
  const { configuration, identities, docker, network, clock, log } = parts;
  await ensurePauseImage(docker);
  const assume = (roleArn: string, taskId: string, durationSeconds: number): Credential =>
    identities.assumeRole({
      roleArn,
      sessionName: taskId,
      durationSeconds,
      by: { kind: "service", service: "ecs-tasks.amazonaws.com" },
    });
  const endpoint = new TaskEndpoint({
    assume: (roleArn, taskId) => assume(roleArn, taskId, credentialSeconds),
    nowMs: () => clock.nowMs(),
    log,
  });
  const port = await endpoint.listen(network.gateway, 0);
  const agent = new Agent({
    docker,
    feed: parts.feed,
    endpoint,
    volumes: volumeMounts(parts),
    clock,
    random: parts.random,
    log,
    dataDirectory: parts.dataDirectory,
    networkName: network.name,
    endpointAddress: network.gateway,
    endpointPort: () => port,
    logsFor: (task) => logsClient(parts, task, assume),
    logsReader: new CloudWatchLogs({
      endpoint: parts.endpoint,
      region: configuration.region,
      credentials: identities.rootKey(),
    }),
  });
  await agent.start();
  return {
    close: async () => {
      agent.close();
      await endpoint.close();
    },
  };

  function volumeMounts({ entry, fileSystems, dnsSuffix }: AgentParts): VolumeMounts {
    return new VolumeMounts({
      moor: [process.execPath, entry],
      dataDirectory: parts.dataDirectory,
      nfsPort: configuration.nfsPort,
      dnsSuffix,
      region: configuration.region,
      mountTarget: (fileSystemId, zone) =>
        fileSystems.targetsOf(fileSystemId).find((target) => target.availabilityZone === zone)
          ?.address,
    });
  }
}

/** Logs are written by the execution role, as on Fargate (facts §3.8). */
function logsClient(
  { configuration, endpoint }: AgentParts,
  task: AssignedTask,
  assume: (roleArn: string, taskId: string, durationSeconds: number) => Credential,
): CloudWatchLogs {
  const role = task.overrides.executionRoleArn ?? task.definition.executionRoleArn ?? "";
  return new CloudWatchLogs({
    endpoint,
    region: configuration.region,
    maxAttempts: 3,
    credentials: async () => {
      const { accessKeyId, secretAccessKey, sessionToken, expiresAtMs } = assume(
        role,
        task.taskId,
        logsCredentialSeconds,
      );
      return {
        accessKeyId,
        secretAccessKey,
        ...(sessionToken !== undefined && { sessionToken }),
        expiration: new Date(expiresAtMs ?? 0),
      };
    },
  });
}

/** The container engine, or a sentence that says what to install. */
export async function findContainerEngine(): Promise<Docker> {
  const docker = new Docker();
  try {
    await docker.ping();
    return docker;
  } catch (error) {
    throw new UserError(
      `No container engine answers (${(error as Error).message}). Install and start Docker ` +
        "(Debian: apt install docker.io), or start with --network loopback to have file systems " +
        "and no tasks.",
    );
  }
}
