// The certificate authority of an instance, and the server certificates that it signs.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import * as asn1 from "asn1js";

import { buildCertificate } from "./certificate.ts";

export interface KeyAndCertificate {
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

const basicConstraintsId = "2.5.29.19";
const subjectAltNameId = "2.5.29.17";
const dayMs = 86_400_000;
const authorityDays = 3650;
const serverDays = 397;

export function makeAuthority(commonName: string, nowMs: number): KeyAndCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = buildCertificate({
    serial: 1,
    issuer: commonName,
    subject: commonName,
    notBeforeMs: nowMs - dayMs,
    notAfterMs: nowMs + authorityDays * dayMs,
    publicKey,
    signingKey: privateKey,
    extensions: [
      {
        id: basicConstraintsId,
        critical: true,
        value: new asn1.Sequence({ value: [new asn1.Boolean({ value: true })] }),
      },
    ],
  });
  return { key: privateKey.export({ type: "pkcs8", format: "pem" }), certificate };
}

/** A certificate for TLS servers with those DNS names, wildcards among them. */
export function makeServerCertificate(
  authority: KeyAndCertificate,
  authorityName: string,
  names: readonly string[],
  nowMs: number,
): KeyAndCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const alternatives = names.map(
    (name) =>
      new asn1.Primitive({
        idBlock: { tagClass: 3, tagNumber: 2 },
        valueHex: new Uint8Array(Buffer.from(name)).buffer,
      }),
  );
  const certificate = buildCertificate({
    serial: Math.floor(nowMs),
    issuer: authorityName,
    subject: names[0]!.slice(0, 64),
    notBeforeMs: nowMs - dayMs,
    notAfterMs: nowMs + serverDays * dayMs,
    publicKey,
    signingKey: createPrivateKey(authority.key),
    extensions: [{ id: subjectAltNameId, value: new asn1.Sequence({ value: alternatives }) }],
  });
  return { key: privateKey.export({ type: "pkcs8", format: "pem" }), certificate };
}
