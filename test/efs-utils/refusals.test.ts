import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { after, before, test } from "node:test";
import * as asn1 from "asn1js";

import { listConnections } from "../../src/cli/mooring-api.ts";
import { NfsError } from "../../src/nfs/client/nfs-error.ts";
import { Status } from "../../src/wire/nfs4/status.ts";
import { buildCertificate } from "../../src/wire/x509/certificate.ts";
import { ensureDebianPackages } from "../../tools/setup/debian-packages.ts";
import { EfsUtilsHost, mountThrough } from "../support/efs-utils-host.ts";
import { makeUserKey, type UserKey } from "../support/iam.ts";
import { Instance } from "../support/instance.ts";
import { makeMountTarget, type MountTarget } from "../support/mount-target.ts";
import { rootUser } from "../support/nfs.ts";

const hourMs = 3_600_000;
/** efs-proxy gives a server 20 seconds, and mount.efs gives both of them 15. */
const promptly = { timeout: 10_000 };

let instance: Instance;
let host: EfsUtilsHost;
/** Everybody may do everything. */
let open: MountTarget;
/** Only who has ClientMount of their own may mount; what CDK calls allowAnonymousAccess: false. */
let closed: MountTarget;
let stranger: UserKey;
let member: UserKey;
let accessPointOfClosed: string;

before(async () => {
  ensureDebianPackages(["stunnel4"]);
  instance = await Instance.start();
  host = new EfsUtilsHost(instance);
  const api = instance.api();
  open = await makeMountTarget(api);
  closed = await makeMountTarget(api);
  await api.efs.putFileSystemPolicy({
    FileSystemId: closed.fileSystemId,
    Policy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: { AWS: "*" },
          Action: ["elasticfilesystem:ClientWrite", "elasticfilesystem:ClientRootAccess"],
          Condition: { Bool: { "elasticfilesystem:AccessedViaMountTarget": "true" } },
        },
      ],
    }),
  });
  const point = await api.efs.createAccessPoint({ FileSystemId: closed.fileSystemId });
  accessPointOfClosed = point.AccessPointId!;
  stranger = await makeUserKey(api, "stranger");
  member = await makeUserKey(api, "member", {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "elasticfilesystem:ClientMount", Resource: "*" }],
  });
});
after(() => instance?.end());

test("a user with ClientMount mounts what only such users may mount", promptly, async () => {
  const certificate = host.certificates.make(closed.fileSystemId, { credentials: member });
  await host.tunnel(closed, certificate, (stunnel) =>
    mountThrough(stunnel, (client) => client.connect(rootUser, "/")),
  );
});

const refusals: readonly {
  readonly condition: string;
  readonly target: () => MountTarget;
  readonly certificate: () => string;
  readonly reason: RegExp;
}[] = [
  {
    condition: "a certificate for another file system",
    target: () => open,
    certificate: () => host.certificates.make(closed.fileSystemId),
    reason: /certificate is for fs-/,
  },
  {
    condition: "a certificate that has expired",
    target: () => open,
    certificate: () =>
      host.certificates.make(open.fileSystemId, { nowMs: Date.now() - 4 * hourMs }),
    reason: /not valid at this time/,
  },
  {
    condition: "a certificate of the future",
    target: () => open,
    certificate: () => host.certificates.make(open.fileSystemId, { nowMs: Date.now() + hourMs }),
    reason: /not valid at this time/,
  },
  {
    condition: "a signature by another secret",
    target: () => open,
    certificate: () => {
      const credentials = { ...stranger, secretAccessKey: member.secretAccessKey };
      return host.certificates.make(open.fileSystemId, { credentials });
    },
    reason: /signature .* is not its key's/,
  },
  {
    condition: "a signature for another region",
    target: () => open,
    certificate: () =>
      host.certificates.make(open.fileSystemId, { credentials: stranger, region: "eu-west-1" }),
    reason: /signature .* is not its key's/,
  },
  {
    condition: "an access key that nobody has",
    target: () => open,
    certificate: () => {
      const credentials = { ...stranger, accessKeyId: "AKIAIOSFODNN7EXAMPLE" };
      return host.certificates.make(open.fileSystemId, { credentials });
    },
    reason: /access key AKIAIOSFODNN7EXAMPLE is not known/,
  },
  {
    condition: "a session token with a key that has none",
    target: () => open,
    certificate: () => {
      const credentials = { ...stranger, sessionToken: "FwoGZXIvYXdzE" };
      return host.certificates.make(open.fileSystemId, { credentials });
    },
    reason: /access key \w+ is not known/,
  },
  {
    condition: "client authentication that can't be read",
    target: () => open,
    certificate: () => unreadableCertificate(),
    reason: /can't be read/,
  },
  {
    condition: "an access key without ClientMount",
    target: () => closed,
    certificate: () => host.certificates.make(closed.fileSystemId, { credentials: stranger }),
    reason: /user\/stranger has no policy that allows elasticfilesystem:ClientMount/,
  },
  {
    condition: "no access key where anonymous clients may not mount",
    target: () => closed,
    certificate: () => host.certificates.make(closed.fileSystemId),
    reason: /an anonymous client has no policy that allows elasticfilesystem:ClientMount/,
  },
  {
    condition: "an access point that doesn't exist",
    target: () => open,
    certificate: () =>
      host.certificates.make(open.fileSystemId, { accessPointId: "fsap-0123456789abcdef0" }),
    reason: /access point fsap-0123456789abcdef0 does not exist/,
  },
  {
    condition: "an access point of another file system",
    target: () => open,
    certificate: () =>
      host.certificates.make(open.fileSystemId, { accessPointId: accessPointOfClosed }),
    reason: /access point fsap-\w+ is of the file system fs-/,
  },
];

for (const { condition, target, certificate, reason } of refusals) {
  test(`${condition} is answered with NFS4ERR_ACCESS`, promptly, async () => {
    await host.tunnel(target(), certificate(), (stunnel) =>
      mountThrough(stunnel, async (client) => {
        await assert.rejects(client.connect(rootUser, "/"), (error: unknown) => {
          assert.ok(error instanceof NfsError, String(error));
          assert.equal(error.status, Status.ACCESS);
          return true;
        });
      }),
    );
    const connections = await listConnections(instance.api().session);
    assert.match(connections.at(-1)?.reason ?? "", reason);
  });
}

/** The helper's extension for client authentication, with a number in it. */
function unreadableCertificate(): string {
  const { privateKey } = host.certificates;
  return buildCertificate({
    serial: 0,
    issuer: "host",
    subject: "host",
    notBeforeMs: Date.now() - hourMs,
    notAfterMs: Date.now() + hourMs,
    publicKey: createPublicKey(privateKey),
    signingKey: privateKey,
    extensions: [
      { id: "1.3.6.1.4.1.4843.7.2", value: new asn1.Integer({ value: 7 }) },
      {
        id: "1.3.6.1.4.1.4843.7.3",
        value: new asn1.Utf8String({ value: open.fileSystemId }),
      },
    ],
  });
}
