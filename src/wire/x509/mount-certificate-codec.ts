// The mount helper's certificate, built and read (facts §1.2).
import { createHash, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import * as asn1 from "asn1js";

import {
  buildCertificate,
  type CertificateExtension,
  explicit,
  parse,
  publicKeyBits,
} from "./certificate.ts";
import type { ClientAuth, MountCertificate } from "./mount-certificate.ts";
import { mountSignature } from "./mount-signature.ts";

const extensionId = {
  subjectKeyIdentifier: "2.5.29.14",
  accessPoint: "1.3.6.1.4.1.4843.7.1",
  clientAuth: "1.3.6.1.4.1.4843.7.2",
  fileSystem: "1.3.6.1.4.1.4843.7.3",
  clientInfo: "1.3.6.1.4.1.4843.7.4",
} as const;

const beforeMs = 15 * 60_000;
const afterMs = 3 * 3_600_000;
const commonNameLimit = 64;

export interface MountCertificateRequest {
  readonly fileSystemId: string;
  readonly accessPointId: string | undefined;
  readonly region: string;
  readonly hostName: string;
  readonly serial: number;
  readonly nowMs: number;
  readonly privateKey: KeyObject;
  readonly source: string;
  readonly version: string;
  /** With the option `iam`. */
  readonly credentials:
    | {
        readonly accessKeyId: string;
        readonly secretAccessKey: string;
        readonly sessionToken: string | undefined;
      }
    | undefined;
}

/** A certificate that is the helper's in every field, as PEM. */
export function buildMountCertificate(request: MountCertificateRequest): string {
  const { privateKey, nowMs } = request;
  const publicKey = createPublicKey(privateKey);
  const name = request.hostName.slice(0, commonNameLimit);
  return buildCertificate({
    serial: request.serial,
    issuer: name,
    subject: name,
    notBeforeMs: nowMs - beforeMs,
    notAfterMs: nowMs + afterMs,
    publicKey,
    signingKey: privateKey,
    extensions: extensionsOf(request, publicKey),
  });
}

function extensionsOf(
  request: MountCertificateRequest,
  publicKey: KeyObject,
): CertificateExtension[] {
  const keyHash = publicKeyHash(publicKey);
  const keyIdentifier = new asn1.OctetString({
    valueHex: new Uint8Array(Buffer.from(keyHash, "hex")).buffer,
  });
  const extensions: CertificateExtension[] = [
    { id: extensionId.subjectKeyIdentifier, value: keyIdentifier },
  ];
  const { accessPointId, fileSystemId, source, version } = request;
  if (accessPointId !== undefined) {
    extensions.push({ id: extensionId.accessPoint, value: text(accessPointId) });
  }
  if (request.credentials !== undefined) {
    extensions.push({ id: extensionId.clientAuth, value: clientAuth(request, keyHash) });
  }
  extensions.push({ id: extensionId.fileSystem, value: text(fileSystemId) });
  const info = new asn1.Sequence({ value: [text(source), text(version)] });
  extensions.push({ id: extensionId.clientInfo, value: info });
  return extensions;
}

function clientAuth(request: MountCertificateRequest, keyHash: string): asn1.Sequence {
  const { accessKeyId, secretAccessKey, sessionToken } = request.credentials!;
  const signedAtMs = Math.floor(request.nowMs / 1000) * 1000;
  const signature = mountSignature({
    fileSystemId: request.fileSystemId,
    region: request.region,
    publicKeyHash: keyHash,
    accessKeyId,
    secretAccessKey,
    sessionToken,
    signedAtMs,
  });
  return new asn1.Sequence({
    value: [
      text(accessKeyId),
      new asn1.OctetString({ valueHex: new Uint8Array(Buffer.from(signature)).buffer }),
      new asn1.UTCTime({ valueDate: new Date(signedAtMs) }),
      ...(sessionToken === undefined ? [] : [explicit(0, text(sessionToken))]),
    ],
  });
}

/** Throws where the bytes are no certificate, or an extension isn't what it should be. */
export function parseMountCertificate(der: Uint8Array): MountCertificate {
  const certificate = new X509Certificate(Buffer.from(der));
  const extensions = extensionsByIdOf(der);
  const auth = extensions.get(extensionId.clientAuth);
  const info = extensions.get(extensionId.clientInfo);
  return {
    fileSystemId: optionalText(extensions.get(extensionId.fileSystem)),
    accessPointId: optionalText(extensions.get(extensionId.accessPoint)),
    auth: auth === undefined ? undefined : parseClientAuth(auth),
    clientInfo: info === undefined ? undefined : parseClientInfo(info),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    publicKeyHash: publicKeyHash(certificate.publicKey),
    commonName: /CN=(.*)/.exec(certificate.subject)?.[1] ?? "",
  };
}

function extensionsByIdOf(der: Uint8Array): ReadonlyMap<string, asn1.AsnType> {
  const body = children(children(parse(der))[0]);
  const tagged = body.find(({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === 3);
  const found = new Map<string, asn1.AsnType>();
  for (const extension of children(children(tagged)[0])) {
    const parts = children(extension);
    const id = parts[0] as asn1.ObjectIdentifier;
    const value = parts.at(-1) as asn1.OctetString;
    const known = Object.values<string>(extensionId).includes(id.getValue());
    if (known) found.set(id.getValue(), parse(value.valueBlock.valueHexView));
  }
  return found;
}

function parseClientAuth(value: asn1.AsnType): ClientAuth {
  const [accessKeyId, signature, time, token] = children(value);
  if (!(signature instanceof asn1.OctetString) || !(time instanceof asn1.UTCTime)) {
    throw new Error("the certificate's client authentication is malformed");
  }
  return {
    accessKeyId: textOf(accessKeyId),
    signature: Buffer.from(signature.valueBlock.valueHexView).toString("latin1"),
    signedAtMs: time.toDate().getTime(),
    sessionToken: token === undefined ? undefined : textOf(children(token)[0]),
  };
}

function parseClientInfo(value: asn1.AsnType): { source: string; version: string } {
  const [source, version] = children(value);
  return { source: textOf(source), version: textOf(version) };
}

/** Lower-case hex of the SHA-1 of the public key's bits. */
export function publicKeyHash(publicKey: KeyObject): string {
  return createHash("sha1").update(publicKeyBits(publicKey)).digest("hex");
}

function children(block: asn1.AsnType | undefined): asn1.AsnType[] {
  const isList =
    block instanceof asn1.Sequence ||
    block instanceof asn1.Constructed ||
    block instanceof asn1.Set;
  if (!isList) throw new Error("the certificate's structure is not what it should be");
  return block.valueBlock.value;
}

function text(value: string): asn1.Utf8String {
  return new asn1.Utf8String({ value });
}

function optionalText(block: asn1.AsnType | undefined): string | undefined {
  return block === undefined ? undefined : textOf(block);
}

function textOf(block: asn1.AsnType | undefined): string {
  if (!(block instanceof asn1.Utf8String)) throw new Error("the certificate has no text there");
  return block.getValue();
}
