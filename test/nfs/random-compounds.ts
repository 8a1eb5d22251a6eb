// Compounds for the fuzz: each operation with arguments as a client could send them (RFC 8881 §18),
// chosen by a seed. What is wrong about them is done afterwards, to their bytes.
import type { SeededRandom } from "../../src/base/random.ts";
import {
  bitmapOf,
  encodeBitmap,
  encodeSettable,
  type SettableAttributes,
} from "../../src/wire/nfs4/attributes.ts";
import {
  nfsProgram,
  nfsVersion,
  Operation,
  type OperationName,
  Procedure,
} from "../../src/wire/nfs4/operations.ts";
import {
  anonymousStateid,
  bypassStateid,
  currentStateid,
  encodeStateid,
} from "../../src/wire/nfs4/stateid.ts";
import { encodeCall } from "../../src/wire/rpc/message.ts";
import { troublesomeWords } from "../../src/wire/testing.ts";
import { XdrWriter } from "../../src/wire/xdr/xdr-writer.ts";

const lastFragment = 0x8000_0000;

/** What the server gave to this client. */
export interface Identity {
  readonly clientid: Uint8Array;
  readonly sessionid: Uint8Array;
}

type EncodeArguments = (writer: XdrWriter, random: SeededRandom, identity: Identity) => void;

export function pick<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}

const names = [
  "a",
  "b",
  "c",
  "\xc3\xa9",
  ".",
  "..",
  "",
  "a/b",
  "a\0b",
  "n".repeat(255),
  "n".repeat(256),
];

function name(writer: XdrWriter, random: SeededRandom): void {
  writer.byteString(pick(random, random.below(4) === 0 ? names : names.slice(0, 3)));
}

function stateid(writer: XdrWriter, random: SeededRandom): void {
  const any = {
    seqid: random.below(3),
    other0: random.below(9),
    other1: 1,
    other2: random.below(9),
  };
  encodeStateid(
    writer,
    pick(random, [currentStateid, currentStateid, anonymousStateid, bypassStateid, any]),
  );
}

function offset(writer: XdrWriter, random: SeededRandom): void {
  writer.uint64(pick(random, [0, 1, 4095, 65_536, 2 ** 40, 2 ** 53 - 1, Infinity]));
}

function attributes(writer: XdrWriter, random: SeededRandom): void {
  const given: SettableAttributes = {};
  if (random.below(3) === 0) given.size = pick(random, [0, 5, 70_000, 2 ** 52]);
  if (random.below(2) === 0) given.mode = pick(random, [0o644, 0o7777, 0o10000, 0]);
  if (random.below(4) === 0) given.owner = pick(random, ["0", "1000", "root", "4294967296"]);
  if (random.below(4) === 0) given.ownerGroup = pick(random, ["0", "1000", "-1", ""]);
  if (random.below(4) === 0) given.accessTime = "now";
  if (random.below(4) === 0) given.modifyTime = { seconds: -random.below(9), nanoseconds: 5 };
  encodeSettable(writer, given);
}

function wantedAttributes(writer: XdrWriter, random: SeededRandom): void {
  encodeBitmap(
    writer,
    random.below(2) === 0
      ? [0xffff_ffff, 0xffff_ffff, 0xffff_ffff]
      : bitmapOf(Array.from({ length: random.below(9) }, () => random.below(80))),
  );
}

const nothing: EncodeArguments = () => {};

function opened(writer: XdrWriter, random: SeededRandom, { clientid }: Identity): void {
  writer.uint32(0);
  writer.uint32(pick(random, [1, 2, 3, 3, 3, 0, 7]));
  writer.uint32(pick(random, [0, 0, 0, 0, 1, 3]));
  writer.fixedOpaque(clientid);
  writer.byteString(pick(random, ["o", "owner", "", "o".repeat(1024)]));
  const create = random.below(4) > 0;
  writer.uint32(create ? 1 : 0);
  if (create) {
    const mode = random.below(4);
    writer.uint32(mode);
    if (mode >= 2) writer.fixedOpaque(random.bytes(8));
    if (mode !== 2) attributes(writer, random);
  }
  const claim = pick(random, [0, 0, 0, 0, 0, 1, 4, 2]);
  writer.uint32(claim);
  if (claim === 0) name(writer, random);
  else if (claim === 1) writer.uint32(0);
}

function locked(writer: XdrWriter, random: SeededRandom, { clientid }: Identity): void {
  writer.uint32(1 + random.below(4));
  writer.boolean(random.below(8) === 0);
  offset(writer, random);
  offset(writer, random);
  const isNewOwner = random.below(3) > 0;
  writer.boolean(isNewOwner);
  if (isNewOwner) writer.uint32(0);
  stateid(writer, random);
  writer.uint32(0);
  if (!isNewOwner) return;
  writer.fixedOpaque(clientid);
  writer.byteString(pick(random, ["lock", "owner", "", "o".repeat(1024)]));
}

function handle(writer: XdrWriter, random: SeededRandom): void {
  const bytes = Buffer.from(random.bytes(pick(random, [20, 20, 20, 0, 19, 128])));
  if (bytes.length === 20) bytes.writeUInt32BE(0x4d4f_4f01, 0);
  if (bytes.length === 20) bytes.writeBigUInt64BE(BigInt(random.below(6)), 4);
  writer.opaque(bytes);
}

const argumentsOf: Partial<Record<OperationName, EncodeArguments>> = {
  ACCESS: (writer, random) => writer.uint32(random.below(128)),
  BIND_CONN_TO_SESSION: (writer, random, { sessionid }) => {
    writer.fixedOpaque(sessionid);
    writer.uint32(random.below(9));
    writer.boolean(false);
  },
  CLOSE: (writer, random) => {
    writer.uint32(0);
    stateid(writer, random);
  },
  COMMIT: (writer, random) => {
    offset(writer, random);
    writer.uint32(random.below(10));
  },
  CREATE: (writer, random) => {
    const type = 1 + random.below(9);
    writer.uint32(type);
    if (type === 5) writer.byteString(pick(random, ["to", "", "../x", "t".repeat(5000)]));
    if (type === 3 || type === 4) writer.uint64(1);
    name(writer, random);
    attributes(writer, random);
  },
  FREE_STATEID: stateid,
  GETATTR: wantedAttributes,
  GETFH: nothing,
  LINK: name,
  LOCK: locked,
  LOCKT: (writer, random, { clientid }) => {
    writer.uint32(1 + random.below(5));
    offset(writer, random);
    offset(writer, random);
    writer.fixedOpaque(clientid);
    writer.byteString("lock");
  },
  LOCKU: (writer, random) => {
    writer.uint32(1);
    writer.uint32(0);
    stateid(writer, random);
    offset(writer, random);
    offset(writer, random);
  },
  LOOKUP: name,
  LOOKUPP: nothing,
  NVERIFY: attributes,
  OPEN: opened,
  OPEN_DOWNGRADE: (writer, random) => {
    stateid(writer, random);
    writer.uint32(0);
    writer.uint32(random.below(4));
    writer.uint32(0);
  },
  PUTFH: handle,
  PUTPUBFH: nothing,
  PUTROOTFH: nothing,
  READ: (writer, random) => {
    stateid(writer, random);
    offset(writer, random);
    writer.uint32(pick(random, [0, 1, 4096, 0xffff_ffff]));
  },
  READDIR: (writer, random) => {
    writer.uint64(pick(random, [0, 0, 0, 1, 3, 5, Infinity]));
    writer.uint64(0);
    writer.uint32(1000);
    writer.uint32(pick(random, [0, 20, 4096, 0xffff_ffff]));
    wantedAttributes(writer, random);
  },
  READLINK: nothing,
  RECLAIM_COMPLETE: (writer, random) => writer.boolean(random.below(2) === 0),
  REMOVE: name,
  RENAME: (writer, random) => {
    name(writer, random);
    name(writer, random);
  },
  RESTOREFH: nothing,
  SAVEFH: nothing,
  SECINFO: name,
  SECINFO_NO_NAME: (writer, random) => writer.uint32(random.below(3)),
  SETATTR: (writer, random) => {
    stateid(writer, random);
    attributes(writer, random);
  },
  TEST_STATEID: (writer, random) => {
    const count = random.below(5);
    writer.uint32(count);
    for (let index = 0; index < count; index += 1) stateid(writer, random);
  },
  VERIFY: attributes,
  WRITE: (writer, random) => {
    stateid(writer, random);
    offset(writer, random);
    writer.uint32(random.below(4));
    writer.opaque(random.bytes(random.below(40)));
  },
};
/** An OPEN that succeeds: what comes after it has a file and a stateid. */
const openFile: EncodeArguments = (writer, random, { clientid }) => {
  for (const word of [0, 3, 0]) writer.uint32(word);
  writer.fixedOpaque(clientid);
  writer.byteString("owner");
  writer.uint32(1);
  writer.uint32(0);
  encodeSettable(writer, { mode: 0o644 });
  writer.uint32(0);
  writer.byteString(pick(random, ["a", "b", "c"]));
};

const operations = Object.entries(argumentsOf) as [OperationName, EncodeArguments][];

/** An RPC record with a COMPOUND of the minor version; `body` writes the operations. */
export function compoundRecord(
  xid: number,
  minorVersion: number,
  count: number,
  body: (writer: XdrWriter) => void,
): Buffer {
  const writer = new XdrWriter();
  writer.uint32(0);
  const credential = { machineName: "fuzz", uid: 0, gid: 0, gids: [0] };
  encodeCall(writer, {
    xid,
    program: nfsProgram,
    programVersion: nfsVersion,
    procedure: Procedure.compound,
    credential,
  });
  writer.byteString("");
  writer.uint32(minorVersion);
  writer.uint32(count);
  body(writer);
  writer.patchUint32(0, (lastFragment | (writer.length - 4)) >>> 0);
  return Buffer.from(writer.written());
}

export function encodeSequence(writer: XdrWriter, { sessionid }: Identity, slot: number): void {
  writer.uint32(Operation.SEQUENCE);
  writer.fixedOpaque(sessionid);
  writer.uint32(1);
  writer.uint32(slot);
  writer.uint32(slot);
  writer.boolean(slot % 2 === 0);
}

/**
 * Well-formed: SEQUENCE on a slot that wasn't used before, the root, often an open file, and up to
 * six operations.
 */
export function randomCompound(random: SeededRandom, identity: Identity, slot: number): Buffer {
  const chosen = Array.from({ length: random.below(7) }, () => pick(random, operations));
  if (random.below(2) === 0) chosen.unshift(["OPEN", openFile]);
  return compoundRecord(slot, 1, chosen.length + 2, (writer) => {
    encodeSequence(writer, identity, slot);
    writer.uint32(Operation.PUTROOTFH);
    for (const [name, encode] of chosen) {
      writer.uint32(Operation[name]);
      encode(writer, random, identity);
    }
  });
}

/** Operation numbers of any version, and words that fit none of them in particular. */
export function garbledCompound(random: SeededRandom, identity: Identity, slot: number): Buffer {
  const minorVersion = pick(random, [0, 1, 1, 1, 2]);
  const count = 1 + random.below(8);
  return compoundRecord(slot, minorVersion, count, (writer) => {
    if (minorVersion === 1) encodeSequence(writer, identity, slot);
    if (random.below(2) === 0) writer.uint32(Operation.PUTROOTFH);
    for (let index = 0; index < count; index += 1) {
      writer.uint32(pick(random, [...Object.values(Operation), 0, 2, 59, 0xffff_ffff]));
      const words = random.below(12);
      for (let word = 0; word < words; word += 1) {
        writer.uint32(random.below(3) > 0 ? random.below(5) : pick(random, troublesomeWords));
      }
    }
  });
}
