import type { Clock } from "../../../base/clock.ts";
import type { FileSystem } from "../../../files/file-system.ts";
import { nextSeqid } from "../../../wire/nfs4/stateid.ts";
import { type FileSystemNumber, fileSystemNumber } from "../attributes.ts";
import {
  betweenReclaimsMs,
  clientsLimit,
  courtesyMs,
  hostMountsLimit,
  leaseSeconds,
  opensPerClientLimit,
} from "../limits.ts";
import {
  Client,
  type Introduction,
  type Lock,
  type Open,
  ownedKey,
  type Speaker,
} from "./client.ts";
import type { ClientRecords } from "./client-records.ts";
import { DuplicateRequests } from "./duplicate-requests.ts";
import { mountName, mountNumber } from "./host-mounts.ts";
import { type ChannelAttributes, Session } from "./session.ts";

/**
 * Everything that clients hold on one file system: clients, sessions, opens, locks, leases and
 * the grace period after a restart. Not the protocol: that is in the operations.
 */
export class FileSystemState {
  readonly files: FileSystem;
  readonly number: FileSystemNumber;
  /** Tells this run of the server from all others; in clientids, session ids and stateids. */
  readonly instance: number;
  /** NFSv4.0's requests that must not happen twice. */
  readonly duplicates = new DuplicateRequests();
  readonly #clock: Clock;
  readonly #records: ClientRecords;
  /** Changes of the records so far, and those of them that survive a crash. */
  recordsApplied = 0;
  recordsDurable = 0;
  readonly #clients = new Map<number, Client>();
  readonly #clientsByOwner = new Map<string, Client>();
  readonly #sessions = new Map<number, Session>();
  /** Clients of before the restart that have not finished reclaiming. */
  readonly #reclaiming: Set<string>;
  #graceEndsMs: number;
  /** Until when it may be prolonged. */
  readonly #graceLimitMs: number;
  #recovered: boolean;
  /** The highest number of a mount of its host (host-mounts.ts), of now and before the restart. */
  #highestMount: number;
  #lastClient = 0;
  /** The highest clientid that was ever given, for as long as they have not wrapped. */
  #highestClient = 0;
  #lastSession = 0;
  #lastConfirmation = 0;

  constructor(files: FileSystem, instance: number, clock: Clock, records: ClientRecords) {
    this.files = files;
    this.number = fileSystemNumber(files.id);
    this.instance = instance;
    this.#clock = clock;
    this.#records = records;
    this.#reclaiming = new Set(records.list(files.id));
    this.#highestMount = Math.max(0, ...Array.from(this.#reclaiming, mountNumber));
    this.#graceEndsMs = clock.nowMs() + leaseSeconds * 1000;
    this.#graceLimitMs = this.#graceEndsMs + leaseSeconds * 1000;
    this.#recovered = this.#reclaiming.size === 0;
    if (this.#recovered) files.endRecovery();
  }

  /** Until it is over only reclaims may take state (RFC 8881 §8.4.2). */
  inGrace(): boolean {
    if (this.#recovered) return false;
    if (this.#reclaiming.size > 0 && this.#clock.nowMs() < this.#graceEndsMs) return true;
    for (const owner of this.#reclaiming) this.#missed(owner);
    this.#reclaiming.clear();
    this.#recovered = true;
    this.files.endRecovery();
    return false;
  }

  /**
   * NFSv4.1 clients say when they have everything; then there is no more (RFC 8881 §18.51.3).
   * Whoever is at it may go on: each reclaim gives time for the next one (§8.4.2.1).
   */
  mayReclaim(client: Client): boolean {
    const isDone = client.minorVersion === 1 && client.reclaimComplete;
    if (!this.inGrace() || !client.mayReclaim || isDone) return false;
    const ends = Math.min(this.#clock.nowMs() + betweenReclaimsMs, this.#graceLimitMs);
    this.#graceEndsMs = Math.max(this.#graceEndsMs, ends);
    return true;
  }

  /** Grace ends without its having everything: what it has not got may go to others. */
  #missed(owner: string): void {
    // NFSv4.0 doesn't say when it has everything; whoever came back and took something has.
    const client = this.clientOf(owner, true, 0);
    if (client !== undefined && client.states.size > 0) return;
    if (client !== undefined) client.recorded = false;
    this.#unrecord(owner);
  }

  /** From here on the client may reclaim after a restart what it holds (RFC 8881 §8.4.2.1). */
  record(client: Client): void {
    if (client.recorded) return;
    client.recorded = true;
    this.#records.add(this.files.id, client.owner);
    this.#recordsChanged();
  }

  #unrecord(owner: string): void {
    this.#records.remove(this.files.id, owner);
    this.#recordsChanged();
  }

  #recordsChanged(): void {
    const applied = this.recordsApplied + 1;
    this.recordsApplied = applied;
    this.#records.whenDurable(() => {
      this.recordsDurable = Math.max(this.recordsDurable, applied);
    });
  }

  /** Calls back once all changes of the records so far survive a crash. */
  whenRecorded(call: () => void): void {
    this.#records.whenDurable(call);
  }

  reclaimComplete(client: Client): void {
    client.reclaimComplete = true;
    this.record(client);
    this.#reclaiming.delete(client.owner);
    this.inGrace();
  }

  clients(): Iterable<Client> {
    return this.#clients.values();
  }

  /** Of any view; who asks by a client id gets it from its compound. */
  client(number: number): Client | undefined {
    return this.#clients.get(number);
  }

  clientOf(owner: string, confirmed: boolean, minorVersion: 0 | 1): Client | undefined {
    return this.#clientsByOwner.get(ownerKey({ owner, confirmed, minorVersion }));
  }

  /** The name of that mount of the host which this connection speaks for. */
  ownMount(host: string, speaker: Speaker): string | undefined {
    return this.#mountNames(host).find((name) => {
      return this.#mounts(name).some((mount) => mount.speaker === speaker);
    });
  }

  /**
   * A name for a mount of the host that introduces itself: not that of one for which another
   * connection speaks, and while those of before the restart come back, the name of one of them.
   */
  freeMount(host: string, verifier: string, principal: string): string {
    const free = this.#mountNames(host).filter((name) => {
      return !this.#mounts(name).some((mount) => {
        const isSame = mount.verifier === verifier && mount.principal === principal;
        return isSame && mount.speaker?.isOpen === true;
      });
    });
    const former = this.inGrace() ? free.find((name) => this.#reclaiming.has(name)) : undefined;
    return former ?? free[0] ?? host;
  }

  #mountNames(host: string): string[] {
    const length = Math.min(this.#highestMount + 2, hostMountsLimit);
    return Array.from({ length }, (_, number) => mountName(host, number));
  }

  #mounts(name: string): Client[] {
    const known = [this.clientOf(name, true, 1), this.clientOf(name, false, 1)];
    return known.filter((client) => client !== undefined);
  }

  /** A client that is still to be confirmed; undefined where there are as many as there may be. */
  introduce(introduction: Introduction): Client | undefined {
    if (this.#clients.size >= clientsLimit && !this.#dropLongestAway()) return undefined;
    this.#lastClient = nextFree(this.#lastClient, this.#clients);
    this.#highestClient = Math.max(this.#highestClient, this.#lastClient);
    const client = new Client(introduction, {
      number: this.#lastClient,
      nowMs: this.#clock.nowMs(),
      mayReclaim: this.inGrace() && this.#reclaiming.has(introduction.owner),
    });
    this.#highestMount = Math.max(this.#highestMount, mountNumber(client.owner));
    this.#clients.set(client.number, client);
    this.#clientsByOwner.set(ownerKey(client), client);
    return client;
  }

  /** The client proved that it is there; what an earlier run of it held is let go. */
  confirm(client: Client): void {
    const former = this.clientOf(client.owner, true, client.minorVersion);
    if (former !== undefined && former !== client) this.#forget(former);
    this.#clientsByOwner.delete(ownerKey(client));
    client.confirmed = true;
    this.#clientsByOwner.set(ownerKey(client), client);
  }

  /** The client is gone for good. */
  drop(client: Client): void {
    this.#forget(client);
    if (!client.confirmed) return;
    this.#unrecord(client.owner);
    this.#reclaiming.delete(client.owner);
  }

  renew(client: Client): void {
    client.renewedAtMs = this.#clock.nowMs();
    if (!client.courtesy) return;
    client.courtesy = false;
    if (client.reclaimComplete) this.record(client);
  }

  hasExpired(client: Client): boolean {
    return this.#clock.nowMs() - client.renewedAtMs > leaseSeconds * 1000;
  }

  /** It was not confirmed within a lease (RFC 8881 §18.35.4), and will be dropped. */
  hasLapsed(client: Client): boolean {
    return !client.confirmed && this.hasExpired(client);
  }

  /**
   * What a client holds past its lease is in nobody's way until somebody wants it (RFC 8881
   * §8.4.3): a client that was cut off for a while goes on as if nothing had been. It may not
   * reclaim after a restart any more.
   */
  dropExpired(): void {
    for (const client of this.#clients.values()) {
      if (!this.hasExpired(client)) continue;
      const awayMs = this.#clock.nowMs() - client.renewedAtMs;
      if (!client.confirmed || client.states.size === 0 || awayMs > courtesyMs) this.drop(client);
      else if (!client.courtesy) {
        client.courtesy = true;
        client.recorded = false;
        this.#unrecord(client.owner);
      }
    }
    this.inGrace();
  }

  /** Makes room for a client, where the lease of one has run out; whether there is room. */
  #dropLongestAway(): boolean {
    let longest: Client | undefined;
    for (const client of this.#clients.values()) {
      if (longest === undefined || client.renewedAtMs < longest.renewedAtMs) longest = client;
    }
    if (longest === undefined || !this.hasExpired(longest)) return false;
    this.drop(longest);
    return true;
  }

  createSession(client: Client, fore: ChannelAttributes): Session {
    this.#lastSession = nextFree(this.#lastSession, this.#sessions);
    const number = this.#lastSession;
    const id = Buffer.alloc(16);
    id.writeUInt32BE(this.instance, 0);
    id.writeUInt32BE(client.number, 4);
    id.writeUInt32BE(number, 8);
    const session = new Session(id, number, client, fore);
    this.#sessions.set(number, session);
    client.sessions.add(session);
    return session;
  }

  /** Of any view, as `client`. */
  session(instance: number, clientNumber: number, number: number): Session | undefined {
    const session = this.#sessions.get(number);
    const same = instance === this.instance && session?.client.number === clientNumber;
    return same ? session : undefined;
  }

  destroySession(session: Session): void {
    this.#sessions.delete(session.number);
    session.client.sessions.delete(session);
  }

  /** Opens a file for an owner, or widens what it has; undefined past the client's limit. */
  open(client: Client, opening: Opening): Open | undefined {
    const { owner, uid, inode, access } = opening;
    const key = ownedKey(owner, inode.number);
    const known = client.opens.get(key);
    if (known !== undefined) {
      known.access |= access;
      if (!known.opened.includes(access)) known.opened = [...known.opened, access];
      known.seqid = nextSeqid(known.seqid);
      return known;
    }
    if (client.opens.size >= opensPerClientLimit) return undefined;
    const open: Open = {
      kind: "open",
      number: nextState(client),
      seqid: 1,
      client,
      key,
      owner,
      uid,
      inode,
      access,
      opened: [access],
      locks: undefined,
    };
    client.opens.set(key, open);
    client.states.set(open.number, open);
    const holder = client.openOwners.get(owner);
    if (holder !== undefined) holder.held += 1;
    this.files.hold(inode);
    return open;
  }

  close(open: Open): void {
    for (const lock of open.locks ?? []) this.freeLock(lock);
    open.client.opens.delete(open.key);
    open.client.states.delete(open.number);
    const holder = open.client.openOwners.get(open.owner);
    if (holder !== undefined) holder.held -= 1;
    this.files.release(open.inode);
  }

  closeAll(client: Client, owner: string): void {
    for (const open of client.opens.values()) if (open.owner === owner) this.close(open);
  }

  lockOf(open: Open, lockOwner: string): Lock {
    const { client } = open;
    const owner = lockOwnerName(client, lockOwner);
    const key = ownedKey(owner, open.inode.number);
    const known = client.locks.get(key);
    if (known !== undefined) return known;
    const lock: Lock = {
      kind: "lock",
      number: nextState(client),
      seqid: 0,
      client,
      open,
      owner,
      lockOwner,
      ranges: 0,
    };
    (open.locks ??= new Set()).add(lock);
    client.locks.set(key, lock);
    client.states.set(lock.number, lock);
    const holder = client.lockOwners.get(lockOwner);
    if (holder !== undefined) holder.held += 1;
    return lock;
  }

  freeLock(lock: Lock): void {
    this.files.locks.releaseOwner(lock.open.inode.number, lock.owner);
    this.countLocked(lock);
    lock.open.locks?.delete(lock);
    lock.client.locks.delete(ownedKey(lock.owner, lock.open.inode.number));
    lock.client.states.delete(lock.number);
    const holder = lock.client.lockOwners.get(lock.lockOwner);
    if (holder !== undefined) holder.held -= 1;
  }

  /** After its ranges have changed: a lock may merge with others, or leave two behind. */
  countLocked(lock: Lock): void {
    const ranges = this.files.locks.count(lock.open.inode.number, lock.owner);
    lock.client.lockedRanges += ranges - lock.ranges;
    lock.ranges = ranges;
  }

  #forget(client: Client): void {
    for (const open of client.opens.values()) this.close(open);
    for (const session of client.sessions) this.#sessions.delete(session.number);
    client.sessions.clear();
    this.#clients.delete(client.number);
    this.#clientsByOwner.delete(ownerKey(client));
  }

  /** Whether a client with this number was here and is gone. */
  wasClient(number: number): boolean {
    return number > 0 && number <= this.#highestClient && !this.#clients.has(number);
  }

  nextConfirmation(): number {
    this.#lastConfirmation = nextNumber(this.#lastConfirmation);
    return this.#lastConfirmation;
  }
}

function nextState(client: Client): number {
  client.lastState = nextFree(client.lastState, client.states);
  return client.lastState;
}

const highestNumber = 0xffff_ffff;

/** Ids have 32 bits for it, begin with one and wrap. */
function nextNumber(last: number): number {
  return last === highestNumber ? 1 : last + 1;
}

/** The next number that nobody has: after a wrap some are still taken. */
function nextFree(last: number, taken: { has(number: number): boolean }): number {
  let number = nextNumber(last);
  while (taken.has(number)) number = nextNumber(number);
  return number;
}

/** What is opened, by whom and for what (ShareAccess bits). */
export type Opening = Pick<Open, "owner" | "uid" | "inode" | "access">;

function ownerKey(client: Pick<Client, "owner" | "confirmed" | "minorVersion">): string {
  return `${client.minorVersion} ${client.confirmed} ${client.owner}`;
}

/** Lock owners are told apart by client too. */
export function lockOwnerName(client: Client, lockOwner: string): string {
  return `${client.number}:${lockOwner}`;
}

export function lockOwnerParts(owner: string): { clientNumber: number; lockOwner: string } {
  const colon = owner.indexOf(":");
  return { clientNumber: Number(owner.slice(0, colon)), lockOwner: owner.slice(colon + 1) };
}
