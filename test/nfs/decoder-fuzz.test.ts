// Whatever bytes arrive, the NFS server goes on serving: a fuzz of RPC records with compounds in
// them, over real connections. Replay a failure with MOORING_FUZZ_SEED.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import net from "node:net";
import { test } from "node:test";

import { FakeClock } from "../../src/base/fake-clock.ts";
import type { Log } from "../../src/base/log.ts";
import { SeededRandom } from "../../src/base/random.ts";
import { memoryFileSystem } from "../../src/files/testing.ts";
import type { Admission } from "../../src/nfs/server/admission.ts";
import { replyLimit, slotsLimit } from "../../src/nfs/server/limits.ts";
import { NfsServer } from "../../src/nfs/server/nfs-server.ts";
import { MemoryClientRecords } from "../../src/nfs/server/state/client-records.ts";
import { Operation } from "../../src/wire/nfs4/operations.ts";
import { decodeCall, decodeReply } from "../../src/wire/rpc/message.ts";
import { RecordReader, RecordTooLarge } from "../../src/wire/rpc/record-reader.ts";
import { marked } from "../../src/wire/rpc/testing.ts";
import {
  hex,
  type Mutation,
  mutated,
  mutationKinds,
  troublesomeWords,
} from "../../src/wire/testing.ts";
import { XdrError, XdrReader } from "../../src/wire/xdr/xdr-reader.ts";
import {
  compoundRecord,
  encodeSequence,
  garbledCompound,
  type Identity,
  pick,
  randomCompound,
} from "./random-compounds.ts";

const address = "127.0.0.1";
const connectionsCount = 3000;
const answerLimitMs = 10_000;
/** Requests on one session: each has a slot of its own, so that no damage holds up the next. */
const requestsPerSession = slotsLimit - 8;

/** xid 0x4e554c4c, CALL, RPC 2, NFS 4, NULL, no credential, no verifier; and its answer. */
const nullCall = hex(
  "80000028 4e554c4c 00000000 00000002 000186a3 00000004 00000000",
  "00".repeat(16),
);
const nullAnswer = hex("80000018 4e554c4c 00000001", "00".repeat(16));

/** Sends the pieces and no more; resolves with all that came until the server closed. */
function exchange(port: number, pieces: readonly Uint8Array[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = net.connect({ host: address, port, noDelay: true });
    const late = setTimeout(() => {
      reject(new Error("the server neither answered nor closed"));
      socket.destroy();
    }, answerLimitMs);
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    // The server may close before everything was sent.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(late);
      resolve(Buffer.concat(received));
    });
    for (const piece of pieces) socket.write(piece);
    socket.end();
  });
}

/** The whole records of what the server sent, each a reader after its RPC header. */
function replies(received: Uint8Array): XdrReader[] {
  const records = new RecordReader(replyLimit + 4096);
  records.push(received);
  const found: XdrReader[] = [];
  for (let record = records.next(); record; record = records.next()) {
    const reader = new XdrReader();
    reader.reset(record.bytes, record.start, record.end);
    const header = decodeReply(reader);
    assert.ok(header, "the server sent what isn't a reply");
    if (header.kind === "accepted" && header.status === 0) found.push(reader.detached());
  }
  return found;
}

/** The only operation's result, which has to be a success. */
function onlyResult(received: Uint8Array, operation: number): XdrReader {
  const [reader] = replies(received);
  assert.ok(reader, "no answer");
  assert.equal(reader.uint32(), 0);
  reader.opaque(0);
  assert.equal(reader.uint32(), 1);
  assert.equal(reader.uint32(), operation);
  assert.equal(reader.uint32(), 0);
  return reader;
}

/** EXCHANGE_ID, CREATE_SESSION and RECLAIM_COMPLETE, as a client starts. */
async function introduce(port: number, owner: string): Promise<Identity> {
  const exchangeId = compoundRecord(1, 1, 1, (writer) => {
    writer.uint32(Operation.EXCHANGE_ID);
    writer.fixedOpaque(Buffer.alloc(8, 1));
    writer.byteString(owner);
    for (const word of [0, 0, 0]) writer.uint32(word);
  });
  const exchanged = onlyResult(await exchange(port, [exchangeId]), Operation.EXCHANGE_ID);
  const clientid = Buffer.from(exchanged.fixedOpaque(8));
  const sequence = exchanged.uint32();
  const createSession = compoundRecord(2, 1, 1, (writer) => {
    writer.uint32(Operation.CREATE_SESSION);
    writer.fixedOpaque(clientid);
    writer.uint32(sequence);
    writer.uint32(0);
    for (let channel = 0; channel < 2; channel += 1) {
      for (const word of [0, 1_048_576, 1_048_576, 8192, 64, slotsLimit, 0]) writer.uint32(word);
    }
    for (const word of [0, 1, 0]) writer.uint32(word);
  });
  const created = onlyResult(await exchange(port, [createSession]), Operation.CREATE_SESSION);
  const identity = { clientid, sessionid: Buffer.from(created.fixedOpaque(16)) };
  const reclaimComplete = compoundRecord(3, 1, 2, (writer) => {
    encodeSequence(writer, identity, slotsLimit - 1);
    writer.uint32(Operation.RECLAIM_COMPLETE);
    writer.boolean(false);
  });
  const [completed] = replies(await exchange(port, [reclaimComplete]));
  assert.equal(completed?.uint32(), 0);
  return identity;
}

function mutations(random: SeededRandom): Mutation[] {
  return Array.from({ length: 1 + random.below(4) }, () => ({
    kind: pick(random, mutationKinds),
    at: random.below(0x7fff_ffff),
    value: random.below(2) === 0 ? pick(random, troublesomeWords) : random.below(0x7fff_ffff),
  }));
}

/** One whole record: as it should be, damaged in its arguments or anywhere, or garbled. */
function randomRecord(random: SeededRandom, identity: Identity, slot: number): Buffer {
  const kind = random.below(20);
  if (kind < 5) return garbledCompound(random, identity, slot);
  const record = randomCompound(random, identity, slot).subarray(4);
  if (kind < 10) return marked(record);
  const header = new XdrReader(record);
  if (kind < 18) decodeCall(header);
  const start = header.offset;
  const damaged = mutated(record.subarray(start), mutations(random));
  return marked(Buffer.concat([record.subarray(0, start), damaged]));
}

/** What comes in one connection: whole records, and then perhaps what isn't one. */
function randomStream(random: SeededRandom, identity: Identity, slots: readonly number[]): Buffer {
  const parts = slots.map((slot) => randomRecord(random, identity, slot));
  const kind = random.below(10);
  if (kind === 0) parts.push(Buffer.from(random.bytes(random.below(200))));
  const stream = Buffer.concat(parts);
  return kind === 1 ? mutated(stream, mutations(random)) : stream;
}

/** The same bytes in pieces. */
function inPieces(random: SeededRandom, bytes: Buffer): Buffer[] {
  if (random.below(2) === 0) return [bytes];
  const at = random.below(bytes.length + 1);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

/** Of what the server logs: failures that are not the decoders' own way to refuse bytes. */
function defectsLog(): { log: Log; defects: unknown[] } {
  const defects: unknown[] = [];
  const noteDefect = (fields: object, message: string): void => {
    const error = "error" in fields ? fields.error : undefined;
    const isRefusal = error instanceof XdrError || error instanceof RecordTooLarge;
    if (!isRefusal) defects.push(error ?? message);
  };
  const log = { debug: () => {}, info: () => {}, warn: noteDefect, error: noteDefect };
  return { log, defects };
}

async function fuzz(seed: number): Promise<{ records: number; succeeded: number }> {
  const random = new SeededRandom(seed);
  const clock = new FakeClock();
  const { files } = memoryFileSystem({ clock });
  const { log, defects } = defectsLog();
  const admission: Admission = {
    arrives: () => "serve",
    admit: () => ({
      fileSystem: files,
      root: () => files.root,
      permissions: { mount: true, write: true, root: true },
      identity: undefined,
      expiresAtMs: undefined,
      closed: () => {},
    }),
  };
  const records = new MemoryClientRecords();
  const server = new NfsServer({ admission, records, clock, random: new SeededRandom(seed), log });
  const counts = { records: 0, succeeded: 0 };
  try {
    const port = await server.listen(address, 0);
    let identity: Identity | undefined;
    let slot = 0;
    for (let connection = 0; connection < connectionsCount; connection += 1) {
      if (identity === undefined || slot >= requestsPerSession) {
        clock.advance(40_000);
        identity = await introduce(port, `fuzz ${connection}`);
        slot = 0;
      }
      const count = 1 + random.below(8);
      const first = slot;
      slot += count;
      const slots = Array.from({ length: count }, (_, index) => first + index);
      const stream = randomStream(random, identity, slots);
      const received = await exchange(port, inPieces(random, stream));
      counts.records += count;
      for (const reply of replies(received)) {
        if (reply.remaining >= 4 && reply.uint32() === 0) counts.succeeded += 1;
      }
      assert.deepEqual(await exchange(port, [nullCall]), nullAnswer, `connection ${connection}`);
      assert.deepEqual(defects, [], `connection ${connection}`);
    }
  } finally {
    await server.close();
    await files.close();
  }
  return counts;
}

test("whatever records a client sends, the server goes on and answers NULL", async () => {
  const seed = Number(process.env["MOORING_FUZZ_SEED"] ?? randomInt(1, 0x7fff_ffff));
  const counts = await fuzz(seed).catch((error: unknown) => {
    throw new Error(`MOORING_FUZZ_SEED=${seed} replays this`, { cause: error });
  });
  assert.ok(counts.records > 10_000, `${counts.records} records`);
  // The damage must leave enough that gets as far as the operations.
  assert.ok(counts.succeeded > 300, `${counts.succeeded} compounds succeeded, seed ${seed}`);
});
