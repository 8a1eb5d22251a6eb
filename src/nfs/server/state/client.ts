import type { Inode } from "../../../files/file-system.ts";
import type { StatusCode } from "../../../wire/nfs4/status.ts";
import { Owners } from "./owner.ts";
import type { Session } from "./session.ts";

/** A connection, as those know it who want to know no more than whether it is still there. */
export interface Speaker {
  readonly isOpen: boolean;
}

/** How a client introduces itself. */
export interface Introduction {
  /** The name of the view that its connections have (admission.ts): it is a client of that alone. */
  readonly view: string;
  /** co_ownerid, one character a byte, after the name of the view; with the mount's number. */
  readonly owner: string;
  /** 0 comes with SETCLIENTID, 1 with EXCHANGE_ID. */
  readonly minorVersion: 0 | 1;
  /** co_verifier in hex: another one means that the client restarted. */
  readonly verifier: string;
  /** Who introduces it; nobody else may replace it while it has state. */
  readonly principal: string;
}

/** A client as it introduced itself, with everything that it holds (RFC 8881 §2.4, §8). */
export class Client implements Introduction {
  /** The low word of its clientid4; the high one is the server's instance. */
  readonly number: number;
  readonly view: string;
  readonly owner: string;
  readonly minorVersion: 0 | 1;
  readonly verifier: string;
  readonly principal: string;
  confirmed = false;
  /** What SETCLIENTID_CONFIRM has to bring. */
  confirmation = 0;
  /** What it brought last; it may bring that again. */
  confirmedWith = 0;
  /** The next CREATE_SESSION's sequence number. */
  sequence = 1;
  /** The last CREATE_SESSION's result, for when it is asked again. */
  createSessionReply: { readonly status: StatusCode; readonly body: Uint8Array } | undefined;
  readonly sessions = new Set<Session>();
  /** Opens and locks by the last word of their stateid. */
  readonly states = new Map<number, Open | Lock>();
  /** Opens by owner and file. */
  readonly opens = new Map<string, Open>();
  /** Locks by lock owner and file. */
  readonly locks = new Map<string, Lock>();
  /** NFSv4.0's owners by name. */
  readonly openOwners = new Owners();
  readonly lockOwners = new Owners();
  /** The last word of the stateid that was given last. */
  lastState = 0;
  /** Ranges that it has locked, on all files. */
  lockedRanges = 0;
  /** The connection that its last request came over; NFSv4.0's are not told apart. */
  speaker: Speaker | undefined;
  renewedAtMs: number;
  /** Its lease ran out, and nothing has stood in anybody's way since. */
  courtesy = false;
  reclaimComplete: boolean;
  /** It stands in the records of who may reclaim after a restart. */
  recorded = false;
  /** It had state before the server's restart. */
  readonly mayReclaim: boolean;

  constructor(
    introduction: Introduction,
    fields: { number: number; nowMs: number; mayReclaim: boolean },
  ) {
    this.number = fields.number;
    this.view = introduction.view;
    this.owner = introduction.owner;
    this.minorVersion = introduction.minorVersion;
    this.verifier = introduction.verifier;
    this.principal = introduction.principal;
    this.renewedAtMs = fields.nowMs;
    this.mayReclaim = fields.mayReclaim;
    // NFSv4.0 doesn't say when it has reclaimed everything.
    this.reclaimComplete = introduction.minorVersion === 0;
  }
}

/** A file opened by an owner: one for each pair, however often it is opened (§9.1). */
export interface Open {
  readonly kind: "open";
  readonly number: number;
  seqid: number;
  readonly client: Client;
  readonly key: string;
  readonly owner: string;
  /** Whose permissions were looked at. */
  readonly uid: number;
  readonly inode: Inode;
  /** ShareAccess bits. */
  access: number;
  /** The different accesses that it was opened for. */
  opened: readonly number[];
  /** Most have none. */
  locks: Set<Lock> | undefined;
}

/**
 * The byte-range locks of one lock owner on one file: one for each pair, also where the owner locks
 * through several opens; it goes with the first.
 */
export interface Lock {
  readonly kind: "lock";
  readonly number: number;
  seqid: number;
  readonly client: Client;
  readonly open: Open;
  /** As the lock table knows the owner. */
  readonly owner: string;
  /** As the client calls it. */
  readonly lockOwner: string;
  /** How many ranges it has locked. */
  ranges: number;
}

/** Of an open owner or a lock owner. */
export function ownedKey(owner: string, file: number): string {
  return `${file}:${owner}`;
}
