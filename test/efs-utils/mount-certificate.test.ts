import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parseMountCertificate } from "../../src/wire/x509/mount-certificate-codec.ts";
import { derElements } from "../support/der.ts";
import { MountCertificates } from "../support/mount-certificates.ts";

const vectors = new URL("../vectors/mount-certificates/", import.meta.url);
const fileSystemId = "fs-0123456789abcdef0";
const octetString = 4;
const secretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const certificates = new MountCertificates();

const helpers = [
  {
    file: "tls-only.pem",
    inputs: { nowMs: Date.UTC(2026, 10, 23, 9, 27, 16) },
  },
  {
    file: "iam-long-term.pem",
    inputs: {
      nowMs: Date.UTC(2026, 10, 23, 9, 27, 16),
      credentials: {
        accessKeyId: "AKIAIOSFODNN7EXAMPLE",
        secretAccessKey,
        sessionToken: undefined,
      },
    },
  },
  {
    file: "iam-access-point-session.pem",
    inputs: {
      nowMs: Date.UTC(2026, 10, 23, 9, 27, 15),
      accessPointId: "fsap-0123456789abcdef0",
      source: "ecs.fargate",
      credentials: {
        accessKeyId: "ASIAIOSFODNN7EXAMPLE",
        secretAccessKey,
        sessionToken: "FwoGZXIvYXdzE+abc/def==",
      },
    },
  },
];

for (const { file, inputs } of helpers) {
  test(`a certificate built of the inputs of ${file} differs from it in the key alone`, () => {
    const theirs = readFileSync(new URL(file, vectors), "utf8");
    const ours = certificates.make(fileSystemId, inputs);
    assert.deepEqual(structureOf(ours), structureOf(theirs));
  });
}

/** Every element, with names in the place of what can't be the same for two keys. */
function structureOf(pem: string): string[] {
  const certificate = new X509Certificate(pem);
  assert.ok(certificate.verify(certificate.publicKey), "the certificate is not signed by its key");
  const { publicKeyHash, auth } = parseMountCertificate(certificate.raw);
  const named: [hex: string, name: string][] = [
    [hexOf(certificate.publicKey.export({ type: "pkcs1", format: "der" })), "the key"],
    [publicKeyHash, "the key's hash"],
    [hexOf(Buffer.from(auth?.signature ?? "none")), "the request's signature"],
  ];
  const isExtension = ({ tag, depth }: { tag: number; depth: number }): boolean =>
    tag === octetString && depth === extensionDepth;
  const elements = derElements(certificate.raw, isExtension);
  const signature = elements.at(-1);
  return elements.map((element) => {
    const { depth, tag, length, contents } = element;
    let value = contents === undefined ? "" : hexOf(contents);
    // The extension's octets are listed as the elements inside them.
    if (isExtension(element)) value = "";
    if (element === signature) value = "the certificate's signature";
    for (const [hex, name] of named) value = value.replace(hex, name);
    return `${"  ".repeat(depth)}${tag.toString(16)} ${length} ${value}`;
  });
}

/** Certificate, tbsCertificate, [3], Extensions, Extension, extnValue (RFC 5280 §4.1). */
const extensionDepth = 5;

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
