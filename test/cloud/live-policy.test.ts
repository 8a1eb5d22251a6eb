// Rules that change while a client is connected: the next request meets the new ones, on the same
// connection, and what changed is on record.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { type ConnectionEvent, listConnections } from "../../src/cli/mooring-api.ts";
import { NfsError } from "../../src/nfs/client/nfs-error.ts";
import { Status } from "../../src/wire/nfs4/status.ts";
import { allowing, Clients, trusting } from "../support/clients.ts";
import { eventually } from "../support/eventually.ts";
import { Instance } from "../support/instance.ts";
import { MountCertificates } from "../support/mount-certificates.ts";
import { makeMountTarget, type MountTarget } from "../support/mount-target.ts";
import { rootUser } from "../support/nfs.ts";
import { TlsClient } from "../support/tls-client.ts";

const certificates = new MountCertificates();
const everyRight = ["ClientMount", "ClientWrite", "ClientRootAccess"];
const actionsOf = (rights: readonly string[]): string[] =>
  rights.map((right) => `elasticfilesystem:${right}`);

let instance: Instance;
let root: Clients;
let target: MountTarget;
const clients: TlsClient[] = [];

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
});
beforeEach(async () => {
  target = await makeMountTarget(root);
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
});
after(() => instance?.end());

test("a file system policy that changes acts on a connection that exists", async () => {
  const { client, directory } = await connected({});
  await setPolicy(everyRight);
  await makeFile(client, directory, "allowed");
  await setPolicy(["ClientMount", "ClientRootAccess"]);
  await refused(makeFile(client, directory, "read only"), Status.ROFS);
  await client.nfs.names.lookup(rootUser, directory, "allowed");
  await setPolicy(["ClientWrite"]);
  await refused(client.nfs.names.lookup(rootUser, directory, "allowed"), Status.ACCESS);
  await root.efs.deleteFileSystemPolicy({ FileSystemId: target.fileSystemId });
  await makeFile(client, directory, "allowed again");
  assert.equal(client.connections, 1);
  const [fresh, ...updates] = await recorded();
  assert.equal(fresh!.event, "NewClientConnection");
  assert.deepEqual(fresh!.permissions, permissions(...everyRight));
  assert.deepEqual(
    updates.map(({ event, permissions: given }) => [event, given]),
    [
      ["UpdateClientConnection", permissions("ClientMount", "ClientRootAccess")],
      ["UpdateClientConnection", permissions("ClientWrite")],
      ["UpdateClientConnection", permissions(...everyRight)],
    ],
  );
});

test("an access point that is deleted ends what its connections may do", async () => {
  const { AccessPointId } = await root.efs.createAccessPoint({
    FileSystemId: target.fileSystemId,
    RootDirectory: {
      Path: "/point",
      CreationInfo: { OwnerUid: 7, OwnerGid: 7, Permissions: "777" },
    },
  });
  const { client, directory } = await connected({ accessPointId: AccessPointId });
  const other = await connected({});
  await makeFile(client, directory, "allowed");
  await root.efs.deleteAccessPoint({ AccessPointId });
  await refused(client.nfs.names.lookup(rootUser, directory, "allowed"), Status.ACCESS);
  await makeFile(other.client, other.directory, "the others go on");
  assert.equal(client.connections, 1);
  const last = (await recorded()).at(-1)!;
  assert.equal(last.event, "UpdateClientConnection");
  assert.deepEqual(last.permissions, permissions());
  assert.equal(last.accessPointId, AccessPointId);
  assert.equal(last.reason, `the access point ${AccessPointId} does not exist`);
});

test("a role's policies, and the role itself, act on the connections of its sessions", async () => {
  await closeToAnonymous();
  const roleName = `role-${target.fileSystemId}`;
  const { Role } = await root.iam.createRole({
    RoleName: roleName,
    AssumeRolePolicyDocument: trusting({ AWS: "*" }),
  });
  const own = { RoleName: roleName, PolicyName: "own" };
  const set = (rights: readonly string[]): Promise<unknown> =>
    root.iam.putRolePolicy({ ...own, PolicyDocument: allowing(actionsOf(rights)) });
  await set(everyRight);
  const { Credentials } = await root.sts.assumeRole({
    RoleArn: Role?.Arn,
    RoleSessionName: "live",
  });
  const credentials = {
    accessKeyId: Credentials!.AccessKeyId!,
    secretAccessKey: Credentials!.SecretAccessKey!,
    sessionToken: Credentials!.SessionToken!,
  };
  const { client, directory } = await connected({ credentials });
  await makeFile(client, directory, "allowed");
  const lookUp = () => client.nfs.names.lookup(rootUser, directory, "allowed");
  await set(["ClientMount"]);
  await refused(makeFile(client, directory, "read only"), Status.ROFS);
  await root.iam.deleteRolePolicy(own);
  await refused(lookUp(), Status.ACCESS);
  await set(["ClientMount"]);
  await lookUp();
  await root.iam.deleteRolePolicy(own);
  await root.iam.deleteRole({ RoleName: roleName });
  await refused(lookUp(), Status.ACCESS);
  assert.equal(client.connections, 1);
  const given = (await recorded()).map(({ permissions: each }) => each);
  assert.deepEqual(given, [
    permissions(...everyRight),
    permissions("ClientMount"),
    permissions(),
    permissions("ClientMount"),
    permissions(),
  ]);
});

test("a user's policies and keys act on the connections that were made with them", async () => {
  await closeToAnonymous();
  const UserName = `user-${target.fileSystemId}`;
  await root.iam.createUser({ UserName });
  const PolicyDocument = allowing(actionsOf(everyRight));
  await root.iam.putUserPolicy({ UserName, PolicyName: "own", PolicyDocument });
  const { AccessKey } = await root.iam.createAccessKey({ UserName });
  const credentials = {
    accessKeyId: AccessKey!.AccessKeyId!,
    secretAccessKey: AccessKey!.SecretAccessKey!,
    sessionToken: undefined,
  };
  const { client, directory } = await connected({ credentials });
  await makeFile(client, directory, "allowed");
  await root.iam.deleteAccessKey({ UserName, AccessKeyId: credentials.accessKeyId });
  await refused(client.nfs.names.lookup(rootUser, directory, "allowed"), Status.ACCESS);
  const last = (await recorded()).at(-1)!;
  assert.match(last.reason!, /access key \w+ is not known any more/);
  assert.equal(client.connections, 1);
});

test("a security group that closes cuts connections, and lets them back when it opens", async () => {
  const { GroupId } = await root.ec2.createSecurityGroup({
    GroupName: target.fileSystemId,
    Description: "NFS",
  });
  const rule = {
    GroupId,
    IpPermissions: [
      { IpProtocol: "tcp", FromPort: 2049, ToPort: 2049, IpRanges: [{ CidrIp: "127.0.0.0/8" }] },
    ],
  };
  await root.ec2.authorizeSecurityGroupIngress(rule);
  const { MountTargets } = await root.efs.describeMountTargets({
    FileSystemId: target.fileSystemId,
  });
  const { MountTargetId } = MountTargets![0]!;
  const { client, directory } = await connected({});
  await root.efs.modifyMountTargetSecurityGroups({ MountTargetId, SecurityGroups: [GroupId!] });
  await makeFile(client, directory, "allowed");
  assert.equal(client.connections, 1);
  await root.ec2.revokeSecurityGroupIngress(rule);
  await eventually("a connection that was refused", async () =>
    (await recorded()).some(({ event }) => event === "Refused"),
  );
  await root.ec2.authorizeSecurityGroupIngress(rule);
  await makeFile(client, directory, "allowed again");
  assert.equal(client.connections, 2);
  const events = (await recorded()).map(({ event }) => event);
  assert.deepEqual([events[0], events.at(-1)], ["NewClientConnection", "NewClientConnection"]);
  const { blocked } = (await recorded()).find(({ event }) => event === "Refused")!;
  assert.deepEqual(blocked, { direction: "ingress", securityGroupIds: [GroupId] });
});

test("moor connections tells events as CloudTrail does, and with --open who is there now", async () => {
  const { client } = await connected({});
  await setPolicy(["ClientMount"]);
  const list = async (...args: readonly string[]): Promise<TrailEvent[]> => {
    const { stdout } = await instance.moor.command(["connections", "--json", ...args]);
    const events = JSON.parse(stdout) as TrailEvent[];
    return events.filter(({ resources }) => resources?.[0]?.ARN.endsWith(target.fileSystemId));
  };
  const [fresh, update, ...more] = await list();
  assert.deepEqual(more, []);
  const { region } = root.session;
  const accountId = fresh!.resources![0]!.accountId;
  assert.partialDeepStrictEqual(fresh, {
    eventSource: "elasticfilesystem.amazonaws.com",
    eventName: "NewClientConnection",
    eventType: "AwsServiceEvent",
    readOnly: true,
    awsRegion: region,
    recipientAccountId: accountId,
    resources: [
      {
        accountId,
        type: "AWS::EFS::FileSystem",
        ARN: `arn:aws:elasticfilesystem:${region}:${accountId}:file-system/${target.fileSystemId}`,
      },
    ],
    serviceEventDetails: {
      permissions: permissions(...everyRight),
      sourceIpAddress: "127.0.0.1",
    },
  });
  assert.match(fresh!.eventTime, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(update!.eventName, "UpdateClientConnection");
  assert.deepEqual(update!.serviceEventDetails.permissions, permissions("ClientMount"));
  assert.deepEqual(await list("--open"), [update]);
  const { stdout } = await instance.moor.command(["connections", "--open"]);
  assert.match(stdout, new RegExp(`UpdateClientConnection .*${target.fileSystemId} .* read$`, "m"));
  client.nfs.close();
  await eventually("no open connection", async () => (await list("--open")).length === 0);
});

interface TrailEvent {
  readonly eventTime: string;
  readonly eventName: string;
  readonly resources?: readonly { readonly accountId: string; readonly ARN: string }[];
  readonly serviceEventDetails: { readonly permissions: object };
}

interface CertificateWanted {
  readonly accessPointId?: string | undefined;
  readonly credentials?: Parameters<MountCertificates["make"]>[1] extends
    | { readonly credentials?: infer C }
    | undefined
    ? C
    : never;
}

/** A client with a connection, and the directory that it mounted. */
async function connected(wanted: CertificateWanted) {
  const make = (): string => certificates.make(target.fileSystemId, wanted);
  const client = new TlsClient(instance, target, certificates.keyPem, make);
  clients.push(client);
  const { handle } = await client.nfs.connect(rootUser, "/");
  return { client, directory: handle };
}

async function makeFile(client: TlsClient, directory: Uint8Array, name: string): Promise<void> {
  await client.nfs.names.create(rootUser, directory, name, "directory", 0o755);
}

async function refused(request: Promise<unknown>, status: number): Promise<void> {
  await assert.rejects(request, (error: unknown) => {
    assert.ok(error instanceof NfsError, String(error));
    assert.equal(error.status, status);
    return true;
  });
}

function setPolicy(rights: readonly string[]): Promise<unknown> {
  const statement = { Effect: "Allow", Principal: { AWS: "*" }, Action: actionsOf(rights) };
  return root.efs.putFileSystemPolicy({
    FileSystemId: target.fileSystemId,
    Policy: JSON.stringify({ Version: "2012-10-17", Statement: [statement] }),
  });
}

/** Only who has permissions of their own may do anything. */
function closeToAnonymous(): Promise<unknown> {
  const statement = { Effect: "Deny", Principal: { AWS: "*" }, Action: "elasticfilesystem:Backup" };
  return root.efs.putFileSystemPolicy({
    FileSystemId: target.fileSystemId,
    Policy: JSON.stringify({ Version: "2012-10-17", Statement: [statement] }),
  });
}

function permissions(...granted: readonly string[]): object {
  return Object.fromEntries(everyRight.map((right) => [right, granted.includes(right)]));
}

/** What is on record of the file system's connections, the newest last. */
async function recorded(): Promise<ConnectionEvent[]> {
  const events = await listConnections(root.session);
  return events.filter(({ fileSystemId }) => fileSystemId === target.fileSystemId);
}
