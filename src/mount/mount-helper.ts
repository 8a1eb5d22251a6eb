import { readFileSync } from "node:fs";
import { hostname } from "node:os";

import type { Clock } from "../base/clock.ts";
import { buildMountCertificate } from "../wire/x509/mount-certificate-codec.ts";
import {
  type MountDriver,
  type MountedDirectory,
  MountFailed,
  type MountFailureReason,
  type TlsIdentity,
} from "./driver.ts";
import { hostKey } from "./host-key.ts";
import { attemptMs, attempts, certificateRenewalMs, nfsPort } from "./limits.ts";
import type { MountOptions } from "./options.ts";

/** Access keys as IAM and STS give them. */
export interface MountCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

export interface HelperRequest {
  readonly fileSystemId: string;
  readonly path: string;
  readonly directory: string;
  readonly options: MountOptions;
  readonly region: string;
  /** End of the mount targets' names, e.g. "amazonaws.com". */
  readonly dnsSuffix: string;
  readonly address: string;
  /** Who vouches for the servers' certificates. */
  readonly caFile: string;
  readonly stateDirectory: string;
  readonly source: string;
  readonly version: string;
  readonly clock: Clock;
  /** With the option `iam`; asked again for every renewal. */
  readonly credentials: () => Promise<MountCredentials>;
}

/** What the helper prints and exits with when it gives up, word for word as on AWS (§3.5). */
export class MountGivenUp extends Error {
  override readonly name = "MountGivenUp";
  readonly exitCode = 32;
}

/** Chooses, connects and mounts as `mount -t efs` does: three attempts of 15 seconds (§1.1). */
export async function mountFileSystem(
  request: HelperRequest,
  driver: MountDriver,
): Promise<MountedDirectory> {
  const identity = request.options.tls ? await TlsIdentities.prepare(request) : undefined;
  const source = request.options.tls ? `127.0.0.1:${request.path}` : dnsSource(request);
  const before: string[] = [];
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await driver.mount({
        address: request.address,
        port: request.options.port ?? nfsPort,
        path: request.path,
        directory: request.directory,
        readOnly: request.options.readOnly,
        ...(identity && { tls: () => identity.current() }),
        source,
        timeoutMs: attemptMs,
      });
    } catch (error) {
      if (!(error instanceof MountFailed)) throw error;
      const isLast = attempt === attempts;
      if (!isLast && error.reason === "timed-out") {
        before.push(
          `Mount attempt ${attempt}/${attempts} failed due to timeout after ` +
            `${attemptMs / 1000} sec, wait 0 sec before next attempt. `,
        );
        continue;
      }
      if (!isLast && error.reason === "connection-reset") continue;
      const sentence = sentences[error.reason](source, error.message);
      throw new MountGivenUp(`${before.join("")}b'mount.nfs4: ${sentence}'`);
    }
  }
}

const sentences: Record<MountFailureReason, (source: string, detail: string) => string> = {
  "access-denied": (source) => `access denied by server while mounting ${source}`,
  "timed-out": () => "Connection timed out",
  "connection-reset": () => "Connection reset by peer",
  "connection-refused": () => "Connection refused",
  "no-such-path": (source) =>
    `mounting ${source} failed, reason given by server: No such file or directory`,
  "not-a-directory": (source) =>
    `mounting ${source} failed, reason given by server: Not a directory`,
  system: (_source, detail) => `mount system call failed: ${detail}`,
};

function serverName({ fileSystemId, region, dnsSuffix }: HelperRequest): string {
  return `${fileSystemId}.efs.${region}.${dnsSuffix}`;
}

function dnsSource(request: HelperRequest): string {
  return `${serverName(request)}:${request.path}`;
}

/** Certificates for the connections of one mount: renewed every hour, the key stays (§1.7). */
class TlsIdentities {
  readonly #request: HelperRequest;
  #identity: TlsIdentity;
  #serial = 0;

  private constructor(request: HelperRequest, identity: TlsIdentity) {
    this.#request = request;
    this.#identity = identity;
  }

  static async prepare(request: HelperRequest): Promise<TlsIdentities> {
    const identities = new TlsIdentities(request, await makeIdentity(request, 0));
    identities.#renewLater();
    return identities;
  }

  current(): TlsIdentity {
    return this.#identity;
  }

  #renewLater(): void {
    this.#request.clock.schedule(certificateRenewalMs, () => {
      this.#serial += 1;
      makeIdentity(this.#request, this.#serial).then(
        (identity) => {
          this.#identity = identity;
        },
        // The former one holds for three hours: the next renewal may have more luck.
        () => {},
      );
      this.#renewLater();
    });
  }
}

async function makeIdentity(request: HelperRequest, serial: number): Promise<TlsIdentity> {
  const { options } = request;
  const privateKey = hostKey(request.stateDirectory);
  const certificatePem = buildMountCertificate({
    fileSystemId: request.fileSystemId,
    accessPointId: options.accessPointId,
    region: request.region,
    hostName: hostname(),
    serial,
    nowMs: request.clock.nowMs(),
    privateKey,
    source: request.source,
    version: request.version,
    credentials: options.iam ? await request.credentials() : undefined,
  });
  return {
    certificatePem,
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }),
    caPem:
      options.verify === 0 ? undefined : readFileSync(options.caFile ?? request.caFile, "utf8"),
    serverName: serverName(request),
  };
}
