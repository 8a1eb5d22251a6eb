// Thousands of access points of one file system, and their rules where a connection uses them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { NfsError } from "../../src/nfs/client/nfs-error.ts";
import { Status } from "../../src/wire/nfs4/status.ts";
import { Clients } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";
import { MountCertificates } from "../support/mount-certificates.ts";
import { makeMountTarget, type MountTarget } from "../support/mount-target.ts";
import { readWrite, rootUser } from "../support/nfs.ts";
import { TlsClient } from "../support/tls-client.ts";

const pointsMade = 2000;
const pointsMounted = 100;
/** Requests under way at once. */
const width = 16;

const certificates = new MountCertificates();
const points: string[] = [];
let instance: Instance;
let root: Clients;
let target: MountTarget;

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
  target = await makeMountTarget(root);
  await inParallel(pointsMade, async (index) => {
    points[index] = await makePoint(index);
  });
});
after(() => instance?.end());

test(`${pointsMade} access points are described in pages, each once`, async () => {
  const found: string[] = [];
  let NextToken: string | undefined;
  do {
    const page = await root.efs.describeAccessPoints({
      FileSystemId: target.fileSystemId,
      MaxResults: 300,
      NextToken,
    });
    found.push(...(page.AccessPoints ?? []).map(({ AccessPointId }) => AccessPointId!));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  assert.deepEqual(found.toSorted(), points.toSorted());
});

test(`${pointsMounted} of them are mounted at once, each with its directory and its user`, async () => {
  const mounted: string[] = [];
  await inParallel(pointsMounted, async (index) => {
    await withClient(points[index]!, async (client) => {
      const { handle } = await client.nfs.connect(rootUser, "/");
      const { open } = await client.nfs.createFile(rootUser, handle, "file", {
        mode: 0o640,
        access: readWrite,
        exclusive: true,
      });
      await client.nfs.closeFile(open);
      const { attributes } = await client.nfs.names.lookup(rootUser, handle, "file");
      assert.deepEqual([attributes.owner, attributes.ownerGroup], userOf(index).map(String));
      mounted.push(Buffer.from(handle).toString("hex"));
    });
  });
  assert.equal(new Set(mounted).size, pointsMounted);
});

test("a directory that is there keeps its owner and its mode", async () => {
  const { AccessPointId } = await root.efs.createAccessPoint({
    FileSystemId: target.fileSystemId,
    RootDirectory: {
      Path: pathOf(0),
      CreationInfo: { OwnerUid: 7, OwnerGid: 7, Permissions: "700" },
    },
  });
  await withClient(points[0]!, (client) => client.nfs.connect(rootUser, "/"));
  await withClient(AccessPointId!, async (client) => {
    const { attributes } = await client.nfs.connect(rootUser, "/");
    assert.deepEqual([attributes.owner, attributes.ownerGroup], userOf(0).map(String));
    assert.equal(attributes.mode, 0o750);
  });
});

test("an access point without CreationInfo doesn't make its directory", async () => {
  const { AccessPointId } = await root.efs.createAccessPoint({
    FileSystemId: target.fileSystemId,
    RootDirectory: { Path: "/not/there" },
  });
  await withClient(AccessPointId!, (client) => refused(client.nfs.connect(rootUser, "/"), "NOENT"));
});

test("an access point's user 0 is root only with ClientRootAccess", async () => {
  const own = await makeMountTarget(root);
  const { AccessPointId } = await root.efs.createAccessPoint({
    FileSystemId: own.fileSystemId,
    PosixUser: { Uid: 0, Gid: 0 },
  });
  const setRights = (...rights: readonly string[]): Promise<unknown> => {
    const Action = rights.map((right) => `elasticfilesystem:${right}`);
    const Statement = [{ Effect: "Allow", Principal: { AWS: "*" }, Action }];
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
    return root.efs.putFileSystemPolicy({ FileSystemId: own.fileSystemId, Policy });
  };
  await setRights("ClientMount", "ClientWrite");
  await withClient(
    AccessPointId!,
    async (client) => {
      const { handle } = await client.nfs.connect(rootUser, "/");
      const make = (name: string) =>
        client.nfs.names.create(rootUser, handle, name, "directory", 0o755);
      await refused(make("squashed"), "ACCESS");
      await setRights("ClientMount", "ClientWrite", "ClientRootAccess");
      await make("root's");
    },
    own,
  );
});

test("above the root of an access point there is nothing", async () => {
  await withClient(points[1]!, async (client) => {
    const { handle } = await client.nfs.connect(rootUser, "/");
    await refused(client.nfs.names.lookup(rootUser, handle, ".."), "BADNAME");
    await refused(client.nfs.connect(rootUser, `/${pathOf(2).slice(1)}`), "NOENT");
  });
});

function makePoint(index: number): Promise<string> {
  const [Uid, Gid] = userOf(index);
  return root.efs
    .createAccessPoint({
      FileSystemId: target.fileSystemId,
      PosixUser: { Uid, Gid },
      RootDirectory: {
        Path: pathOf(index),
        CreationInfo: { OwnerUid: Uid, OwnerGid: Gid, Permissions: "750" },
      },
    })
    .then(({ AccessPointId }) => AccessPointId!);
}

function userOf(index: number): [uid: number, gid: number] {
  return [10_000 + index, 30_000 + index];
}

function pathOf(index: number): string {
  return `/points/${index}`;
}

async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

async function withClient(
  accessPointId: string,
  work: (client: TlsClient) => Promise<unknown>,
  on = target,
): Promise<void> {
  const certificate = certificates.make(on.fileSystemId, { accessPointId });
  const client = new TlsClient(instance, on, certificates.keyPem, () => certificate);
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function refused(request: Promise<unknown>, status: keyof typeof Status): Promise<void> {
  await assert.rejects(request, (error: unknown) => {
    assert.ok(error instanceof NfsError, String(error));
    assert.equal(error.status, Status[status]);
    return true;
  });
}
