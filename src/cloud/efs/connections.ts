/** What became of one connection to a mount target: CloudTrail's NewClientConnection, and more. */
export interface ConnectionRecord {
  readonly atMs: number;
  readonly event: "NewClientConnection" | "Refused" | "UpdateClientConnection";
  readonly sourceAddress: string;
  readonly mountTargetAddress: string;
  readonly mountTargetId: string | undefined;
  readonly fileSystemId: string | undefined;
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

/** Records kept; the oldest go first. */
const recordsLimit = 1000;

/** The latest connections, for `moor connections` and `moor explain`. */
export class Connections {
  readonly #records: ConnectionRecord[] = [];

  add(record: ConnectionRecord): void {
    this.#records.push(record);
    if (this.#records.length > recordsLimit) this.#records.shift();
  }

  /** The newest last. */
  list(): readonly ConnectionRecord[] {
    return this.#records;
  }
}
