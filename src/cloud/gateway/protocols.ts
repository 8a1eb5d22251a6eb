// What the four protocols do differently: finding the operation, reading input, writing answers.
import { ApiError } from "../../wire/aws/api-error.ts";
import { fromJson, parseJsonBody, toJson } from "../../wire/aws/json.ts";
import { fromQuery } from "../../wire/aws/query.ts";
import { fromRest, matchPath, restBody } from "../../wire/aws/rest.ts";
import {
  errorShape,
  operationNamesOf,
  operationShape,
  type OperationShape,
} from "../../wire/aws/shape.ts";
import { element, escape, toXml } from "../../wire/aws/xml.ts";
import type { Protocol, Service } from "../contracts/service.ts";

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly rawQuery: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The operation that a request asks for, with how to read its input. */
export interface Asked {
  readonly operation: OperationShape;
  readonly input: () => unknown;
}

/** Throws `ApiError` where the service has no such operation. */
export function findOperation(service: Service, request: HttpRequest): Asked {
  switch (service.protocol.kind) {
    case "awsJson1_1":
      return findJson(service, request, service.protocol.targetPrefix);
    case "restJson1":
      return findRest(service, request);
    case "awsQuery":
    case "ec2Query":
      return findQuery(service, request, service.protocol.kind);
  }
}

function findJson(service: Service, request: HttpRequest, prefix: string): Asked {
  const target = request.headers["x-amz-target"] ?? "";
  const name = target.startsWith(`${prefix}.`) ? target.slice(prefix.length + 1) : "";
  const operation = operationShape(service.schemas, name);
  if (operation === undefined) {
    throw new ApiError("UnknownOperationException", `There is no operation "${target}".`);
  }
  return { operation, input: () => fromJson(operation.input, parseJsonBody(request.body)) };
}

function findRest(service: Service, request: HttpRequest): Asked {
  for (const name of operationNamesOf(service.schemas)) {
    const operation = operationShape(service.schemas, name)!;
    const labels = matchPath(operation, request.method, request.path);
    if (labels === undefined) continue;
    const query = new Map<string, string[]>();
    for (const [key, value] of new URLSearchParams(request.rawQuery)) {
      query.set(key, [...(query.get(key) ?? []), value]);
    }
    return { operation, input: () => fromRest(operation, labels, { ...request, query }) };
  }
  throw new ApiError(
    "UnknownOperationException",
    `There is no operation at ${request.method} ${request.path}.`,
    { status: 404 },
  );
}

function findQuery(
  service: Service,
  request: HttpRequest,
  dialect: "awsQuery" | "ec2Query",
): Asked {
  const parameters = new Map([
    ...new URLSearchParams(request.rawQuery),
    ...new URLSearchParams(request.body.toString("utf8")),
  ]);
  const name = parameters.get("Action") ?? "";
  const operation = operationShape(service.schemas, name);
  if (operation === undefined) {
    throw new ApiError("InvalidAction", `The action ${name} is not valid for this endpoint.`);
  }
  return { operation, input: () => fromQuery(operation.input, parameters, dialect) };
}

export function encodeAnswer(
  service: Service,
  operation: OperationShape,
  output: unknown,
  requestId: string,
): HttpAnswer {
  const { protocol } = service;
  switch (protocol.kind) {
    case "awsJson1_1":
      return {
        status: 200,
        headers: jsonHeaders(protocol, requestId),
        body: JSON.stringify(toJson(operation.output, output ?? {}) ?? {}),
      };
    case "restJson1":
      return {
        status: operation.http.status,
        headers: jsonHeaders(protocol, requestId),
        body: restBody(operation, output),
      };
    case "awsQuery": {
      const result = element(`${operation.name}Result`, toXml(operation.output, output));
      const metadata = element("ResponseMetadata", element("RequestId", requestId));
      const inner = result + metadata;
      return xmlAnswer(
        200,
        element(`${operation.name}Response`, inner, namespace(protocol)),
        requestId,
      );
    }
    case "ec2Query": {
      const members = toXml(operation.output, output);
      const inner =
        element("requestId", requestId) + (members === "" ? "<return>true</return>" : members);
      return xmlAnswer(
        200,
        element(`${operation.name}Response`, inner, namespace(protocol)),
        requestId,
      );
    }
  }
}

export function encodeError(service: Service, error: ApiError, requestId: string): HttpAnswer {
  const { protocol, schemas } = service;
  const shape = errorShape(schemas, error.code);
  const status = error.status ?? shape?.status ?? 400;
  const { message } = error;
  switch (protocol.kind) {
    case "awsJson1_1": {
      const body = { __type: error.code, message, ...error.members };
      return { status, headers: jsonHeaders(protocol, requestId), body: JSON.stringify(body) };
    }
    case "restJson1": {
      const headers = {
        ...jsonHeaders(protocol, requestId),
        "x-amzn-ErrorType": error.code,
      };
      const body = { ErrorCode: error.code, Message: message, ...error.members };
      return { status, headers, body: JSON.stringify(body) };
    }
    case "awsQuery": {
      const type = element("Type", status >= 500 ? "Receiver" : "Sender");
      const code = element("Code", shape?.queryCode ?? error.code);
      const inner = element("Error", type + code + element("Message", escape(message)));
      const whole = inner + element("RequestId", requestId);
      return xmlAnswer(status, element("ErrorResponse", whole, namespace(protocol)), requestId);
    }
    case "ec2Query": {
      const inner = element("Code", error.code) + element("Message", escape(message));
      const errors = element("Errors", element("Error", inner));
      const whole = element("Response", errors + element("RequestID", requestId));
      return xmlAnswer(status, whole, requestId);
    }
  }
}

/** What went wrong with who asks; each protocol has its own names for it (facts §4.2). */
export type Refusal = "denied" | "expired" | "missing" | "signature" | "unknown-key";

const refusalCodes: Record<Protocol["kind"], Record<Refusal, string>> = {
  awsJson1_1: {
    denied: "AccessDeniedException",
    expired: "ExpiredTokenException",
    missing: "MissingAuthenticationTokenException",
    signature: "InvalidSignatureException",
    "unknown-key": "UnrecognizedClientException",
  },
  restJson1: {
    denied: "AccessDeniedException",
    expired: "ExpiredTokenException",
    missing: "MissingAuthenticationTokenException",
    signature: "InvalidSignatureException",
    "unknown-key": "UnrecognizedClientException",
  },
  awsQuery: {
    denied: "AccessDenied",
    expired: "ExpiredToken",
    missing: "MissingAuthenticationToken",
    signature: "SignatureDoesNotMatch",
    "unknown-key": "InvalidClientTokenId",
  },
  ec2Query: {
    denied: "UnauthorizedOperation",
    expired: "RequestExpired",
    missing: "MissingAuthenticationToken",
    signature: "AuthFailure",
    "unknown-key": "AuthFailure",
  },
};

export function refusal(protocol: Protocol, kind: Refusal, message: string): ApiError {
  const code = refusalCodes[protocol.kind][kind];
  const status = protocol.kind === "awsJson1_1" ? 400 : code === "AuthFailure" ? 401 : 403;
  return new ApiError(code, message, { status });
}

function jsonHeaders(protocol: Protocol, requestId: string): Record<string, string> {
  const type = protocol.kind === "awsJson1_1" ? "application/x-amz-json-1.1" : "application/json";
  return { "content-type": type, "x-amzn-requestid": requestId };
}

function xmlAnswer(status: number, body: string, requestId: string): HttpAnswer {
  return {
    status,
    headers: { "content-type": "text/xml;charset=UTF-8", "x-amzn-requestid": requestId },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
  };
}

function namespace(protocol: Protocol): string {
  return "xmlNamespace" in protocol ? ` xmlns="${protocol.xmlNamespace}"` : "";
}
