import net, { type Socket } from "node:net";
import tls from "node:tls";

import type { MountRequest } from "./driver.ts";

const certificateIsWrong = "the server's certificate is not for this file system";

/** A connection to the mount target, plain or TLS, as the helper makes it (facts §1.5). */
export function connectTo(request: MountRequest, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: request.address, port: request.port, noDelay: true });
    signal?.addEventListener("abort", () => socket.destroy(), { once: true });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the connection was given up")));
    socket.once("connect", () => {
      if (request.tls === undefined) {
        socket.off("error", reject);
        resolve(socket);
        return;
      }
      secure(socket, request.tls()).then(resolve, reject);
    });
  });
}

function secure(
  socket: Socket,
  identity: NonNullable<ReturnType<NonNullable<MountRequest["tls"]>>>,
): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const secured = tls.connect({
      socket,
      servername: identity.serverName,
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      rejectUnauthorized: identity.caPem !== undefined,
      ...(identity.caPem !== undefined && { ca: identity.caPem }),
    });
    secured.once("error", (error: NodeJS.ErrnoException) => {
      const isName = error.code === "ERR_TLS_CERT_ALTNAME_INVALID";
      reject(isName ? new Error(certificateIsWrong, { cause: error }) : error);
    });
    secured.once("secureConnect", () => resolve(secured));
  });
}
