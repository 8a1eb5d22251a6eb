// What tasks find at 169.254.170.2: their role's credentials and their metadata (facts §3.6, §3.7).
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { Log } from "../base/log.ts";
import { credentialRenewalSeconds } from "./limits.ts";
import type { AssignedTask } from "./task-feed.ts";

/** Access keys of a task's role. */
export interface TaskCredential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

export interface EndpointTask {
  readonly task: AssignedTask;
  /** Undefined where the task has no role. */
  readonly roleArn: string | undefined;
  /** What a container with that key is told; undefined where the task has no such container. */
  readonly metadata: (containerKey: string, kind: "container" | "task") => unknown;
}

export interface TaskEndpointOptions {
  /** Temporary credentials for a task's role; throws where the role can't be assumed. */
  readonly assume: (roleArn: string, taskId: string) => TaskCredential;
  readonly nowMs: () => number;
  readonly log: Log;
}

const credentialsPath = "/v2/credentials/";
const metadataPath = "/v4/";

export class TaskEndpoint {
  readonly #options: TaskEndpointOptions;
  /** By the secret part of the credentials' path. */
  readonly #tasks = new Map<string, EndpointTask>();
  readonly #issued = new Map<string, TaskCredential>();
  #server: Server | undefined;

  constructor(options: TaskEndpointOptions) {
    this.#options = options;
  }

  async listen(address: string, port: number): Promise<number> {
    const server = createServer((request, response) => {
      const { status, body } = this.#answer(request.url ?? "/");
      const text = JSON.stringify(body);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(text);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, address, resolve);
    });
    return (server.address() as AddressInfo).port;
  }

  register(credentialsId: string, task: EndpointTask): void {
    this.#tasks.set(credentialsId, task);
  }

  forget(credentialsId: string): void {
    this.#tasks.delete(credentialsId);
    this.#issued.delete(credentialsId);
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  #answer(url: string): { status: number; body: unknown } {
    if (url.startsWith(credentialsPath))
      return this.#credentials(url.slice(credentialsPath.length));
    if (url.startsWith(metadataPath)) return this.#metadata(url.slice(metadataPath.length));
    return { status: 404, body: `there is nothing at ${url}` };
  }

  #credentials(id: string): { status: number; body: unknown } {
    if (id === "") {
      return refusal("NoIdInRequest", "No Credential ID in the request", 400);
    }
    const known = this.#tasks.get(id);
    if (known?.roleArn === undefined) {
      return refusal("InvalidIdInRequest", "Credentials not found", 400);
    }
    try {
      const credential = this.#current(id, known.roleArn, known.task.taskId);
      return {
        status: 200,
        body: {
          RoleArn: known.roleArn,
          AccessKeyId: credential.accessKeyId,
          SecretAccessKey: credential.secretAccessKey,
          Token: credential.sessionToken,
          Expiration: new Date(credential.expiresAtMs ?? 0).toISOString(),
        },
      };
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, "a task's role can't be assumed");
      return refusal("CredentialsUninitialized", "Credentials uninitialized for ID", 503);
    }
  }

  #current(id: string, roleArn: string, taskId: string): TaskCredential {
    const issued = this.#issued.get(id);
    const renewAtMs = this.#options.nowMs() + credentialRenewalSeconds * 1000;
    if (issued !== undefined && (issued.expiresAtMs ?? 0) > renewAtMs) return issued;
    const fresh = this.#options.assume(roleArn, taskId);
    this.#issued.set(id, fresh);
    return fresh;
  }

  #metadata(rest: string): { status: number; body: unknown } {
    const [id = "", kind, ...more] = rest.split("/");
    const taskId = id.split("-")[0];
    const known = [...this.#tasks.values()].find(({ task }) => task.taskId === taskId);
    const served = (kind === undefined || kind === "task") && more.length === 0;
    const body = served ? known?.metadata(id, kind ?? "container") : undefined;
    if (body !== undefined) return { status: 200, body };
    return { status: 404, body: "V4 container metadata handler: unable to find the container" };
  }
}

function refusal(code: string, message: string, status: number): { status: number; body: unknown } {
  const body = { code, message: `CredentialsV2Request: ${message}`, HTTPErrorCode: status };
  return { status, body };
}
