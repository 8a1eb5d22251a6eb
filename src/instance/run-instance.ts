import { readFileSync } from "node:fs";
import { pino } from "pino";

import { BridgeNetwork } from "../agent/docker/bridge-network.ts";
import { LoopbackNetwork } from "../agent/loopback-network.ts";
import { SystemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { SystemRandom } from "../base/random.ts";
import type { UpOptions } from "../cli/commands/up.ts";
import { type Session, sessionFileName } from "../cli/session.ts";
import type { Service } from "../cloud/contracts/service.ts";
import { ec2Service } from "../cloud/ec2/ec2-service.ts";
import { VpcNetwork } from "../cloud/ec2/vpc-network.ts";
import { ecsService } from "../cloud/ecs/ecs-service.ts";
import { Connections } from "../cloud/efs/connections.ts";
import { EfsAdmission } from "../cloud/efs/efs-admission.ts";
import { efsService } from "../cloud/efs/efs-service.ts";
import { FileSystems } from "../cloud/efs/file-systems.ts";
import { Gateway } from "../cloud/gateway/gateway.ts";
import type { HttpAnswer } from "../cloud/gateway/protocols.ts";
import { IamService } from "../cloud/iam/iam-service.ts";
import { IdentityStore } from "../cloud/iam/identity-store.ts";
import { logsService } from "../cloud/logs/logs-service.ts";
import { mooringService } from "../cloud/mooring/mooring-service.ts";
import { stsService } from "../cloud/sts/sts-service.ts";
import { NfsServer } from "../nfs/server/nfs-server.ts";
import { LmdbStore } from "../store/lmdb/lmdb-store.ts";
import { findContainerEngine, startAgent } from "./compose-agent.ts";
import { type Configuration, readConfiguration } from "./configuration.ts";
import { DataDirectory } from "./data-directory.ts";
import { LocalFileSystems } from "./file-system-opener.ts";
import { MountTargetServers } from "./mount-target-servers.ts";
import { StoredClientRecords } from "./stored-client-records.ts";

const dnsSuffix = "amazonaws.com";

/** Composes all rooms, and runs until SIGINT or SIGTERM. `entry` is the script of `moor`. */
export async function runInstance(options: UpOptions, entry: string): Promise<void> {
  const configuration = readConfiguration(options);
  const directory = new DataDirectory(configuration.dataDirectory);
  directory.lock();
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  let close: () => Promise<void>;
  try {
    close = await start(configuration, directory, entry);
  } catch (error) {
    directory.unlock();
    throw error;
  }
  await stopped;
  await close();
  directory.unlock();
  // Idle connections of the SDK's clients would hold the process for a while.
  process.exit(0);
}

async function start(
  configuration: Configuration,
  directory: DataDirectory,
  entry: string,
): Promise<() => Promise<void>> {
  const docker = configuration.network === "docker" ? await findContainerEngine() : undefined;
  const log = pino({ level: configuration.logLevel, base: null });
  const cloud = composeCloud(configuration, directory, log);
  const { fileSystems, network, clock, random } = cloud;
  const bridge = docker && new BridgeNetwork(docker, network.defaultVpc.cidrBlock, directory.path);
  const hostNetwork = bridge ?? new LoopbackNetwork();
  await hostNetwork.open();
  const server = nfsServer(cloud, configuration, directory, log);
  const targets = new MountTargetServers(
    fileSystems,
    hostNetwork,
    server,
    configuration.nfsPort,
    log,
  );
  await targets.start();
  const port = await cloud.gateway.listen(configuration.host, configuration.port);
  const endpoint = `http://${configuration.host}:${port}`;
  directory.writeJson(sessionFileName, sessionOf(cloud, configuration, directory, endpoint));
  const parts = { ...cloud, configuration, entry, dnsSuffix, endpoint, log };
  const agent =
    docker &&
    bridge &&
    (await startAgent({
      ...parts,
      dataDirectory: directory.path,
      docker,
      network: bridge,
      feed: cloud.tasks,
      clock,
      random,
    }));
  process.stderr.write(`Mooring answers at ${endpoint}; \`moor env\` prints the settings.\n`);
  return async () => {
    await agent?.close();
    await cloud.gateway.close();
    await server.close();
    await hostNetwork.close();
    await cloud.opener.close();
    await cloud.store.close();
  };
}

type Cloud = ReturnType<typeof composeCloud>;

/** The services and their records, behind one gateway. */
function composeCloud(
  { region, accountId, vpcCidr }: Configuration,
  directory: DataDirectory,
  log: Log,
) {
  const clock = new SystemClock();
  const random = new SystemRandom();
  const store = new LmdbStore({ directory: directory.controlStore, clock });
  const identities = new IdentityStore({ store, clock, random, accountId });
  const network = new VpcNetwork({ store, random, region, cidrBlock: vpcCidr });
  const opener = new LocalFileSystems(directory, clock, random);
  const fileSystems = new FileSystems(store, opener);
  const connections = new Connections();
  const { service: ecs, tasks } = ecsService({ store, network, identities, clock, random });
  const services: Service[] = [
    ecs,
    efsService({ fileSystems, network, random }),
    ec2Service(network),
    new IamService(identities, clock, accountId).service(),
    stsService(identities),
    logsService(store),
    mooringService(connections),
  ];
  const gateway = new Gateway({
    services,
    identities,
    routes: routes(directory),
    durable: () => new Promise((resolve) => store.whenDurable(store.applied, resolve)),
    clock,
    random,
    log,
    region,
    accountId,
  });
  return {
    clock,
    random,
    store,
    identities,
    network,
    opener,
    fileSystems,
    connections,
    tasks,
    gateway,
  };
}

function nfsServer(
  cloud: Cloud,
  { region, accountId }: Configuration,
  directory: DataDirectory,
  log: Log,
): NfsServer {
  const { clock, random, store } = cloud;
  const names = [`*.efs.${region}.${dnsSuffix}`, `*.*.efs.${region}.${dnsSuffix}`];
  return new NfsServer({
    admission: new EfsAdmission({ ...cloud, log, region, accountId }),
    records: new StoredClientRecords(store),
    clock,
    random,
    log,
    tls: directory.serverCertificate(names, clock.nowMs()),
  });
}

function sessionOf(
  { identities }: Cloud,
  { region, accountId }: Configuration,
  directory: DataDirectory,
  endpoint: string,
): Session {
  const { accessKeyId, secretAccessKey } = identities.rootKey();
  const caFile = directory.authorityFile;
  return { endpoint, region, accountId, accessKeyId, secretAccessKey, caFile };
}

function routes(directory: DataDirectory): Record<string, () => HttpAnswer> {
  const plain = (type: string, body: () => string) => (): HttpAnswer => ({
    status: 200,
    headers: { "content-type": type },
    body: body(),
  });
  return {
    "/_mooring/health": plain("application/json", () => '{"status":"ok"}'),
    "/_mooring/ca.pem": plain("application/x-pem-file", () =>
      readFileSync(directory.authorityFile, "utf8"),
    ),
  };
}
