// For tests: the arguments and results of NFSv4.1's operations (RFC 8881 §18), written down from
// the RFC's XDR, with nothing checked.
import { type Bitmap, decodeBitmap, encodeBitmap } from "../../../wire/nfs4/attributes.ts";
import { Operation } from "../../../wire/nfs4/operations.ts";
import { decodeStateid, encodeStateid, type Stateid } from "../../../wire/nfs4/stateid.ts";
import type { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import type { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";

export interface RawOperation<T> {
  readonly number: number;
  encode(writer: XdrWriter): void;
  /** Reads the body of a successful result. */
  decode(reader: XdrReader): T;
}

const anyLength = 1024 * 1024 * 2;
const nothing = (): undefined => undefined;

/** For operations without arguments, and for arguments that a test makes itself. */
export function plain(
  number: number,
  encode: (writer: XdrWriter) => void = () => {},
): RawOperation<undefined> {
  return { number, encode, decode: nothing };
}

export const putRoot = plain(Operation.PUTROOTFH);
export const saveHandle = plain(Operation.SAVEFH);
export const restoreHandle = plain(Operation.RESTOREFH);
export const lookupParent = plain(Operation.LOOKUPP);

export function putHandle(handle: Uint8Array): RawOperation<undefined> {
  return plain(Operation.PUTFH, (writer) => writer.opaque(handle));
}

export const getHandle: RawOperation<Buffer> = {
  number: Operation.GETFH,
  encode: () => {},
  decode: (reader) => Buffer.from(reader.opaque(128)),
};

export function lookup(name: string): RawOperation<undefined> {
  return plain(Operation.LOOKUP, (writer) => writer.byteString(name));
}

export interface ChangeInfo {
  readonly atomic: boolean;
  readonly before: number;
  readonly after: number;
}

function decodeChange(reader: XdrReader): ChangeInfo {
  return {
    atomic: reader.boolean(),
    before: reader.uint53(),
    after: reader.uint53(),
  };
}

/** fattr4 to set: attribute numbers, each with its value's encoder. */
export type Settings = readonly (readonly [number, (writer: XdrWriter) => void])[];

export function encodeSettings(writer: XdrWriter, settings: Settings): void {
  const bitmap: number[] = [0, 0, 0];
  for (const [number] of settings) {
    bitmap[number >>> 5] = ((bitmap[number >>> 5] ?? 0) | (1 << (number & 31))) >>> 0;
  }
  encodeBitmap(writer, bitmap);
  const lengthAt = writer.length;
  writer.uint32(0);
  for (const [, encode] of settings) encode(writer);
  writer.patchUint32(lengthAt, writer.length - lengthAt - 4);
}

export interface Created {
  readonly change: ChangeInfo;
  readonly set: readonly number[];
}

/** createtype4: the number, and a symbolic link's target or a device's numbers. */
export function create(
  type: number,
  name: string,
  settings: Settings = [],
  encodeType: (writer: XdrWriter) => void = () => {},
): RawOperation<Created> {
  return {
    number: Operation.CREATE,
    encode: (writer) => {
      writer.uint32(type);
      encodeType(writer);
      writer.byteString(name);
      encodeSettings(writer, settings);
    },
    decode: (reader) => ({ change: decodeChange(reader), set: decodeBitmap(reader) }),
  };
}

export function makeDirectory(name: string): RawOperation<Created> {
  return create(2, name);
}

export function remove(name: string): RawOperation<ChangeInfo> {
  return {
    number: Operation.REMOVE,
    encode: (writer) => writer.byteString(name),
    decode: decodeChange,
  };
}

export function rename(from: string, to: string): RawOperation<readonly ChangeInfo[]> {
  return {
    number: Operation.RENAME,
    encode: (writer) => {
      writer.byteString(from);
      writer.byteString(to);
    },
    decode: (reader) => [decodeChange(reader), decodeChange(reader)],
  };
}

export function link(name: string): RawOperation<ChangeInfo> {
  return {
    number: Operation.LINK,
    encode: (writer) => writer.byteString(name),
    decode: decodeChange,
  };
}

export const readLink: RawOperation<string> = {
  number: Operation.READLINK,
  encode: () => {},
  decode: (reader) => reader.byteString(anyLength),
};

export interface RawEntry {
  readonly cookie: number;
  readonly name: string;
}

export interface RawEntries {
  readonly verifier: Buffer;
  readonly entries: readonly RawEntry[];
  readonly atEnd: boolean;
  /** Bytes of READDIR4resok. */
  readonly length: number;
}

export interface ReadDirectoryArguments {
  readonly cookie?: number;
  readonly verifier?: Uint8Array;
  readonly maximum?: number;
  readonly wanted?: Bitmap;
}

export function readDirectory(given: ReadDirectoryArguments = {}): RawOperation<RawEntries> {
  return {
    number: Operation.READDIR,
    encode: (writer) => {
      writer.uint64(given.cookie ?? 0);
      writer.fixedOpaque(given.verifier ?? Buffer.alloc(8));
      writer.uint32(given.maximum ?? 8192);
      writer.uint32(given.maximum ?? 8192);
      encodeBitmap(writer, given.wanted ?? []);
    },
    decode: (reader) => {
      const start = reader.offset;
      const verifier = Buffer.from(reader.fixedOpaque(8));
      const entries: RawEntry[] = [];
      while (reader.boolean()) {
        entries.push({ cookie: reader.uint53(), name: reader.byteString(anyLength) });
        decodeBitmap(reader);
        reader.opaque(anyLength);
      }
      return { verifier, entries, atEnd: reader.boolean(), length: reader.offset - start };
    },
  };
}

export interface RawAttributes {
  readonly bitmap: readonly number[];
  readonly values: Buffer;
}

export function getAttributes(wanted: Bitmap): RawOperation<RawAttributes> {
  return {
    number: Operation.GETATTR,
    encode: (writer) => encodeBitmap(writer, wanted),
    decode: (reader) => ({
      bitmap: decodeBitmap(reader),
      values: Buffer.from(reader.opaque(anyLength)),
    }),
  };
}

export function setAttributes(
  stateid: Stateid,
  settings: Settings,
): RawOperation<readonly number[]> {
  return {
    number: Operation.SETATTR,
    encode: (writer) => {
      encodeStateid(writer, stateid);
      encodeSettings(writer, settings);
    },
    decode: decodeBitmap,
  };
}

/** VERIFY and NVERIFY. */
export function verify(number: number, { bitmap, values }: RawAttributes): RawOperation<undefined> {
  return plain(number, (writer) => {
    encodeBitmap(writer, bitmap);
    writer.opaque(values);
  });
}

export function read(stateid: Stateid, offset: number, count: number): RawOperation<ReadResult> {
  return {
    number: Operation.READ,
    encode: (writer) => {
      encodeStateid(writer, stateid);
      writer.uint64(offset);
      writer.uint32(count);
    },
    decode: (reader) => ({
      atEnd: reader.boolean(),
      bytes: Buffer.from(reader.opaque(anyLength)),
    }),
  };
}

export interface ReadResult {
  readonly atEnd: boolean;
  readonly bytes: Buffer;
}

export function write(
  stateid: Stateid,
  offset: number,
  bytes: Uint8Array,
  stable = 2,
): RawOperation<{ readonly count: number; readonly committed: number }> {
  return {
    number: Operation.WRITE,
    encode: (writer) => {
      encodeStateid(writer, stateid);
      writer.uint64(offset);
      writer.uint32(stable);
      writer.opaque(bytes);
    },
    decode: (reader) => {
      const result = { count: reader.uint32(), committed: reader.uint32() };
      reader.skip(8);
      return result;
    },
  };
}

export function commit(offset: number, count: number): RawOperation<Buffer> {
  return {
    number: Operation.COMMIT,
    encode: (writer) => {
      writer.uint64(offset);
      writer.uint32(count);
    },
    decode: (reader) => Buffer.from(reader.fixedOpaque(8)),
  };
}

export interface LockArguments {
  readonly type: number;
  readonly reclaim?: boolean;
  /** The whole file where left out. */
  readonly offset?: bigint;
  readonly length?: bigint;
  readonly stateid: Stateid;
  /** Given where the stateid is of an open and the lock owner begins with this lock. */
  readonly newOwner?: string;
}

const wholeFile = 2n ** 64n - 1n;

export function lock(given: LockArguments): RawOperation<Stateid> {
  return {
    number: Operation.LOCK,
    encode: (writer) => {
      writer.uint32(given.type);
      writer.boolean(given.reclaim ?? false);
      encodeLong(writer, given.offset ?? 0n);
      encodeLong(writer, given.length ?? wholeFile);
      writer.boolean(given.newOwner !== undefined);
      // The sequence numbers of owners are not used in NFSv4.1 (RFC 8881 §8.13).
      if (given.newOwner !== undefined) writer.uint32(0);
      encodeStateid(writer, given.stateid);
      writer.uint32(0);
      if (given.newOwner === undefined) return;
      writer.uint64(0);
      writer.byteString(given.newOwner);
    },
    decode: decodeStateid,
  };
}

export function testLock(given: {
  readonly type: number;
  readonly offset?: bigint;
  readonly length?: bigint;
  readonly owner: string;
}): RawOperation<undefined> {
  return plain(Operation.LOCKT, (writer) => {
    writer.uint32(given.type);
    encodeLong(writer, given.offset ?? 0n);
    encodeLong(writer, given.length ?? wholeFile);
    writer.uint64(0);
    writer.byteString(given.owner);
  });
}

export function unlock(
  stateid: Stateid,
  offset = 0n,
  length: bigint = wholeFile,
): RawOperation<Stateid> {
  return {
    number: Operation.LOCKU,
    encode: (writer) => {
      writer.uint32(1);
      writer.uint32(0);
      encodeStateid(writer, stateid);
      encodeLong(writer, offset);
      encodeLong(writer, length);
    },
    decode: decodeStateid,
  };
}

/** LOCK4denied. */
export interface Denied {
  readonly offset: bigint;
  readonly length: bigint;
  readonly type: number;
  readonly clientId: string;
  readonly owner: string;
}

export function decodeDenied(reader: XdrReader): Denied {
  return {
    offset: decodeLong(reader),
    length: decodeLong(reader),
    type: reader.uint32(),
    clientId: Buffer.from(reader.fixedOpaque(8)).toString("hex"),
    owner: reader.byteString(anyLength),
  };
}

function encodeLong(writer: XdrWriter, value: bigint): void {
  writer.uint32(Number(value >> 32n));
  writer.uint32(Number(value & 0xffff_ffffn));
}

function decodeLong(reader: XdrReader): bigint {
  return (BigInt(reader.uint32()) << 32n) | BigInt(reader.uint32());
}

export function testStateids(stateids: readonly Stateid[]): RawOperation<readonly number[]> {
  return {
    number: Operation.TEST_STATEID,
    encode: (writer) => writer.array(stateids, encodeStateid),
    decode: (reader) => reader.array(anyLength, (item) => item.uint32()),
  };
}

export function freeStateid(stateid: Stateid): RawOperation<undefined> {
  return plain(Operation.FREE_STATEID, (writer) => encodeStateid(writer, stateid));
}

export function reclaimComplete(oneFileSystem = false): RawOperation<undefined> {
  return plain(Operation.RECLAIM_COMPLETE, (writer) => writer.boolean(oneFileSystem));
}
