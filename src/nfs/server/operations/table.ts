import { Operation, type OperationName } from "../../../wire/nfs4/operations.ts";
import { Status } from "../../../wire/nfs4/status.ts";
import type { Compound, Outcome } from "../compound.ts";
import { access, getAttributes, setAttributes, verify, verifyDifferent } from "./attributes.ts";
import { commit, read, write } from "./contents.ts";
import {
  getHandle,
  lookup,
  lookupParent,
  putHandle,
  putRootHandle,
  restoreHandle,
  saveHandle,
  securityOf,
  securityOfCurrent,
} from "./handles.ts";
import { confirmClientId, releaseLockOwner, renew, setClientId } from "./client-ids.ts";
import { freeStateid, lock, testLock, testStateids, unlock } from "./locks.ts";
import { create, link, readDirectory, readLink, remove, rename } from "./names.ts";
import { close, confirmOpen, downgrade, open } from "./open.ts";
import {
  bindConnection,
  createSession,
  destroyClientId,
  destroySession,
  exchangeId,
  reclaimComplete,
  sequence,
} from "./sessions.ts";

/** Reads its arguments, does its work, writes its result (without number and status). */
export type OperationHandler = (compound: Compound) => Outcome;

type Served = Partial<Record<OperationName, OperationHandler>>;

/** What both minor versions serve; the protocol's other operations answer NFS4ERR_NOTSUPP. */
const servedByBoth: Served = {
  ACCESS: access,
  CLOSE: close,
  COMMIT: commit,
  CREATE: create,
  GETATTR: getAttributes,
  GETFH: getHandle,
  LINK: link,
  LOCK: lock,
  LOCKT: testLock,
  LOCKU: unlock,
  LOOKUP: lookup,
  LOOKUPP: lookupParent,
  NVERIFY: verifyDifferent,
  OPEN: open,
  OPEN_DOWNGRADE: downgrade,
  PUTFH: putHandle,
  PUTPUBFH: putRootHandle,
  PUTROOTFH: putRootHandle,
  READ: read,
  READDIR: readDirectory,
  READLINK: readLink,
  REMOVE: remove,
  RENAME: rename,
  RESTOREFH: restoreHandle,
  SAVEFH: saveHandle,
  SECINFO: securityOf,
  SETATTR: setAttributes,
  VERIFY: verify,
  WRITE: write,
};

/** RFC 7530: clients introduce themselves and keep the order by owner seqids. */
const servedByVersion0: Served = {
  OPEN_CONFIRM: confirmOpen,
  RELEASE_LOCKOWNER: releaseLockOwner,
  RENEW: renew,
  SETCLIENTID: setClientId,
  SETCLIENTID_CONFIRM: confirmClientId,
};

/** RFC 8881: everything happens in sessions. */
const servedByVersion1: Served = {
  BIND_CONN_TO_SESSION: bindConnection,
  CREATE_SESSION: createSession,
  DESTROY_CLIENTID: destroyClientId,
  DESTROY_SESSION: destroySession,
  EXCHANGE_ID: exchangeId,
  FREE_STATEID: freeStateid,
  RECLAIM_COMPLETE: reclaimComplete,
  SECINFO_NO_NAME: securityOfCurrent,
  SEQUENCE: sequence,
  TEST_STATEID: testStateids,
};

/** By number. */
function byNumber<T>(served: Partial<Record<OperationName, T>>): readonly (T | undefined)[] {
  const table: (T | undefined)[] = [];
  for (const name of Object.keys(served) as OperationName[]) {
    table[Operation[name]] = served[name];
  }
  return table;
}

/** The operations of a minor version. */
export const versions = {
  0: {
    handlers: byNumber({ ...servedByBoth, ...servedByVersion0 }),
    highest: Operation.RELEASE_LOCKOWNER,
  },
  1: {
    handlers: byNumber({ ...servedByBoth, ...servedByVersion1 }),
    highest: Operation.RECLAIM_COMPLETE,
  },
} as const;

/** What Linux's client finds out about the root and its security before it asks for anything else. */
export const showingRoot: ReadonlySet<number> = new Set<number>([
  Operation.GETATTR,
  Operation.GETFH,
  Operation.PUTPUBFH,
  Operation.PUTROOTFH,
  Operation.SECINFO_NO_NAME,
]);

export const lowestOperation: number = Operation.ACCESS;

/** Bytes of change_info4, of a stateid, and of a bitmap with all attributes that can be set. */
const [changeInfo, stateid, bitmap] = [20, 16, 16];

/**
 * Bytes of the results of what changes something, at most, after the operation's number and status.
 * It is done only where they fit the session's replies (RFC 8881 §2.10.6.4); what changes nothing
 * is measured afterwards.
 */
export const largestResults: readonly (number | undefined)[] = byNumber({
  CLOSE: stateid,
  CREATE: changeInfo + bitmap,
  CREATE_SESSION: 80,
  DESTROY_CLIENTID: 0,
  DESTROY_SESSION: 0,
  EXCHANGE_ID: 256,
  FREE_STATEID: 0,
  LINK: changeInfo,
  LOCK: stateid,
  LOCKU: stateid,
  OPEN: stateid + changeInfo + 4 + bitmap + 4,
  OPEN_DOWNGRADE: stateid,
  RECLAIM_COMPLETE: 0,
  REMOVE: changeInfo,
  RENAME: 2 * changeInfo,
  SETATTR: bitmap,
  // The number of bytes, how stable they are, and the server's verifier.
  WRITE: 4 + 4 + 8,
});

/** May stand outside a session, as the only operation (RFC 8881 §18.34 to §18.37, §18.50). */
export const sessionless: ReadonlySet<number> = new Set([
  Operation.EXCHANGE_ID,
  Operation.CREATE_SESSION,
  Operation.DESTROY_SESSION,
  Operation.BIND_CONN_TO_SESSION,
  Operation.DESTROY_CLIENTID,
]);

/** Their results have a body whatever the status is: SETATTR's bitmap. */
export const bodyOnError: ReadonlySet<number> = new Set([Operation.SETATTR]);
/** One error of theirs says more: the lock that stands in the way, who uses the client's id. */
export const errorsWithBody: ReadonlyMap<number, number> = new Map([
  [Operation.LOCK, Status.DENIED],
  [Operation.LOCKT, Status.DENIED],
  [Operation.SETCLIENTID, Status.CLID_INUSE],
]);
