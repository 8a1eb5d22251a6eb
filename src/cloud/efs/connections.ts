/** What became of one connection to a mount target: CloudTrail's events (facts §2.2), and more. */
export interface ConnectionRecord {
  /** Of all records of one connection; undefined for those that were never served. */
  readonly connection: number | undefined;
  readonly atMs: number;
  /** A new connection, one whose permissions changed, or one that security groups let not through. */
  readonly event: "NewClientConnection" | "Refused" | "UpdateClientConnection";
  readonly sourceAddress: string;
  readonly mountTargetAddress: string;
  readonly mountTargetId: string | undefined;
  readonly fileSystemId: string | undefined;
  readonly fileSystemArn: string | undefined;
  readonly accessPointId: string | undefined;
  readonly secure: boolean;
  readonly principal: string;
  readonly permissions: {
    readonly ClientMount: boolean;
    readonly ClientWrite: boolean;
    readonly ClientRootAccess: boolean;
  };
  /** Why not everything was permitted, in one sentence. */
  readonly reason: string | undefined;
  /** Security groups that let nothing through, with the direction that lacks the rule. */
  readonly blocked:
    | { readonly direction: string; readonly securityGroupIds: readonly string[] }
    | undefined;
}

/** Records kept; the oldest go first. One change of a policy makes one for each connection. */
const recordsLimit = 10_000;

/** The latest events of connections, and those that are open, for `moor connections` and `moor explain`. */
export class Connections {
  #records: ConnectionRecord[] = [];
  /** By the connection's number, its newest record. */
  readonly #open = new Map<number, ConnectionRecord>();
  #last = 0;

  /** A number for a new connection. */
  next(): number {
    this.#last += 1;
    return this.#last;
  }

  add(record: ConnectionRecord): void {
    if (record.connection !== undefined) this.#open.set(record.connection, record);
    this.#records.push(record);
    // Not one by one: moving the whole list each time would cost more than all the rest.
    if (this.#records.length >= 2 * recordsLimit) this.#records = this.list();
  }

  closed(connection: number): void {
    this.#open.delete(connection);
  }

  /** The newest last. */
  list(): ConnectionRecord[] {
    return this.#records.slice(-recordsLimit);
  }

  /** The newest record of each connection that is open, the oldest connection first. */
  open(): ConnectionRecord[] {
    return [...this.#open.values()];
  }
}
