import { Operation, type OperationName } from "../../../wire/nfs4/operations.ts";
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
import { freeStateid, lock, testLock, testStateids, unlock } from "./locks.ts";
import { create, link, readDirectory, readLink, remove, rename } from "./names.ts";
import { close, downgrade, open } from "./open.ts";
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

/** What the server serves; the other operations of the protocol answer NFS4ERR_NOTSUPP. */
const served: Partial<Record<OperationName, OperationHandler>> = {
  ACCESS: access,
  BIND_CONN_TO_SESSION: bindConnection,
  CLOSE: close,
  COMMIT: commit,
  CREATE: create,
  CREATE_SESSION: createSession,
  DESTROY_CLIENTID: destroyClientId,
  DESTROY_SESSION: destroySession,
  EXCHANGE_ID: exchangeId,
  FREE_STATEID: freeStateid,
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
  RECLAIM_COMPLETE: reclaimComplete,
  REMOVE: remove,
  RENAME: rename,
  RESTOREFH: restoreHandle,
  SAVEFH: saveHandle,
  SECINFO: securityOf,
  SECINFO_NO_NAME: securityOfCurrent,
  SEQUENCE: sequence,
  SETATTR: setAttributes,
  TEST_STATEID: testStateids,
  VERIFY: verify,
  WRITE: write,
};

/** By number. */
export const handlers: readonly (OperationHandler | undefined)[] = Object.entries(served).reduce<
  (OperationHandler | undefined)[]
>((table, [name, handler]) => {
  table[Operation[name as OperationName]] = handler;
  return table;
}, []);

export const highestOperation: number = Operation.RECLAIM_COMPLETE;
export const lowestOperation: number = Operation.ACCESS;

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
/** Their NFS4ERR_DENIED comes with the lock that stands in the way. */
export const bodyWhenDenied: ReadonlySet<number> = new Set([Operation.LOCK, Operation.LOCKT]);
