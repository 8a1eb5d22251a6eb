import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { buildMountCertificate, parseMountCertificate } from "./mount-certificate-codec.ts";
import { mountSignature } from "./mount-signature.ts";

const secretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const fileSystemId = "fs-0123456789abcdef0";
const region = "us-east-1";
const vectors = new URL("../../../test/vectors/mount-certificates/", import.meta.url);

test("the mount helper's own certificates are read, and their signatures are what we compute", () => {
  const expected = [
    {
      file: "iam-access-point-session.pem",
      accessPointId: "fsap-0123456789abcdef0",
      sessionToken: "FwoGZXIvYXdzE+abc/def==",
      info: { source: "ecs.fargate", version: "3.2.0" },
    },
    {
      file: "iam-long-term.pem",
      accessPointId: undefined,
      sessionToken: undefined,
      info: { source: "unknown", version: "3.2.0" },
    },
  ];
  for (const { file, accessPointId, sessionToken, info } of expected) {
    const parsed = parseMountCertificate(vector(file));
    assert.equal(parsed.fileSystemId, fileSystemId);
    assert.equal(parsed.accessPointId, accessPointId);
    assert.deepEqual(parsed.clientInfo, info);
    assert.equal(parsed.publicKeyHash, "d2a852361b4d84b35949e858de0f0b99371bfb40");
    const { auth } = parsed;
    assert.ok(auth);
    assert.equal(auth.sessionToken, sessionToken);
    const { accessKeyId, signedAtMs, signature } = auth;
    const { publicKeyHash } = parsed;
    const own = mountSignature({
      fileSystemId,
      region,
      publicKeyHash,
      accessKeyId,
      secretAccessKey,
      sessionToken,
      signedAtMs,
    });
    assert.equal(signature, own, file);
  }
});

test("a certificate without IAM has no client authentication", () => {
  const parsed = parseMountCertificate(vector("tls-only.pem"));
  assert.equal(parsed.auth, undefined);
  assert.equal(parsed.fileSystemId, fileSystemId);
});

test("a certificate that we build has the fields of the helper's, and verifies itself", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const nowMs = Date.UTC(2026, 10, 23, 9, 27, 15);
  const pem = buildMountCertificate({
    fileSystemId,
    accessPointId: "fsap-0123456789abcdef0",
    region,
    hostName: "h".repeat(80),
    serial: 0,
    nowMs,
    privateKey: createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" })),
    source: "ecs.fargate",
    version: "3.2.0",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey, sessionToken: "a+b/c==" },
  });
  const certificate = new X509Certificate(pem);
  assert.ok(certificate.verify(certificate.publicKey));
  const parsed = parseMountCertificate(certificate.raw);
  assert.equal(parsed.commonName, "h".repeat(64));
  assert.equal(parsed.notBeforeMs, nowMs - 15 * 60_000);
  assert.equal(parsed.notAfterMs, nowMs + 3 * 3_600_000);
  assert.equal(parsed.auth?.sessionToken, "a+b/c==");
  assert.equal(parsed.auth?.signature.length, 64);
});

test("bytes that are no certificate are refused", () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from("hello"), vector("tls-only.pem").subarray(9)]) {
    assert.throws(() => parseMountCertificate(bytes));
  }
});

function vector(file: string): Buffer {
  return new X509Certificate(readFileSync(new URL(file, vectors))).raw;
}
