import { Command } from "commander";

import { CommandContext } from "../context.ts";
import { type ConnectionEvent, listConnections } from "../mooring-api.ts";
import { columns } from "../output.ts";

export function connectionsCommand(environment: NodeJS.ProcessEnv): Command {
  return new Command("connections")
    .description("list the latest events of connections to mount targets, with what each may do")
    .option("--open", "the connections that are open now, with the latest event of each")
    .action(async ({ open }: { open?: boolean }, command: Command) => {
      const { output, session } = new CommandContext(command, environment);
      const events = await listConnections(session, open ? "open" : "connections");
      output.data(events.map(trailEvent), () => columns([heading, ...events.map(row)]));
    });
}

const heading = ["TIME", "EVENT", "FROM", "FILE SYSTEM", "ACCESS POINT", "WHO", "MAY", "REASON"];

function row(connection: ConnectionEvent): string[] {
  const { atMs, event, sourceAddress, fileSystemId, accessPointId, principal, reason } = connection;
  return [
    new Date(atMs).toISOString(),
    event,
    sourceAddress,
    fileSystemId ?? "-",
    accessPointId ?? "-",
    principal,
    may(connection.permissions),
    reason ?? "",
  ];
}

function may(permissions: ConnectionEvent["permissions"]): string {
  const words = [
    ["ClientMount", "read"],
    ["ClientWrite", "write"],
    ["ClientRootAccess", "root"],
  ] as const;
  const granted = words.filter(([name]) => permissions[name]).map(([, word]) => word);
  return granted.join(",") || "nothing";
}

/** As CloudTrail tells it (facts §2.2), with what Mooring knows besides under "mooring". */
function trailEvent(connection: ConnectionEvent): object {
  const { atMs, event, sourceAddress, principal, permissions, fileSystemArn, ...more } = connection;
  const [, , , region, accountId] = fileSystemArn?.split(":") ?? [];
  return {
    eventTime: new Date(atMs).toISOString(),
    eventSource: "elasticfilesystem.amazonaws.com",
    eventName: event,
    eventType: "AwsServiceEvent",
    readOnly: true,
    awsRegion: region,
    recipientAccountId: accountId,
    userIdentity:
      principal === "*" ? { type: "AWSAccount", principalId: "anonymous" } : identityOf(principal),
    resources: fileSystemArn && [{ accountId, type: "AWS::EFS::FileSystem", ARN: fileSystemArn }],
    serviceEventDetails: { permissions, sourceIpAddress: sourceAddress },
    mooring: more,
  };
}

function identityOf(arn: string): object {
  const [, , , , accountId, resource = ""] = arn.split(":");
  const kinds: Readonly<Record<string, string>> = {
    "assumed-role": "AssumedRole",
    user: "IAMUser",
    root: "Root",
  };
  return { type: kinds[resource.split("/")[0]!] ?? "Unknown", arn, accountId };
}
