import tls from "node:tls";

import { FakeClock } from "../../src/base/fake-clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { SystemRandom } from "../../src/base/random.ts";
import type { SessionCredential } from "../../src/cloud/contracts/identities.ts";
import { VpcNetwork } from "../../src/cloud/ec2/vpc-network.ts";
import { Connections } from "../../src/cloud/efs/connections.ts";
import { EfsAdmission } from "../../src/cloud/efs/efs-admission.ts";
import { FileSystems } from "../../src/cloud/efs/file-systems.ts";
import { IdentityStore } from "../../src/cloud/iam/identity-store.ts";
import { memoryFileSystem } from "../../src/files/testing.ts";
import { NfsServer } from "../../src/nfs/server/nfs-server.ts";
import { MemoryClientRecords } from "../../src/nfs/server/state/client-records.ts";
import { MemoryStore } from "../../src/store/memory/memory-store.ts";
import { makeAuthority, makeServerCertificate } from "../../src/wire/x509/authority.ts";
import { MountCertificates } from "./mount-certificates.ts";

const accountId = "123456789012";
const region = "us-east-1";
const roleArn = `arn:aws:iam::${accountId}:role/app`;

/** The NFS server with EFS's admission, a file system in memory and a clock that tests move. */
export class InProcessEfs {
  readonly clock = new FakeClock();
  readonly connections = new Connections();
  readonly certificates = new MountCertificates();
  readonly fileSystemId = "fs-0123456789abcdef0";
  readonly #identities: IdentityStore;
  readonly #server: NfsServer;
  readonly #address: string;
  #port = 0;

  private constructor() {
    const { clock, connections, fileSystemId } = this;
    const random = new SystemRandom();
    const store = new MemoryStore();
    this.#identities = new IdentityStore({ store, clock, random, accountId });
    const network = new VpcNetwork({ store, random, region, cidrBlock: "127.40.0.0/16" });
    const { files } = memoryFileSystem({ clock });
    const opener = { open: () => files, remove: () => Promise.resolve() };
    const fileSystems = new FileSystems(store, opener);
    this.#address = addTarget(fileSystems, network, fileSystemId, clock.nowMs());
    this.#addRole();
    const identities = this.#identities;
    const log = silentLog;
    const authority = makeAuthority("test", clock.nowMs());
    this.#server = new NfsServer({
      admission: new EfsAdmission({
        fileSystems,
        network,
        identities,
        connections,
        clock,
        log,
        region,
        accountId,
      }),
      records: new MemoryClientRecords(),
      clock,
      random,
      log,
      tls: makeServerCertificate(
        authority,
        "test",
        [`*.efs.${region}.amazonaws.com`],
        clock.nowMs(),
      ),
    });
  }

  /** `end` has to be called, also when the test failed. */
  static async start(): Promise<InProcessEfs> {
    const efs = new InProcessEfs();
    efs.#port = await efs.#server.listen(efs.#address, 0);
    return efs;
  }

  end(): Promise<void> {
    return this.#server.close();
  }

  /** Temporary credentials of the role `app`. */
  assumeRole(sessionName: string, durationSeconds: number): SessionCredential {
    const by = { kind: "root", accountId } as const;
    return this.#identities.assumeRole({ roleArn, sessionName, durationSeconds, by });
  }

  /** A TLS connection with a certificate that is made now, and is the role's where one is given. */
  dial(
    session: SessionCredential | undefined,
    options: tls.ConnectionOptions = {},
  ): Promise<tls.TLSSocket> {
    const nowMs = this.clock.nowMs();
    const credentials = session;
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host: this.#address,
        port: this.#port,
        key: this.certificates.keyPem,
        cert: this.certificates.make(this.fileSystemId, { nowMs, credentials }),
        rejectUnauthorized: false,
        ...options,
      });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        socket.off("error", reject);
        resolve(socket);
      });
    });
  }

  #addRole(): void {
    this.#identities.entities.put("role/app", {
      kind: "role",
      name: "app",
      path: "/",
      arn: roleArn,
      id: "AROAIOSFODNN7EXAMPLE",
      createdAtMs: this.clock.nowMs(),
      trustPolicy: JSON.stringify({
        Statement: [{ Effect: "Allow", Principal: "*", Action: "sts:AssumeRole" }],
      }),
      inlinePolicies: {},
      attachedPolicies: [],
      tags: [],
    });
  }
}

/** The file system and a mount target; returns its address. */
function addTarget(
  fileSystems: FileSystems,
  network: VpcNetwork,
  fileSystemId: string,
  nowMs: number,
): string {
  fileSystems.fileSystems.put(fileSystemId, {
    fileSystemId,
    creationToken: "test",
    createdAtMs: nowMs,
    encrypted: false,
    performanceMode: "generalPurpose",
    throughputMode: "elastic",
    tags: [],
  });
  const { vpcId } = network.defaultVpc;
  const subnet = network.subnets.list()[0]!;
  const made = network.createInterface({
    subnetId: subnet.subnetId,
    securityGroupIds: [network.defaultSecurityGroup(vpcId)],
    description: "mount target",
    requesterId: "amazon-elasticfilesystem",
  });
  fileSystems.mountTargets.put("fsmt-0123456789abcdef0", {
    mountTargetId: "fsmt-0123456789abcdef0",
    fileSystemId,
    subnetId: subnet.subnetId,
    vpcId,
    availabilityZone: subnet.availabilityZone,
    availabilityZoneId: subnet.availabilityZoneId,
    address: made.address,
    networkInterfaceId: made.networkInterfaceId,
  });
  return made.address;
}
