// Why a task didn't start, from what is known about it: a pure function over facts.
import type { Task, TaskDefinition } from "@aws-sdk/client-ecs";

/** A connection to a mount target, as Mooring recorded it. */
export interface KnownConnection {
  readonly atMs: number;
  readonly sourceAddress: string;
  readonly mountTargetAddress: string;
  readonly fileSystemId?: string;
  readonly principal: string;
  readonly reason?: string;
  readonly blocked?: { readonly direction: string; readonly securityGroupIds: readonly string[] };
}

export interface ExplainFacts {
  readonly task: Task;
  readonly definition: TaskDefinition;
  /** All that are known, the newest last. */
  readonly connections: readonly KnownConnection[];
}

export interface Explanation {
  readonly cause: string;
  readonly fix: string;
}

/** Undefined where nothing is wrong with the task. */
export function explain(facts: ExplainFacts): Explanation | undefined {
  const { stoppedReason, stopCode, lastStatus } = facts.task;
  if (stoppedReason === undefined && lastStatus !== "STOPPED") return undefined;
  if (stopCode === "UserInitiated") {
    return { cause: `somebody stopped it: ${stoppedReason}`, fix: "run it again" };
  }
  const reason = stoppedReason ?? "";
  for (const [pattern, find] of explanations) {
    const found = pattern.exec(reason);
    if (found !== null) return find(facts, found);
  }
  return {
    cause: reason || "the task stopped and left no reason",
    fix: "read `moor logs` of the task and the log of `moor up`",
  };
}

type Find = (facts: ExplainFacts, found: RegExpExecArray) => Explanation;

const explanations: readonly [RegExp, Find][] = [
  [/access denied by server/, accessDenied],
  [/mount\.nfs4: Connection timed out/, timedOut],
  [/mounting \S+:(\S+) failed, reason given by server: No such file/, noSuchDirectory],
  [/Failed to resolve "(fs-[0-9a-f]+)/, noMountTarget],
  [/mount\.nfs4: Connection (refused|reset)/, notServed],
  [/failed to validate logger args.*log group does not exist/, noLogGroup],
  [/CannotPullContainerError.*failed to resolve ref (\S+):/, noImage],
  [/Essential container in task exited/, containerExited],
];

function accessDenied(facts: ExplainFacts): Explanation {
  const connection = lastOf(facts, ({ reason }) => reason !== undefined);
  const role = facts.definition.taskRoleArn ?? "the task's role";
  const fileSystem = connection?.fileSystemId ?? "the file system";
  if (connection?.reason !== undefined && !connection.reason.includes("ClientMount")) {
    return {
      cause: connection.reason,
      fix: "correct the volume's authorizationConfig in the task definition",
    };
  }
  return {
    cause: connection?.reason ?? `${role} may not mount ${fileSystem}`,
    fix:
      `allow elasticfilesystem:ClientMount (and ClientWrite, to write) on ${fileSystem} in a ` +
      `policy of ${role}, or in the file system's policy`,
  };
}

function timedOut(facts: ExplainFacts): Explanation {
  const connection = lastOf(facts, ({ blocked }) => blocked !== undefined);
  if (connection?.blocked === undefined) {
    return {
      cause: "the mount target doesn't answer on TCP 2049",
      fix: "look whether `moor up` runs, and at its log",
    };
  }
  const { direction, securityGroupIds } = connection.blocked;
  const groups = securityGroupIds.join(", ");
  const inbound = direction === "ingress";
  const whose = inbound ? `the mount target ${connection.mountTargetAddress}` : "the task";
  return {
    cause: `no ${inbound ? "inbound" : "outbound"} rule of ${groups}, of ${whose}, lets TCP 2049 through`,
    fix: inbound
      ? `authorize TCP 2049 from the task's security group in ${groups}`
      : `authorize outbound TCP 2049 to the mount target's security group in ${groups}`,
  };
}

function noSuchDirectory({ definition }: ExplainFacts, found: RegExpExecArray): Explanation {
  const path = found[1]!;
  const volume = definition.volumes?.find(
    ({ efsVolumeConfiguration: efs }) =>
      efs?.rootDirectory === path || efs?.authorizationConfig?.accessPointId !== undefined,
  );
  const point = volume?.efsVolumeConfiguration?.authorizationConfig?.accessPointId;
  const where = volume?.efsVolumeConfiguration?.fileSystemId ?? "the file system";
  if (point !== undefined && path === "/") {
    return {
      cause: `the root directory of the access point ${point} does not exist on ${where}`,
      fix: "give the access point CreationInfo, or make the directory",
    };
  }
  return {
    cause: `the directory ${path} (rootDirectory) does not exist on ${where}`,
    fix: `make ${path} there, or use "/" or an access point that makes its own directory`,
  };
}

function noMountTarget({ task }: ExplainFacts, found: RegExpExecArray): Explanation {
  return {
    cause: `${found[1]} has no mount target in ${task.availabilityZone}, where the task runs`,
    fix: `create one in a subnet of ${task.availabilityZone}, or run the task in another zone`,
  };
}

function notServed(_facts: ExplainFacts, found: RegExpExecArray): Explanation {
  return {
    cause: `the connection to the mount target was ${found[1]}`,
    fix: "wait until DescribeMountTargets says available; the log of `moor up` has more",
  };
}

function noLogGroup({ definition }: ExplainFacts): Explanation {
  const groups = (definition.containerDefinitions ?? []).flatMap(({ logConfiguration }) => {
    const group = logConfiguration?.options?.["awslogs-group"];
    return group === undefined ? [] : [group];
  });
  return {
    cause: `the log group ${groups.join(" or ")} does not exist`,
    fix: `create it: aws logs create-log-group --log-group-name ${groups[0]}`,
  };
}

function noImage(_facts: ExplainFacts, found: RegExpExecArray): Explanation {
  return {
    cause: `the container engine has no image ${found[1]} and could not pull it`,
    fix: `build or import it under exactly that name: docker tag <image> ${found[1]}`,
  };
}

function containerExited({ task }: ExplainFacts): Explanation {
  const exited = task.containers?.find(({ exitCode }) => exitCode !== undefined);
  const code = exited?.exitCode === undefined ? "" : ` with code ${exited.exitCode}`;
  return {
    cause: `the essential container ${exited?.name ?? ""} exited${code}`.replace("  ", " "),
    fix: "its own output says why: `moor logs` of this task",
  };
}

/** The newest connection of this task's address that fits. */
function lastOf(
  { task, connections }: ExplainFacts,
  fits: (connection: KnownConnection) => boolean,
): KnownConnection | undefined {
  const details = task.attachments?.flatMap((attachment) => attachment.details ?? []) ?? [];
  const address = details.find(({ name }) => name === "privateIPv4Address")?.value;
  const sinceMs = task.createdAt?.getTime() ?? 0;
  return connections.findLast(
    (connection) =>
      connection.sourceAddress === address && connection.atMs >= sinceMs && fits(connection),
  );
}
