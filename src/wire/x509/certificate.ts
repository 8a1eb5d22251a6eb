// X.509 version 3 certificates (RFC 5280 §4.1) with whatever extensions, signed by RSA or ECDSA
// with SHA-256.
import { sign, type KeyObject } from "node:crypto";
import * as asn1 from "asn1js";

export interface CertificateExtension {
  readonly id: string;
  readonly critical?: boolean;
  /** DER of the extension's value. */
  readonly value: asn1.BaseBlock;
}

export interface CertificateFields {
  /** At least 0; the mount helper starts there. */
  readonly serial: number | bigint;
  readonly issuer: string;
  readonly subject: string;
  /** Milliseconds since 1970; whole seconds are kept. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly extensions: readonly CertificateExtension[];
}

const commonNameId = "2.5.4.3";
const rsaWithSha256 = "1.2.840.113549.1.1.11";
const ecdsaWithSha256 = "1.2.840.10045.4.3.2";

/** The certificate as PEM. */
export function buildCertificate(fields: CertificateFields): string {
  const algorithm = algorithmOf(fields.signingKey);
  const body = new asn1.Sequence({
    value: [
      explicit(0, new asn1.Integer({ value: 2 })),
      asn1.Integer.fromBigInt(fields.serial),
      algorithm,
      nameOf(fields.issuer),
      new asn1.Sequence({ value: [timeOf(fields.notBeforeMs), timeOf(fields.notAfterMs)] }),
      nameOf(fields.subject),
      parse(fields.publicKey.export({ type: "spki", format: "der" })),
      explicit(3, new asn1.Sequence({ value: fields.extensions.map(extensionOf) })),
    ],
  });
  const signature = sign("sha256", new Uint8Array(body.toBER()), fields.signingKey);
  const bits = new asn1.BitString({ valueHex: new Uint8Array(signature).buffer });
  const whole = new asn1.Sequence({ value: [body, algorithm, bits] });
  return pem("CERTIFICATE", Buffer.from(whole.toBER()));
}

/** DER as a structure; throws where it isn't any. */
export function parse(der: Uint8Array): asn1.AsnType {
  const { offset, result } = asn1.fromBER(der);
  if (offset === -1) throw new Error(`not DER: ${result.error}`);
  return result;
}

/** The bits of a subjectPublicKeyInfo without the octet that counts unused ones. */
export function publicKeyBits(publicKey: KeyObject): Uint8Array {
  const info = parse(publicKey.export({ type: "spki", format: "der" })) as asn1.Sequence;
  return (info.valueBlock.value[1] as asn1.BitString).valueBlock.valueHexView;
}

export function explicit(tag: number, value: asn1.BaseBlock): asn1.Constructed {
  return new asn1.Constructed({ idBlock: { tagClass: 3, tagNumber: tag }, value: [value] });
}

export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function algorithmOf(key: KeyObject): asn1.Sequence {
  const isRsa = key.asymmetricKeyType === "rsa";
  const id = new asn1.ObjectIdentifier({ value: isRsa ? rsaWithSha256 : ecdsaWithSha256 });
  return new asn1.Sequence({ value: isRsa ? [id, new asn1.Null()] : [id] });
}

function nameOf(commonName: string): asn1.Sequence {
  const attribute = new asn1.Sequence({
    value: [
      new asn1.ObjectIdentifier({ value: commonNameId }),
      new asn1.Utf8String({ value: commonName }),
    ],
  });
  return new asn1.Sequence({ value: [new asn1.Set({ value: [attribute] })] });
}

function timeOf(ms: number): asn1.UTCTime {
  return new asn1.UTCTime({ valueDate: new Date(Math.floor(ms / 1000) * 1000) });
}

function extensionOf({ id, critical, value }: CertificateExtension): asn1.Sequence {
  return new asn1.Sequence({
    value: [
      new asn1.ObjectIdentifier({ value: id }),
      ...(critical ? [new asn1.Boolean({ value: true })] : []),
      new asn1.OctetString({ valueHex: value.toBER() }),
    ],
  });
}
