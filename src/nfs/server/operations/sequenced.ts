// Owner seqids of NFSv4.0 with replay (RFC 7530 §9.1.7 to §9.1.9).
import { failed } from "../../../files/failure.ts";
import { Status, type StatusCode } from "../../../wire/nfs4/status.ts";
import type { Stateid } from "../../../wire/nfs4/stateid.ts";
import type { Compound } from "../compound.ts";
import type { Owner } from "../state/owner.ts";

/** After these the owner's seqid stays where it is (RFC 7530 §9.1.7). */
const unsequenced: ReadonlySet<number> = new Set([
  Status.STALE_CLIENTID,
  Status.STALE_STATEID,
  Status.BAD_STATEID,
  Status.BAD_SEQID,
  Status.BADXDR,
  Status.RESOURCE,
  Status.NOFILEHANDLE,
  Status.MOVED,
  Status.LEASE_MOVED,
]);

/** A request of an owner: what it answers, and which operation it is. */
export interface SequencedRequest {
  readonly operation: number;
  readonly seqid: number;
  readonly work: () => StatusCode;
}

/** Runs the work once; a retransmission is answered as before, another order is refused. */
export function inSequence(
  compound: Compound,
  owner: Owner,
  { operation, seqid, work }: SequencedRequest,
): StatusCode {
  if (owner.sequence !== undefined) {
    const { last } = owner;
    if (seqid === owner.sequence && last?.operation === operation) {
      compound.writer.room(last.body.length).set(last.body);
      const current = last.current === undefined ? undefined : compound.files.inode(last.current);
      if (current !== undefined && !failed(current)) compound.current = current;
      return last.status as StatusCode;
    }
    if (seqid !== (owner.sequence + 1) >>> 0) return Status.BAD_SEQID;
  }
  const start = compound.writer.length;
  const status = work();
  if (unsequenced.has(status)) return status;
  owner.sequence = seqid;
  owner.last = {
    operation,
    status,
    body: Uint8Array.prototype.slice.call(compound.writer.written(start)),
    current: compound.current?.number,
  };
  return status;
}

/** The same for an owner that is known by a stateid; NFSv4.1 runs the work as it is. */
export function inSequenceOf(
  compound: Compound,
  stateid: Stateid,
  kind: "open" | "lock",
  request: SequencedRequest,
): StatusCode {
  if (compound.minorVersion !== 0) return request.work();
  const owner = compound.ownerOf(stateid, kind);
  return typeof owner === "number" ? owner : inSequence(compound, owner, request);
}
