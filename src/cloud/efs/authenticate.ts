// Who a connection is, from the mount helper's certificate (facts §1.4).
import { timingSafeEqual } from "node:crypto";

import type { Principal } from "../../policy/principal.ts";
import type { MountCertificate } from "../../wire/x509/mount-certificate.ts";
import { mountSignature, signatureLifetimeSeconds } from "../../wire/x509/mount-signature.ts";
import type { Identities } from "../contracts/identities.ts";

export interface Authentication {
  readonly principal: Principal;
  readonly accessPointId: string | undefined;
  /** Undefined for an anonymous client. */
  readonly accessKeyId: string | undefined;
  readonly expiresAtMs: number | undefined;
  /** Why the connection may do nothing at all. */
  readonly refused: string | undefined;
}

const clockSkewMs = 5 * 60_000;
const anonymous: Principal = { kind: "anonymous" };

export function authenticate(request: {
  /** Undefined where there was none, or one that can't be read. */
  readonly certificate: MountCertificate | undefined;
  /** There was one, whether or not it could be read. */
  readonly malformed: boolean;
  readonly fileSystemId: string | undefined;
  readonly identities: Identities;
  readonly nowMs: number;
  readonly region: string;
}): Authentication {
  const { certificate, nowMs } = request;
  const none = {
    principal: anonymous,
    accessPointId: undefined,
    accessKeyId: undefined,
    expiresAtMs: undefined,
  };
  if (certificate === undefined) {
    const refused = request.malformed ? "the client's certificate can't be read" : undefined;
    return { ...none, refused };
  }
  const { accessPointId } = certificate;
  const refuse = (refused: string): Authentication => ({ ...none, accessPointId, refused });
  if (nowMs < certificate.notBeforeMs || nowMs > certificate.notAfterMs) {
    return refuse("the client's certificate is not valid at this time");
  }
  if (certificate.fileSystemId !== request.fileSystemId) {
    return refuse(`the client's certificate is for ${certificate.fileSystemId}`);
  }
  const { auth } = certificate;
  if (auth === undefined) return { ...none, accessPointId, refused: undefined };
  const credential = request.identities.credential(auth.accessKeyId);
  if (credential === undefined || credential.sessionToken !== auth.sessionToken) {
    return refuse(`the access key ${auth.accessKeyId} is not known`);
  }
  const { expiresAtMs, principal } = credential;
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
    return refuse(`the session of the access key ${auth.accessKeyId} has expired`);
  }
  const ageMs = nowMs - auth.signedAtMs;
  if (ageMs < -clockSkewMs || ageMs > signatureLifetimeSeconds * 1000) {
    return refuse("the signature in the client's certificate is too old or of the future");
  }
  const expected = mountSignature({
    fileSystemId: certificate.fileSystemId ?? "",
    region: request.region,
    publicKeyHash: certificate.publicKeyHash,
    accessKeyId: auth.accessKeyId,
    secretAccessKey: credential.secretAccessKey,
    sessionToken: auth.sessionToken,
    signedAtMs: auth.signedAtMs,
  });
  const given = Buffer.from(auth.signature.padEnd(expected.length).slice(0, expected.length));
  if (!timingSafeEqual(Buffer.from(expected), given)) {
    return refuse("the signature in the client's certificate is not its key's");
  }
  const { accessKeyId } = auth;
  return { principal, accessPointId, accessKeyId, expiresAtMs, refused: undefined };
}
