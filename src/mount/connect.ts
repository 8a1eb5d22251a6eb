import net, { type NetConnectOpts, type Socket } from "node:net";
import tls from "node:tls";

import type { MountRequest, TlsIdentity } from "./driver.ts";

/** Where the connection puts what arrives, instead of giving it away as data. */
export interface ReadTarget {
  space(): Uint8Array;
  received(length: number): void;
}

const certificateIsWrong = "the server's certificate is not for this file system";

/** A connection to the mount target, plain or TLS, as the helper makes it (facts §1.5). */
export function connectTo(
  request: MountRequest,
  signal?: AbortSignal,
  target?: ReadTarget,
): Promise<Socket> {
  const options: NetConnectOpts = {
    host: request.address,
    port: request.port,
    noDelay: true,
    ...(target && {
      onread: {
        buffer: () => target.space(),
        callback: (length: number) => {
          target.received(length);
          return true;
        },
      },
    }),
  };
  const identity = request.tls?.();
  const socket = identity === undefined ? net.connect(options) : secured(options, identity);
  const ready = identity === undefined ? "connect" : "secureConnect";
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const isName = error.code === "ERR_TLS_CERT_ALTNAME_INVALID";
      reject(isName ? new Error(certificateIsWrong, { cause: error }) : error);
    };
    signal?.addEventListener("abort", () => socket.destroy(), { once: true });
    socket.once("error", fail);
    socket.once("close", () => reject(new Error("the connection was given up")));
    socket.once(ready, () => {
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function secured(options: NetConnectOpts, identity: TlsIdentity): tls.TLSSocket {
  return tls.connect({
    ...options,
    servername: identity.serverName,
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
    rejectUnauthorized: identity.caPem !== undefined,
    ...(identity.caPem !== undefined && { ca: identity.caPem }),
  } as tls.ConnectionOptions);
}
