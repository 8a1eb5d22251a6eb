import { type Operation, operation, type Service } from "../contracts/service.ts";

/** Whatever there is to tell about connections; the shape is `cloud/efs`'s. */
export interface ConnectionList {
  /** The latest events, and the latest of each connection that is open. */
  list(): readonly unknown[];
  open(): readonly unknown[];
}

const operationKind = 9;
const structureKind = 3;
const documentKind = 15;
const empty = [structureKind, "mooring", "Empty", 0, [], []];

/** Shapes as the SDK's clients carry them: what AWS has no API for. */
const schemas = {
  ListConnections$: [
    operationKind,
    "mooring",
    "ListConnections",
    0,
    empty,
    [
      structureKind,
      "mooring",
      "ListConnectionsResponse",
      0,
      ["connections", "open"],
      [documentKind, documentKind],
    ],
  ],
};

/** Mooring's own API: what happened on the mount targets. */
export function mooringService(connections: ConnectionList): Service {
  const operations: Record<string, Operation> = {
    ListConnections: operation({
      authorize: () => ({ action: "ListConnections", resource: "*" }),
      handle: () => ({ connections: connections.list(), open: connections.open() }),
    }),
  };
  return {
    prefix: "mooring",
    signingName: "mooring",
    protocol: { kind: "awsJson1_1", targetPrefix: "Mooring" },
    schemas,
    operations,
  };
}
