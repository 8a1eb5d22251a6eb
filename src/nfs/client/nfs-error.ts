import { statusName } from "../../wire/nfs4/status.ts";

/** An operation failed with an NFS status. */
export class NfsError extends Error {
  override readonly name = "NfsError";
  readonly status: number;

  constructor(status: number, operation: string) {
    super(`${operation}: ${statusName(status)}`);
    this.status = status;
  }
}

/** The client was closed while the request waited. */
export class ClientClosed extends Error {
  override readonly name = "ClientClosed";
}
