// Operation numbers of NFSv4.0 and 4.1 (RFC 8881 §16.2.3, RFC 7863).
export const nfsProgram = 100003;
export const nfsVersion = 4;
export const Procedure = { null: 0, compound: 1 } as const;

export const Operation = {
  ACCESS: 3,
  CLOSE: 4,
  COMMIT: 5,
  CREATE: 6,
  DELEGPURGE: 7,
  DELEGRETURN: 8,
  GETATTR: 9,
  GETFH: 10,
  LINK: 11,
  LOCK: 12,
  LOCKT: 13,
  LOCKU: 14,
  LOOKUP: 15,
  LOOKUPP: 16,
  NVERIFY: 17,
  OPEN: 18,
  OPENATTR: 19,
  OPEN_CONFIRM: 20,
  OPEN_DOWNGRADE: 21,
  PUTFH: 22,
  PUTPUBFH: 23,
  PUTROOTFH: 24,
  READ: 25,
  READDIR: 26,
  READLINK: 27,
  REMOVE: 28,
  RENAME: 29,
  RENEW: 30,
  RESTOREFH: 31,
  SAVEFH: 32,
  SECINFO: 33,
  SETATTR: 34,
  SETCLIENTID: 35,
  SETCLIENTID_CONFIRM: 36,
  VERIFY: 37,
  WRITE: 38,
  RELEASE_LOCKOWNER: 39,
  BACKCHANNEL_CTL: 40,
  BIND_CONN_TO_SESSION: 41,
  EXCHANGE_ID: 42,
  CREATE_SESSION: 43,
  DESTROY_SESSION: 44,
  FREE_STATEID: 45,
  GET_DIR_DELEGATION: 46,
  GETDEVICEINFO: 47,
  GETDEVICELIST: 48,
  LAYOUTCOMMIT: 49,
  LAYOUTGET: 50,
  LAYOUTRETURN: 51,
  SECINFO_NO_NAME: 52,
  SEQUENCE: 53,
  SET_SSV: 54,
  TEST_STATEID: 55,
  WANT_DELEGATION: 56,
  DESTROY_CLIENTID: 57,
  RECLAIM_COMPLETE: 58,
  ILLEGAL: 10044,
} as const;

export type OperationName = keyof typeof Operation;

/** The names by number, for errors and logs. */
export const operationNames: ReadonlyMap<number, OperationName> = new Map(
  Object.entries(Operation).map(([name, number]) => [number, name as OperationName]),
);

export const FileTypeNumber = {
  file: 1,
  directory: 2,
  blockDevice: 3,
  characterDevice: 4,
  symlink: 5,
  socket: 6,
  fifo: 7,
  attributeDirectory: 8,
  namedAttribute: 9,
} as const;

/** stable_how4 (RFC 8881 §18.32.1). */
export const Stable = { unstable: 0, dataSync: 1, fileSync: 2 } as const;

/** ACCESS's bits that a client asks for (RFC 8881 §18.1.1). */
export const Access = { read: 0x01, lookup: 0x02, modify: 0x04, execute: 0x20 } as const;

/** OPEN's share_access and what may be asked along with it (RFC 8881 §18.16.1). */
export const ShareAccess = { read: 1, write: 2, both: 3 } as const;
export const shareAccessMask = 0x3;
export const OpenType = { noCreate: 0, create: 1 } as const;
export const CreateMode = { unchecked: 0, guarded: 1, exclusive: 2, exclusive41: 3 } as const;
export const OpenClaim = {
  null: 0,
  previous: 1,
  delegateCurrent: 2,
  delegatePrevious: 3,
  fileHandle: 4,
  delegateCurrentHandle: 5,
  delegatePreviousHandle: 6,
} as const;
/** What NFSv4.1 asks about delegations along with share_access: one of five wishes, two signals. */
export const shareAccessWantMask = 0xff00;
export const shareAccessWantHighest = 0x0500;
export const shareAccessKnown = 0x3_ff03;
export const Delegation = { none: 0 } as const;
/** Bits of OPEN's rflags. */
export const OpenResult = { confirm: 0x2, lockTypePosix: 0x4 } as const;

/** nfs_lock_type4. */
export const LockType = { read: 1, write: 2, readBlocking: 3, writeBlocking: 4 } as const;

/** Bits of eia_flags and eir_flags (RFC 8881 §18.35.1). */
export const ExchangeFlag = {
  supportMovedReferral: 0x1,
  supportMovedMigration: 0x2,
  bindPrincipalStateid: 0x100,
  useNonPnfs: 0x10000,
  usePnfsMds: 0x20000,
  usePnfsDs: 0x40000,
  updateConfirmed: 0x40000000,
  confirmed: 0x80000000,
} as const;

/** Bits of csa_flags (RFC 8881 §18.36.1). */
export const CreateSessionFlag = {
  persist: 1,
  connectionBackChannel: 2,
  connectionRdma: 4,
} as const;

/** Bits of sr_status_flags (RFC 8881 §18.46.1). */
export const SequenceFlag = {
  callbackPathDown: 0x1,
  restartReclaimNeeded: 0x100,
} as const;

/** channel_dir_from_client4 and server4 (RFC 8881 §18.34.1). */
export const ChannelFromClient = { fore: 1, back: 2, foreOrBoth: 3, backOrBoth: 7 } as const;
export const ChannelFromServer = { fore: 1, back: 2, both: 3 } as const;

/** Longest file handle (RFC 8881 §2.2: NFS4_FHSIZE). */
export const handleLimit = 128;
/** Longest opaque owner or client owner (NFS4_OPAQUE_LIMIT). */
export const opaqueLimit = 1024;
export const sessionIdLength = 16;
export const verifierLength = 8;
