// For tests: OPEN, CLOSE and OPEN_DOWNGRADE as a client may send them (RFC 8881 §18.16, §18.2,
// §18.18).
import { decodeBitmap } from "../../../wire/nfs4/attributes.ts";
import { Operation } from "../../../wire/nfs4/operations.ts";
import { decodeStateid, encodeStateid, type Stateid } from "../../../wire/nfs4/stateid.ts";
import type { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import {
  type ChangeInfo,
  encodeSettings,
  type RawOperation,
  type Settings,
} from "./raw-operations.ts";

/** createhow4; EXCLUSIVE4 has no settings, and the first two modes no verifier. */
export interface RawCreate {
  readonly mode: number;
  readonly verifier?: Uint8Array;
  readonly settings?: Settings;
}

export interface OpenFields {
  /** share_access with what is wanted of delegations; for reading and writing where left out. */
  readonly access?: number;
  readonly deny?: number;
  readonly owner?: string;
  readonly create?: RawCreate;
  /** opentype4, where it shall not be what `create` makes it. */
  readonly openType?: number;
}

export interface Opened {
  readonly stateid: Stateid;
  readonly change: ChangeInfo;
  readonly flags: number;
  readonly set: readonly number[];
  readonly delegation: number;
}

const claim = { null: 0, previous: 1, fileHandle: 4 } as const;
const exclusive4 = 2;
const exclusive41 = 3;
const delegateNone = 0;

/** CLAIM_NULL: a name in the current directory. */
export function open(name: string, fields: OpenFields = {}): RawOperation<Opened> {
  return openClaiming(fields, claim.null, (writer) => writer.byteString(name));
}

/** CLAIM_FH: the current file. */
export function openHandle(fields: OpenFields = {}): RawOperation<Opened> {
  return openClaiming(fields, claim.fileHandle, () => {});
}

/** CLAIM_PREVIOUS: what was open before the server's restart, without a delegation. */
export function openAgain(fields: OpenFields = {}): RawOperation<Opened> {
  return openClaiming(fields, claim.previous, (writer) => writer.uint32(delegateNone));
}

export function openClaiming(
  fields: OpenFields,
  claimed: number,
  encodeClaim: (writer: XdrWriter) => void,
): RawOperation<Opened> {
  return {
    number: Operation.OPEN,
    encode: (writer) => {
      writer.uint32(0);
      writer.uint32(fields.access ?? 3);
      writer.uint32(fields.deny ?? 0);
      writer.uint64(0);
      writer.byteString(fields.owner ?? "owner");
      writer.uint32(fields.openType ?? (fields.create === undefined ? 0 : 1));
      if (fields.create !== undefined) encodeCreate(writer, fields.create);
      writer.uint32(claimed);
      encodeClaim(writer);
    },
    decode: decodeOpened,
  };
}

function encodeCreate(writer: XdrWriter, { mode, verifier, settings }: RawCreate): void {
  writer.uint32(mode);
  if (mode === exclusive4 || mode === exclusive41) {
    writer.fixedOpaque(verifier ?? Buffer.alloc(8));
  }
  if (mode !== exclusive4) encodeSettings(writer, settings ?? []);
}

function decodeOpened(reader: XdrReader): Opened {
  const stateid = decodeStateid(reader);
  const change = {
    atomic: reader.boolean(),
    before: reader.uint53(),
    after: reader.uint53(),
  };
  const flags = reader.uint32();
  const set = decodeBitmap(reader);
  // Another one than OPEN_DELEGATE_NONE would have more after it.
  const delegation = reader.uint32();
  return { stateid, change, flags, set, delegation };
}

export function close(stateid: Stateid): RawOperation<Stateid> {
  return {
    number: Operation.CLOSE,
    encode: (writer) => {
      writer.uint32(0);
      encodeStateid(writer, stateid);
    },
    decode: decodeStateid,
  };
}

export function downgrade(stateid: Stateid, access: number, deny = 0): RawOperation<Stateid> {
  return {
    number: Operation.OPEN_DOWNGRADE,
    encode: (writer) => {
      encodeStateid(writer, stateid);
      writer.uint32(0);
      writer.uint32(access);
      writer.uint32(deny);
    },
    decode: decodeStateid,
  };
}
