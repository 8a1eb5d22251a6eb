import { Status, statusName } from "../../wire/nfs4/status.ts";

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

/** What a server that restarted meanwhile doesn't know is closed. */
export function unlessForgotten(error: unknown): void {
  const isForgotten =
    error instanceof NfsError &&
    (error.status === Status.BAD_STATEID || error.status === Status.STALE);
  if (!isForgotten) throw error;
}
