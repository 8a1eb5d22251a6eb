import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { listConnections } from "../../src/cli/mooring-api.ts";
import { ensureDebianPackages } from "../../tools/setup/debian-packages.ts";
import { EfsUtilsHost, mountThrough } from "../support/efs-utils-host.ts";
import { makeUserKey } from "../support/iam.ts";
import { Instance } from "../support/instance.ts";
import { makeMountTarget, type MountTarget } from "../support/mount-target.ts";
import { readWrite, rootUser } from "../support/nfs.ts";

let instance: Instance;
let host: EfsUtilsHost;
let target: MountTarget;

before(async () => {
  ensureDebianPackages(["stunnel4"]);
  instance = await Instance.start();
  host = new EfsUtilsHost(instance);
  target = await makeMountTarget(instance.api());
});
after(() => instance?.end());

test("what is written through efs-utils' stunnel is read by another connection through it", async () => {
  const certificate = host.certificates.make(target.fileSystemId);
  await host.tunnel(target, certificate, async (stunnel) => {
    const bytes = Buffer.alloc(3_000_000, "through the tunnel ");
    await mountThrough(stunnel, async (client) => {
      const root = await client.connect(rootUser, "/");
      const how = { mode: 0o644, access: readWrite, exclusive: true };
      const { open } = await client.createFile(rootUser, root.handle, "file", how);
      for (let at = 0; at < bytes.length; at += 1_000_000) {
        await client.write(open, at, bytes.subarray(at, at + 1_000_000), true);
      }
    });
    await mountThrough(stunnel, async (client) => {
      const file = await client.connect(rootUser, "/file");
      assert.equal(file.attributes.size, bytes.length);
      const open = await client.open(rootUser, file.handle, readWrite);
      assert.deepEqual(
        Buffer.from(await client.read(open, 1_500_000, 1_000_000)),
        bytes.subarray(1_500_000, 2_500_000),
      );
    });
  });
});

test("stunnel resumes no TLS session, though it would with every connection", async () => {
  const certificate = host.certificates.make(target.fileSystemId);
  await host.tunnel(target, certificate, async (stunnel) => {
    for (let connection = 0; connection < 3; connection += 1) {
      await mountThrough(stunnel, (client) => client.connect(rootUser, "/"));
    }
    assert.match(stunnel.log, /Session resumption enabled/);
    assert.equal(stunnel.log.match(/connected: new session negotiated/g)?.length, 3);
    assert.doesNotMatch(stunnel.log, /previous session reused/);
  });
});

test("after SIGHUP a new connection has the renewed certificate's identity", async () => {
  const api = instance.api();
  const first = await makeUserKey(api, "first");
  const second = await makeUserKey(api, "second");
  const { fileSystemId } = target;
  const certificate = host.certificates.make(fileSystemId, { credentials: first });
  await host.tunnel(target, certificate, async (stunnel) => {
    await mountThrough(stunnel, (client) => client.connect(rootUser, "/"));
    const renewed = host.certificates.make(fileSystemId, { credentials: second, serial: 1 });
    await stunnel.renew(renewed);
    await mountThrough(stunnel, (client) => client.connect(rootUser, "/"));
  });
  const principals = (await listConnections(api.session)).map(({ principal }) => principal);
  assert.deepEqual(
    principals.slice(-2).map((arn) => arn.split("/").at(-1)),
    ["first", "second"],
  );
});
