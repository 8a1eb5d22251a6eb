import { FakeClock } from "../../src/base/fake-clock.ts";
import { SystemRandom } from "../../src/base/random.ts";
import type { Service } from "../../src/cloud/contracts/service.ts";
import { ec2Service } from "../../src/cloud/ec2/ec2-service.ts";
import { VpcNetwork } from "../../src/cloud/ec2/vpc-network.ts";
import { ecsService } from "../../src/cloud/ecs/ecs-service.ts";
import { efsService } from "../../src/cloud/efs/efs-service.ts";
import { FileSystems } from "../../src/cloud/efs/file-systems.ts";
import { IamService } from "../../src/cloud/iam/iam-service.ts";
import { IdentityStore } from "../../src/cloud/iam/identity-store.ts";
import { logsService } from "../../src/cloud/logs/logs-service.ts";
import { stsService } from "../../src/cloud/sts/sts-service.ts";
import { MemoryStore } from "../../src/store/memory/memory-store.ts";

/** The services' tables of operations, over nothing: to be read, not to be called. */
export function serviceTables(): Readonly<Record<string, Service>> {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const random = new SystemRandom();
  const accountId = "123456789012";
  const identities = new IdentityStore({ store, clock, random, accountId });
  const network = new VpcNetwork({
    store,
    random,
    region: "us-east-1",
    cidrBlock: "127.16.0.0/16",
  });
  const nothing = (): never => {
    throw new Error("the tables are not for calling");
  };
  const fileSystems = new FileSystems(store, { open: nothing, remove: nothing });
  const services = [
    ecsService({ store, network, identities, clock, random }).service,
    efsService({ fileSystems, network, random }),
    ec2Service(network),
    new IamService(identities, clock, accountId).service(),
    stsService(identities),
    logsService(store),
  ];
  return Object.fromEntries(services.map((service) => [service.prefix, service]));
}

/** The names of the operations that a service has, in order. */
export function operationsOf(prefix: string): string[] {
  return Object.keys(serviceTables()[prefix]?.operations ?? {}).sort();
}
