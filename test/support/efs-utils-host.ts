import type { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import type { Instance } from "./instance.ts";
import { MountCertificates } from "./mount-certificates.ts";
import type { MountTarget } from "./mount-target.ts";
import { connectTcp, nfsClient } from "./nfs.ts";
import { Stunnel } from "./stunnel.ts";

/** A host that mounts with amazon-efs-utils and its option `stunnel`. */
export class EfsUtilsHost {
  readonly certificates = new MountCertificates();
  readonly #instance: Instance;

  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /** Runs stunnel with that certificate while `work` lasts. */
  async tunnel<T>(
    target: MountTarget,
    certificatePem: string,
    work: (stunnel: Stunnel) => Promise<T>,
  ): Promise<T> {
    const stunnel = await Stunnel.start({
      address: target.address,
      nfsPort: this.#instance.nfsPort,
      checkHost: `${target.fileSystemId}.efs.us-east-1.amazonaws.com`,
      caFile: this.#instance.api().session.caFile,
      certificatePem,
      keyPem: this.certificates.keyPem,
    });
    try {
      return await work(stunnel);
    } finally {
      await stunnel.end();
    }
  }
}

/** A client that mounts through the tunnel, as mount.nfs4 would, while `work` lasts. */
export async function mountThrough<T>(
  stunnel: Stunnel,
  work: (client: NfsClient) => Promise<T>,
): Promise<T> {
  const client = nfsClient(() => connectTcp("127.0.0.1", stunnel.port));
  try {
    const result = await work(client);
    await client.disconnect(1000);
    return result;
  } finally {
    client.close();
  }
}
