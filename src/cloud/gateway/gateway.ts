import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { type Random, randomUuid } from "../../base/random.ts";
import type { AccessRequest } from "../../policy/evaluate.ts";
import { principalArn } from "../../policy/principal.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { parseAmzDate, parseAuthorization, signatureMatches } from "../../wire/aws/sigv4.ts";
import type { Credential, Identities } from "../contracts/identities.ts";
import type { AuthorizationNeed, Call, Service } from "../contracts/service.ts";
import { bodyLimit, clockSkewMs, requestTimeoutMs } from "./limits.ts";
import {
  encodeAnswer,
  encodeError,
  findOperation,
  type HttpAnswer,
  type HttpRequest,
  refusal,
} from "./protocols.ts";

export interface GatewayOptions {
  readonly services: readonly Service[];
  readonly identities: Identities;
  /** Answers without a signature, by path: health, the CA's certificate. */
  readonly routes: Readonly<Record<string, () => HttpAnswer>>;
  /** Resolves once what was done so far survives a crash: nothing is answered before. */
  readonly durable: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly region: string;
  readonly accountId: string;
}

/** One port for every AWS API: each request passes the same named steps. */
export class Gateway {
  readonly #options: GatewayOptions;
  #server: Server | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** Resolves with the port once requests are accepted. */
  async listen(host: string, port: number): Promise<number> {
    const server = createServer({ requestTimeout: requestTimeoutMs }, (incoming, outgoing) => {
      void this.#serve(incoming, outgoing);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    return (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    let answer: HttpAnswer;
    try {
      const request = await readRequest(incoming);
      const route = this.#options.routes[request.path];
      answer =
        route !== undefined
          ? route()
          : await this.#answer(request, incoming.socket.remoteAddress ?? "");
    } catch (error) {
      answer = plainError(error);
    }
    outgoing.writeHead(answer.status, {
      ...answer.headers,
      "content-length": Buffer.byteLength(answer.body),
    });
    outgoing.end(answer.body);
  }

  async #answer(request: HttpRequest, sourceAddress: string): Promise<HttpAnswer> {
    const requestId = randomUuid(this.#options.random);
    const service = this.#findService(request);
    if (service === undefined) return unknownService(request, requestId);
    try {
      const asked = findOperation(service, request);
      const { name } = asked.operation;
      const row = service.operations[name];
      const credential = this.#authenticate(service, request);
      if (row === undefined) {
        throw new ApiError(
          service.protocol.kind === "awsJson1_1" ? "UnknownOperationException" : "InvalidAction",
          `Mooring does not have ${service.prefix}:${name} yet.`,
          { status: 501 },
        );
      }
      const call: Call = {
        requestId,
        region: this.#options.region,
        accountId: this.#options.accountId,
        principal: credential.principal,
        accessKeyId: credential.accessKeyId,
        sourceAddress,
        nowMs: this.#options.clock.nowMs(),
      };
      const input = asked.input();
      if (row.authorize !== "anyone") {
        for (const need of [row.authorize(input, call)].flat()) this.#allow(service, need, call);
      }
      const output: unknown = await row.handle(input, call);
      await this.#options.durable();
      return encodeAnswer(service, asked.operation, output, requestId);
    } catch (error) {
      return encodeError(service, this.#asApiError(error, service, requestId), requestId);
    }
  }

  /** By the signature's scope; where there is none, by what the request looks like. */
  #findService(request: HttpRequest): Service | undefined {
    const { services } = this.#options;
    const authorization = parseAuthorization(request.headers["authorization"] ?? "");
    const target = request.headers["x-amz-target"];
    return services.find(({ signingName, protocol }) => {
      if (authorization !== undefined) return authorization.service === signingName;
      if (protocol.kind === "awsJson1_1") return target?.startsWith(`${protocol.targetPrefix}.`);
      if (protocol.kind === "restJson1") return request.path.startsWith(protocol.basePath);
      return request.body.includes(`Version=${protocol.version}`);
    });
  }

  #authenticate({ protocol }: Service, request: HttpRequest): Credential {
    const { identities, clock, region } = this.#options;
    const header = request.headers["authorization"];
    if (header === undefined) {
      throw refusal(protocol, "missing", "Missing Authentication Token: sign the request.");
    }
    const authorization = parseAuthorization(header);
    if (authorization === undefined) {
      throw refusal(protocol, "signature", "The Authorization header is not AWS4-HMAC-SHA256's.");
    }
    const unsigned = mustBeSigned.find(
      (name) => request.headers[name] !== undefined && !authorization.signedHeaders.includes(name),
    );
    if (unsigned !== undefined) {
      const message = `'${unsigned}' must be a 'SignedHeader' in the AWS Authorization.`;
      throw refusal(protocol, "signature", message);
    }
    const signedAtMs = parseAmzDate(request.headers["x-amz-date"]);
    const nowMs = clock.nowMs();
    if (signedAtMs === undefined || Math.abs(nowMs - signedAtMs) > clockSkewMs) {
      const now = new Date(nowMs).toISOString();
      throw refusal(protocol, "signature", `Signature expired or not yet current; it is ${now}.`);
    }
    if (authorization.region !== region) {
      const message = `Credential should be scoped to a valid region, this is ${region}.`;
      throw refusal(protocol, "signature", message);
    }
    const credential = identities.credential(authorization.accessKeyId);
    const token = request.headers["x-amz-security-token"];
    if (credential === undefined || credential.sessionToken !== token) {
      const message = "The security token included in the request is invalid.";
      throw refusal(protocol, "unknown-key", message);
    }
    if (credential.expiresAtMs !== undefined && credential.expiresAtMs <= nowMs) {
      const message = "The security token included in the request is expired";
      throw refusal(protocol, "expired", message);
    }
    const signed = { ...request, query: request.rawQuery };
    if (!signatureMatches(signed, authorization, credential.secretAccessKey)) {
      throw refusal(
        protocol,
        "signature",
        "The request signature we calculated does not match the signature you provided. " +
          "Check your AWS Secret Access Key and signing method.",
      );
    }
    return credential;
  }

  #allow(service: Service, need: AuthorizationNeed, call: Call): void {
    const action = need.action.includes(":") ? need.action : `${service.prefix}:${need.action}`;
    const arn = principalArn(call.principal);
    const request: AccessRequest = {
      principal: call.principal,
      action,
      resource: need.resource,
      conditions: {
        "aws:sourceip": [call.sourceAddress.replace(/^::ffff:/, "")],
        "aws:securetransport": ["false"],
        "aws:currenttime": [new Date(call.nowMs).toISOString()],
        "aws:principalarn": [arn],
        "aws:principalaccount": [call.accountId],
        "aws:requestedregion": [call.region],
        ...need.conditions,
      },
    };
    const decision = this.#options.identities.decide(request);
    if (decision.allowed) return;
    const because =
      decision.why === "explicit-deny"
        ? "with an explicit deny in an identity-based policy"
        : `because no identity-based policy allows the ${action} action`;
    throw refusal(
      service.protocol,
      "denied",
      `User: ${arn} is not authorized to perform: ${action} on resource: ${need.resource} ${because}`,
    );
  }

  #asApiError(error: unknown, service: Service, requestId: string): ApiError {
    if (error instanceof ApiError) return error;
    this.#options.log.error({ error, requestId, service: service.prefix }, "an operation failed");
    return new ApiError("InternalFailure", `The service failed; its log has ${requestId}.`, {
      status: 500,
    });
  }
}

/** Headers that change what a request means: nobody on the way may. */
const mustBeSigned = ["host", "x-amz-date", "x-amz-target", "x-amz-security-token"];

async function readRequest(incoming: IncomingMessage): Promise<HttpRequest> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= bodyLimit) chunks.push(chunk);
  }
  // When all of it has come: a client that still sends doesn't look for an answer.
  if (length > bodyLimit) throw new BodyTooLarge();
  const url = incoming.url ?? "/";
  const mark = url.indexOf("?");
  const headers: Record<string, string | undefined> = {};
  // Joined as SigV4 signs them: without the space that Node puts between repeated ones.
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    headers[name] = values?.join(",");
  }
  return {
    method: incoming.method ?? "GET",
    path: mark < 0 ? url : url.slice(0, mark),
    rawQuery: mark < 0 ? "" : url.slice(mark + 1),
    headers,
    body: Buffer.concat(chunks),
  };
}

class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

function plainError(error: unknown): HttpAnswer {
  const tooLarge = error instanceof BodyTooLarge;
  const message = tooLarge
    ? `The body is larger than ${bodyLimit} bytes.`
    : "The request broke off.";
  const type = tooLarge ? "RequestEntityTooLargeException" : "IncompleteSignature";
  return {
    status: tooLarge ? 413 : 400,
    headers: { "content-type": "application/json", "x-amzn-ErrorType": type },
    body: JSON.stringify({ __type: type, message, Message: message }),
  };
}

function unknownService(request: HttpRequest, requestId: string): HttpAnswer {
  const scope = parseAuthorization(request.headers["authorization"] ?? "")?.service;
  const message =
    scope === undefined
      ? "The request is not signed, and nothing in it says which service it is for."
      : `Mooring does not have the service "${scope}".`;
  const type = scope === undefined ? "MissingAuthenticationTokenException" : "UnknownService";
  return {
    status: scope === undefined ? 403 : 501,
    headers: {
      "content-type": "application/json",
      "x-amzn-ErrorType": type,
      "x-amzn-requestid": requestId,
    },
    body: JSON.stringify({ __type: type, message, Message: message }),
  };
}
