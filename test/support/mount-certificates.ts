import { generateKeyPairSync, type KeyObject } from "node:crypto";

import {
  buildMountCertificate,
  type MountCertificateRequest,
} from "../../src/wire/x509/mount-certificate-codec.ts";

const keyBits = 3072;

/** A host's key and the certificates that its mount helper makes with it. */
export class MountCertificates {
  readonly privateKey: KeyObject;
  readonly keyPem: string;

  constructor() {
    this.privateKey = generateKeyPairSync("rsa", { modulusLength: keyBits }).privateKey;
    this.keyPem = this.privateKey.export({ type: "pkcs8", format: "pem" });
  }

  /** PEM; what isn't said is as on a host in us-east-1 that mounts with `tls` alone, now. */
  make(
    fileSystemId: string,
    differs: Partial<Omit<MountCertificateRequest, "fileSystemId" | "privateKey">> = {},
  ): string {
    return buildMountCertificate({
      accessPointId: undefined,
      region: "us-east-1",
      hostName: "ip-10-0-0-1.example",
      serial: 0,
      nowMs: Date.now(),
      source: "unknown",
      version: "3.2.0",
      credentials: undefined,
      ...differs,
      fileSystemId,
      privateKey: this.privateKey,
    });
  }
}
