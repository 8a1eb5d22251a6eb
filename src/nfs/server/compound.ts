import type { Caller, FileSystem, Inode } from "../../files/file-system.ts";
import { EACCES, type Failure, type FailureCode } from "../../files/failure.ts";

import { Status, type StatusCode } from "../../wire/nfs4/status.ts";
import { anonymousStateid, isSpecial, seqidsAhead, type Stateid } from "../../wire/nfs4/stateid.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import type { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import type { ConnectionGrant } from "./admission.ts";
import type { FileSystemState } from "./state/file-system-state.ts";
import type { Client, Lock, Open, Speaker } from "./state/client.ts";
import type { Owner } from "./state/owner.ts";
import type { Session, Slot } from "./state/session.ts";

/** What an operation answers: now, or later where contents have to be fetched. */
export type Outcome = StatusCode | Promise<StatusCode>;

/** A request, and where it came from. */
export interface CompoundRequest {
  reader: XdrReader;
  writer: XdrWriter;
  readonly grant: ConnectionGrant;
  /** The name of the connection's view. */
  readonly view: string;
  /** The connection itself. */
  readonly speaker: Speaker;
  readonly state: FileSystemState;
  readonly credential: AuthSys | undefined;
  readonly bootVerifier: Uint8Array;
  /** Bytes of the RPC record. */
  readonly requestLength: number;
  /** NFSv4.0: what a retransmission of the request is known by. */
  readonly duplicate: string | undefined;
}

/**
 * One compound while it runs (RFC 8881 §2.10.6, §16.2): where its arguments are read and its
 * results written, who asks, and the current and saved file handles. When it is answered it can
 * begin anew with another request.
 */
export class Compound {
  reader!: XdrReader;
  writer!: XdrWriter;
  grant!: ConnectionGrant;
  view!: string;
  speaker!: Speaker;
  state!: FileSystemState;
  files!: FileSystem;
  credential: AuthSys | undefined;
  caller!: Caller;
  bootVerifier!: Uint8Array;
  requestLength!: number;
  duplicate: string | undefined;
  minorVersion!: 0 | 1;
  operationCount!: number;
  /** The connection may not mount: of the root, which is current, it gets handle and attributes. */
  seesRootOnly!: boolean;
  current: Inode | undefined;
  saved: Inode | undefined;
  currentStateid!: Stateid;
  savedStateid!: Stateid;
  session: Session | undefined;
  slot: Slot | undefined;
  keepReply!: boolean;
  /** Where in the writer the whole result begins, and where it must end. */
  resultStart!: number;
  resultEnd!: number;
  /** Which limit of the session's that is. */
  tooBig!: StatusCode;
  /** Files whose data must be durable before the reply goes out. */
  readonly commits: Inode[] = [];
  /** Somebody got an open or a lock, which may have to be reclaimed after a crash. */
  grantsState!: boolean;
  /** The reply that was sent before, where the request is a retransmission. */
  replay: Uint8Array | undefined;
  /** There is no reply: the connection is to be closed. */
  hangsUp!: boolean;
  #appliedBefore!: number;
  #recordsBefore!: number;
  #named: Client | undefined;
  #namesOthersSession!: boolean;

  constructor(request: CompoundRequest) {
    this.begin(request);
  }

  /** Nothing of the request before stays. */
  begin(request: CompoundRequest): void {
    this.reader = request.reader;
    this.writer = request.writer;
    this.grant = request.grant;
    this.view = request.view;
    this.speaker = request.speaker;
    this.state = request.state;
    this.files = request.state.files;
    this.credential = request.credential;
    this.caller = callerOf(request.grant, request.credential);
    this.bootVerifier = request.bootVerifier;
    this.requestLength = request.requestLength;
    this.duplicate = request.duplicate;
    this.minorVersion = 1;
    this.operationCount = 0;
    this.seesRootOnly = false;
    this.current = undefined;
    this.saved = undefined;
    this.currentStateid = anonymousStateid;
    this.savedStateid = anonymousStateid;
    this.session = undefined;
    this.slot = undefined;
    this.keepReply = false;
    this.resultStart = 0;
    this.resultEnd = Infinity;
    this.tooBig = Status.REP_TOO_BIG;
    if (this.commits.length > 0) this.commits.length = 0;
    this.grantsState = false;
    this.replay = undefined;
    this.hangsUp = false;
    this.#appliedBefore = request.state.files.applied;
    this.#recordsBefore = request.state.recordsApplied;
    this.#named = undefined;
    this.#namesOthersSession = false;
  }

  /** Whether the reply must not be ahead of the records of who may reclaim. */
  get awaitsRecords(): boolean {
    const { recordsApplied, recordsDurable } = this.state;
    if (recordsApplied === recordsDurable) return false;
    return this.grantsState || recordsApplied !== this.#recordsBefore;
  }

  /** Whether a crash could still take back what the reply says. */
  get awaitsDurability(): boolean {
    const hasChanged = this.files.applied !== this.#appliedBefore;
    return hasChanged || this.commits.length > 0 || this.awaitsRecords;
  }

  /** The client of the session, or in NFSv4.0 the one that the operation named. */
  get client(): Client {
    return this.session?.client ?? this.#named!;
  }

  /** The client with this id, if it is one for this connection and minor version. */
  clientNamed(instance: number, number: number): Client | undefined {
    const client = instance === this.state.instance ? this.state.client(number) : undefined;
    return client !== undefined && this.#mayUse(client) ? client : undefined;
  }

  sessionNamed(instance: number, clientNumber: number, number: number): Session | undefined {
    const session = this.state.session(instance, clientNumber, number);
    if (session === undefined || this.#mayUse(session.client)) return session;
    this.#namesOthersSession = true;
    return undefined;
  }

  /**
   * The session that was named isn't there. A mount whose credentials ran out before its tunnel had
   * new ones is to find everything when it has them: told that its session is gone it would give all
   * up, and its tunnel would dial no more. So it hears nothing, and the tunnel dials again.
   */
  refuseSession(): StatusCode {
    this.hangsUp = this.#namesOthersSession && !this.grant.permissions.mount;
    return Status.BADSESSION;
  }

  /** Nothing that a client has is there for connections of another view (decision 9). */
  #mayUse(client: Client): boolean {
    return client.view === this.view && client.minorVersion === this.minorVersion;
  }

  /** NFSv4.0: the operation is for this clientid. Returns why it can't be. */
  actAs(instance: number, number: number): StatusCode | undefined {
    const client = this.clientNamed(instance, number);
    if (client === undefined) {
      const expired = instance === this.state.instance && this.state.wasClient(number);
      return expired ? Status.EXPIRED : Status.STALE_CLIENTID;
    }
    if (!client.confirmed) return Status.STALE_CLIENTID;
    this.#named = client;
    this.state.renew(client);
    return undefined;
  }

  /**
   * Why the results that are still to come, of `length` bytes at most, don't fit. There is always
   * room for why the next operation fails.
   */
  refuseLength(length: number, isLast: boolean): StatusCode | undefined {
    const end = this.writer.length + length + (isLast ? 0 : largestRefusal);
    return end > this.resultEnd ? this.tooBig : undefined;
  }

  /** Refuses what changes something where the connection may only read (facts §2.3). */
  refuseWrite(): StatusCode | undefined {
    return this.grant.permissions.write ? undefined : Status.ROFS;
  }

  /** The current stateid stands for the one that the compound made or used last (§16.2.3.1.2). */
  effective(stateid: Stateid): Stateid {
    if (this.minorVersion === 0) return stateid;
    const { seqid, other0, other1, other2 } = stateid;
    const isCurrent = seqid === 1 && other0 === 0 && other1 === 0 && other2 === 0;
    return isCurrent ? this.currentStateid : stateid;
  }

  /** The open or lock that a stateid names, checked as RFC 8881 §8.2.4 says. */
  find(given: Stateid): Open | Lock | StatusCode {
    const found = this.findUnconfirmed(given);
    if (this.minorVersion === 1 || typeof found === "number" || found.kind === "lock") return found;
    // What an owner opened is of no use before it confirmed it (RFC 7530 §16.18.5).
    return this.owner("open", found.owner).confirmed ? found : Status.BAD_STATEID;
  }

  /** The same, where NFSv4.0's owner need not have confirmed it. */
  findUnconfirmed(given: Stateid): Open | Lock | StatusCode {
    const stateid = this.effective(given);
    if (isSpecial(stateid)) return Status.BAD_STATEID;
    const misplaced = this.#enter(stateid);
    if (misplaced !== undefined) return misplaced;
    const found = this.client.states.get(stateid.other2);
    if (found === undefined) return Status.BAD_STATEID;
    if (stateid.seqid === 0 && this.minorVersion === 1) return found;
    const ahead = seqidsAhead(stateid.seqid, found.seqid);
    if (ahead < 0) return Status.OLD_STATEID;
    return ahead > 0 ? Status.BAD_STATEID : found;
  }

  /** NFSv4.0: whose request a stateid makes it, also where it was closed by the last one. */
  ownerOf(stateid: Stateid, kind: "open" | "lock"): Owner | StatusCode {
    if (isSpecial(stateid)) return Status.BAD_STATEID;
    const misplaced = this.#enter(stateid);
    if (misplaced !== undefined) return misplaced;
    const { client } = this;
    const held = client.states.get(stateid.other2);
    if (held?.kind === kind)
      return this.owner(kind, held.kind === "open" ? held.owner : held.lockOwner);
    for (const owner of client.openOwners.values()) {
      if (kind === "open" && owner.closed === stateid.other2) return owner;
    }
    return Status.BAD_STATEID;
  }

  owner(kind: "open" | "lock", name: string): Owner {
    const owners = kind === "open" ? this.client.openOwners : this.client.lockOwners;
    return owners.of(name);
  }

  /** Whether a stateid is of this server and client; in NFSv4.0 it says which client asks. */
  #enter({ other0, other1 }: Stateid): StatusCode | undefined {
    const { instance } = this.state;
    if (this.minorVersion === 0) {
      if (other0 !== instance) return Status.STALE_STATEID;
      const refused = this.actAs(other0, other1);
      return refused === Status.STALE_CLIENTID ? Status.BAD_STATEID : refused;
    }
    return other0 === instance && other1 === this.client.number ? undefined : Status.BAD_STATEID;
  }

  stateidOf(held: Open | Lock): Stateid {
    return {
      seqid: held.seqid,
      other0: this.state.instance,
      other1: held.client.number,
      other2: held.number,
    };
  }
}

/** Bytes of an operation that fails: its number, its status and what SETATTR says besides. */
const largestRefusal = 12;

/** Who introduces a client: nobody else may replace it while it holds something. */
export function principalOf({ credential }: Compound): string {
  return String(credential?.uid ?? "none");
}

const nobody = 65_534;

/** The access point's user replaces everybody; root without ClientRootAccess becomes nobody. */
function callerOf(grant: ConnectionGrant, credential: AuthSys | undefined): Caller {
  const asked = grant.identity ?? {
    uid: credential?.uid ?? nobody,
    gid: credential?.gid ?? nobody,
    groups: credential?.gids ?? [],
  };
  if (grant.permissions.root) return asked;
  if (asked.uid !== 0 && asked.gid !== 0 && !asked.groups.includes(0)) return asked;
  return {
    uid: asked.uid === 0 ? nobody : asked.uid,
    gid: asked.gid === 0 ? nobody : asked.gid,
    groups: asked.groups.filter((group) => group !== 0),
  };
}

const statusByCode: Record<FailureCode, StatusCode> = {
  EACCES: Status.ACCESS,
  EAGAIN: Status.DELAY,
  EBADF: Status.OPENMODE,
  EDQUOT: Status.DQUOT,
  EEXIST: Status.EXIST,
  EFBIG: Status.FBIG,
  EINVAL: Status.INVAL,
  EIO: Status.IO,
  EISDIR: Status.ISDIR,
  ELOOP: Status.SYMLINK,
  EMLINK: Status.MLINK,
  ENAMETOOLONG: Status.NAMETOOLONG,
  ENOENT: Status.NOENT,
  ENOSPC: Status.NOSPC,
  ENOTDIR: Status.NOTDIR,
  ENOTEMPTY: Status.NOTEMPTY,
  ENXIO: Status.NXIO,
  EPERM: Status.PERM,
  EROFS: Status.ROFS,
  ESTALE: Status.STALE,
  EXDEV: Status.XDEV,
};

export function statusOf(failure: Failure): StatusCode {
  return statusByCode[failure.code];
}

/** The object is not of the type that the operation is for; NFSv4.0 has no word for it. */
export function wrongType({ minorVersion }: Compound): StatusCode {
  return minorVersion === 0 ? Status.INVAL : Status.WRONG_TYPE;
}

/** Whether the caller may read or write the contents, with what it takes to run a program. */
export function mayUse(compound: Compound, inode: Inode, wanted: number): Failure | undefined {
  const granted = compound.files.access(compound.caller, inode, wanted);
  return granted === wanted ? undefined : EACCES;
}
