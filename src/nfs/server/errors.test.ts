// What isn't NFSv4.1, isn't RPC or isn't for this server (RFC 8881 §15, §16.2; RFC 5531 §9).
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { superuser } from "../../files/file-system.ts";
import { Operation } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { anonymousStateid } from "../../wire/nfs4/stateid.ts";
import { mutated, mutationLists } from "../../wire/testing.ts";
import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { marked } from "../../wire/rpc/testing.ts";
import { recordLimit } from "./limits.ts";
import { nameOf, RawSession, TestServer } from "./testing/raw-client.ts";
import {
  type CallFields,
  encodeCompound,
  type RawConnection,
  user,
} from "./testing/raw-connection.ts";
import { open } from "./testing/raw-opens.ts";
import {
  getAttributes,
  getHandle,
  lookup,
  makeDirectory,
  plain,
  putHandle,
  putRoot,
  type RawOperation,
  read,
  readDirectory,
  remove,
  setAttributes,
} from "./testing/raw-operations.ts";
import { sequence } from "./testing/raw-sessions.ts";

const acceptedWords = 6;

/** A reply's words after its xid and type; the verifier of an accepted one is empty. */
function wordsOf(reply: Buffer): number[] {
  return Array.from({ length: reply.length / 4 - 2 }, (_, index) =>
    reply.readUInt32BE(8 + 4 * index),
  );
}

async function goesOn(session: RawSession): Promise<void> {
  assert.equal(await session.status(putRoot), "NFS4_OK");
}

test("an operation that isn't, answers OP_ILLEGAL and ends the compound (§18.52)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  // 59 is of NFSv4.2.
  for (const number of [0, 1, 2, 59, 10_044, 0xffff_ffff]) {
    const result = await session.run([putRoot, plain(number), putRoot]);
    assert.equal(nameOf(result.status), "NFS4ERR_OP_ILLEGAL", `${number}`);
    assert.deepEqual(result.statuses.map(nameOf).slice(1), ["NFS4_OK", "NFS4ERR_OP_ILLEGAL"]);
    assert.equal(result.bytes.readUInt32BE(result.bytes.length - 8), Operation.ILLEGAL);
    const first = await session.connection.compound([plain(number)]);
    assert.equal(nameOf(first.status), "NFS4ERR_OP_ILLEGAL", `${number} alone`);
  }
});

test("an operation of NFSv4.0 alone is NFS4ERR_NOTSUPP in NFSv4.1 (§17)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const { OPEN_CONFIRM, RELEASE_LOCKOWNER, RENEW, SETCLIENTID, SETCLIENTID_CONFIRM } = Operation;
  const former = [OPEN_CONFIRM, RELEASE_LOCKOWNER, RENEW, SETCLIENTID, SETCLIENTID_CONFIRM];
  for (const number of former) {
    const asked = plain(number, (writer) => writer.fixedOpaque(Buffer.alloc(64)));
    assert.equal(await session.status(asked), "NFS4ERR_NOTSUPP", `${number}`);
  }
});

test("a minor version that isn't served has no results (§16.2.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const minorVersion of [2, 3, 0xffff_ffff]) {
    const header = { minorVersion, tag: "tag" };
    const result = await session.connection.compound([putRoot], header);
    assert.equal(nameOf(result.status), "NFS4ERR_MINOR_VERS_MISMATCH");
    assert.deepEqual([result.statuses, result.tag], [[], "tag"]);
  }
  await goesOn(session);
});

test("a compound's tag comes back as it was (§16.2.3)", async () => {
  await using server = await TestServer.start();
  const { connection, id: sessionId } = await server.client("c");
  for (const [index, tag] of ["", "t", "four", "n".repeat(1000)].entries()) {
    const asked = sequence({ sessionId, sequence: index + 1, slot: 5 });
    assert.equal((await connection.compound([asked], { tag })).tag, tag);
  }
});

test("a compound of nothing is NFS4_OK", async () => {
  await using server = await TestServer.start();
  const result = await (await server.connect()).compound([]);
  assert.deepEqual([nameOf(result.status), result.statuses], ["NFS4_OK", []]);
});

test("arguments that are no XDR are NFS4ERR_BADXDR, what was before has happened", async () => {
  // RFC 8881 §15.1.1.2
  await using server = await TestServer.start();
  const session = await server.client("c");
  const words =
    (...values: readonly number[]) =>
    (writer: XdrWriter): void => {
      for (const value of values) writer.uint32(value);
    };
  const cases: readonly (readonly [string, RawOperation<unknown>])[] = [
    ["nothing", plain(Operation.LOOKUP)],
    ["a length without its bytes", plain(Operation.LOOKUP, words(8, 0))],
    ["a length of 4 GiB", plain(Operation.LOOKUP, words(0xffff_ffff, 0))],
    ["a bitmap of 4 Gi words", plain(Operation.GETATTR, words(0xffff_ffff))],
    ["stateids without end", plain(Operation.TEST_STATEID, words(0xffff_ffff))],
    ["a boolean of 2", plain(Operation.RECLAIM_COMPLETE, words(2))],
    ["a handle past NFS4_FHSIZE", putHandle(Buffer.alloc(129))],
    ["half a stateid", plain(Operation.CLOSE, words(0, 0))],
  ];
  for (const [index, [what, asked]] of cases.entries()) {
    const name = `d${index}`;
    const result = await session.run([putRoot, makeDirectory(name), putRoot, asked]);
    assert.equal(nameOf(result.status), "NFS4ERR_BADXDR", what);
    assert.equal(result.statuses.length, 5, what);
    assert.equal(await session.status(putRoot, lookup(name)), "NFS4_OK", what);
  }
});

test("a compound shorter than it says is NFS4ERR_BADXDR or garbage", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const first = sequence({ sessionId: session.id, sequence: 1, slot: 5 });
  const reply = await session.connection.call({}, (writer) => {
    writer.byteString("");
    writer.uint32(1);
    writer.uint32(3);
    writer.uint32(first.number);
    first.encode(writer);
    writer.uint32(Operation.PUTROOTFH);
  });
  const [, , , accepted, status] = wordsOf(reply);
  const isGarbage = accepted === 4;
  assert.ok(isGarbage || status === Status.BADXDR, `${accepted}, ${nameOf(status ?? 0)}`);
  await goesOn(session);
});

test("a call without a readable COMPOUND is GARBAGE_ARGS (RFC 5531 §9)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const cases: readonly ((writer: XdrWriter) => void)[] = [
    () => {},
    (writer) => writer.uint32(0xffff_ffff),
    (writer) => writer.uint32(100),
    (writer) => writer.byteString("tag"),
    (writer) => writer.uint64(0),
  ];
  for (const [index, encode] of cases.entries()) {
    const reply = await session.connection.call({}, encode);
    assert.deepEqual(wordsOf(reply), [0, 0, 0, 4], `case ${index}`);
    await goesOn(session);
  }
});

test("a program, version or procedure that isn't served is told so (RFC 5531 §9)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const cases: readonly (readonly [string, CallFields, readonly number[]])[] = [
    ["NULL", { procedure: 0 }, [0, 0, 0, 0]],
    ["no such program", { program: 100_005 }, [0, 0, 0, 1]],
    ["NFSv3", { programVersion: 3, procedure: 0 }, [0, 0, 0, 2, 4, 4]],
    ["NFSv5", { programVersion: 5 }, [0, 0, 0, 2, 4, 4]],
    ["no such procedure", { procedure: 2 }, [0, 0, 0, 3]],
    ["no procedure at all", { procedure: 0xffff_ffff }, [0, 0, 0, 3]],
  ];
  for (const [what, fields, expected] of cases) {
    const reply = await session.connection.call(fields, () => {});
    assert.deepEqual(wordsOf(reply), expected, what);
  }
  await goesOn(session);
});

/** A call of NULL with a header of the given words after the xid. */
async function callWith(connection: RawConnection, words: readonly number[]): Promise<Buffer> {
  const xid = connection.nextXid();
  const writer = new XdrWriter();
  for (const word of [xid, 0, ...words]) writer.uint32(word);
  return connection.exchange(xid, writer.written());
}

test("RPC of another version is RPC_MISMATCH (RFC 5531 §9)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const version of [0, 1, 3]) {
    const reply = await callWith(session.connection, [version, 100_003, 4, 0, 0, 0, 0, 0]);
    assert.deepEqual(wordsOf(reply), [1, 0, 2, 2]);
  }
  await goesOn(session);
});

test("a credential that isn't served, or is malformed, is AUTH_ERROR (RFC 5531 §9)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const call = [2, 100_003, 4, 1];
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ["AUTH_SHORT", [2, 0]],
    ["AUTH_DH", [3, 0]],
    ["RPCSEC_GSS", [6, 20, 1, 1, 0, 1, 0]],
    ["an unknown flavor", [99, 4, 0]],
    ["AUTH_SYS of nothing", [1, 0]],
    ["AUTH_SYS with 17 groups", [1, 88, 0, 0, 0, 0, 17, ...Array<number>(17).fill(0)]],
    ["AUTH_SYS with a name past its body", [1, 8, 0, 0xff]],
    ["AUTH_SYS past 400 bytes", [1, 404, ...Array<number>(101).fill(0)]],
  ];
  for (const [what, credential] of cases) {
    const reply = wordsOf(await callWith(session.connection, [...call, ...credential, 0, 0]));
    assert.deepEqual(reply.slice(0, 2), [1, 1], what);
    // AUTH_BADCRED, AUTH_REJECTEDCRED or AUTH_TOOWEAK
    assert.ok([1, 2, 5].includes(reply[2]!), `${what}: ${reply[2]}`);
    assert.equal(reply.length, 3, what);
  }
  await goesOn(session);
});

test("AUTH_NONE is served, with nobody's rights", async () => {
  await using server = await TestServer.start();
  server.make("open");
  server.make("closed", { mode: 0o600 });
  const session = await server.client("c");
  session.connection.credential = undefined;
  const reading = (name: string): readonly RawOperation<unknown>[] => [
    putRoot,
    lookup(name),
    read(anonymousStateid, 0, 1),
  ];
  assert.equal(await session.status(...reading("open")), "NFS4_OK");
  assert.equal(await session.status(...reading("closed")), "NFS4ERR_ACCESS");
});

test("a record past the limit ends its connection and no other", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const mark of [recordLimit + 1, 0x7fff_ffff]) {
    const other = await server.connect();
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32BE((0x8000_0000 | mark) >>> 0);
    other.sendBytes(bytes);
    await other.closed;
    await goesOn(session);
  }
});

test("records that are no calls end at most their own connection", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  for (const length of [0, 4, 8, 39]) {
    const other = await server.connect();
    other.sendBytes(marked(Buffer.alloc(length, 1)));
    await goesOn(session);
  }
  // A reply, which nobody waits for, is passed over.
  const reply = new XdrWriter();
  for (const word of [77, 1, 0, 0, 0, 0]) reply.uint32(word);
  session.connection.sendBytes(marked(reply.written()));
  await goesOn(session);
});

test("a call in fragments of one byte is answered like any other (RFC 5531 §11)", async () => {
  await using server = await TestServer.start();
  const { connection } = await server.client("c");
  const xid = connection.nextXid();
  const writer = new XdrWriter();
  for (const word of [xid, 0, 2, 100_003, 4, 0, 0, 0, 0, 0]) writer.uint32(word);
  const bytes = writer.written();
  const fragments = Array.from(bytes.subarray(0, -1), (byte) => Buffer.from([0, 0, 0, 1, byte]));
  connection.sendBytes(Buffer.concat(fragments));
  const reply = await connection.exchange(xid, bytes.subarray(-1));
  assert.deepEqual(wordsOf(reply), [0, 0, 0, 0]);
  assert.equal(reply.length, 4 * acceptedWords);
});

test("a connection that begins with much at once is answered all of it", async () => {
  // As a client does that comes back with what it was writing.
  await using server = await TestServer.start();
  for (const size of [1000, 65_536, 200_000, 1_048_576]) {
    for (let time = 0; time < 8; time += 1) {
      const connection = await server.connect();
      const calls = Array.from({ length: 3 }, () =>
        connection.call({ procedure: 0 }, (writer) => writer.room(size).fill(0)),
      );
      for (const reply of await Promise.all(calls)) assert.deepEqual(wordsOf(reply), [0, 0, 0, 0]);
      await connection.close();
    }
  }
});

test("PUTFH, by handle, is stale or bad (§18.19.3, §15.1.2)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const handle = Buffer.from(server.files.handleOf(server.make("f")));
  const gone = await session.value(putRoot, lookup("f"), getHandle);
  assert.deepEqual(gone, handle);
  assert.equal(await session.status(putHandle(handle)), "NFS4_OK");
  const otherLife = Buffer.from(handle);
  otherLife[otherLife.length - 1]! ^= 1;
  server.files.remove(superuser, server.files.root, "f", "file");
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ["of a file that is gone", handle, "NFS4ERR_STALE"],
    ["of another life", otherLife, "NFS4ERR_STALE"],
    ["empty", Buffer.alloc(0), "NFS4ERR_BADHANDLE"],
    ["cut off", handle.subarray(0, -4), "NFS4ERR_BADHANDLE"],
    ["longer", Buffer.concat([handle, Buffer.alloc(4)]), "NFS4ERR_BADHANDLE"],
    ["anything", Buffer.alloc(128, 0xaa), "NFS4ERR_BADHANDLE"],
  ];
  for (const [what, given, expected] of cases) {
    assert.equal(await session.status(putHandle(given)), expected, what);
  }
});

test("a file that goes while it is the current one is stale for what follows", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const handle = await session.value(putRoot, lookup("f"), getHandle);
  await session.value(putRoot, remove("f"));
  assert.equal(await session.status(putHandle(handle), getHandle), "NFS4ERR_STALE");
  server.make("f");
  assert.notDeepEqual(await session.value(putRoot, lookup("f"), getHandle), handle);
});

test("a connection that may not mount sees that there is a root, and gets no further", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const handle = await session.value(putRoot, getHandle);
  server.permissions.mount = false;
  for (const root of [putRoot, plain(Operation.PUTPUBFH)]) {
    assert.equal(await session.status(root, getHandle, getAttributes([1])), "NFS4_OK");
    for (const asked of [lookup("f"), readDirectory(), plain(Operation.SAVEFH)]) {
      assert.equal(await session.status(root, asked), "NFS4ERR_ACCESS");
    }
    assert.equal(await session.status(root, remove("f")), "NFS4ERR_ACCESS");
    assert.equal(await session.status(root, putHandle(handle)), "NFS4ERR_ACCESS");
  }
  assert.equal(await session.status(putHandle(handle)), "NFS4ERR_ACCESS");
});

test("root, without the right to be it, is nobody", async () => {
  await using server = await TestServer.start();
  server.make("closed", { mode: 0o600 });
  const session = await server.client("c");
  const asked = [putRoot, lookup("closed"), read(anonymousStateid, 0, 1)];
  assert.equal(await session.status(...asked), "NFS4_OK");
  server.permissions.root = false;
  assert.equal(await session.status(...asked), "NFS4ERR_ACCESS");
  session.connection.credential = { ...user(1000), gids: [0] };
  assert.equal(await session.status(...asked), "NFS4ERR_ACCESS");
});

test("any damage to a compound is answered, and the connection goes on", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const operations = [
    putRoot,
    getAttributes([0x0010_011b, 0x00b0_a23a]),
    readDirectory({ wanted: [0x12] }),
    open("f", { create: { mode: 0, settings: [[33, (writer) => writer.uint32(0o644)]] } }),
    setAttributes(anonymousStateid, [[4, (writer) => writer.uint64(5)]]),
    read(anonymousStateid, 0, 100),
  ];
  assert.equal(await session.status(...operations), "NFS4_OK");
  let fresh = await RawSession.create(session.connection, "fresh");
  let spoiled = 0;
  const damaged = fc.asyncProperty(mutationLists, async (mutations) => {
    const first = sequence({ sessionId: fresh.id, sequence: 1 });
    const writer = new XdrWriter();
    encodeCompound(writer, [first, ...operations], { tag: "tag" });
    const bytes = mutated(writer.written(), mutations);
    const reply = await session.connection.call({}, (call) => {
      call.room(bytes.length).set(bytes);
    });
    const [denied, , , accepted] = wordsOf(reply);
    assert.equal(denied, 0);
    // SUCCESS or GARBAGE_ARGS
    assert.ok(accepted === 0 || accepted === 4, `${accepted}`);
    await goesOn(session);
    spoiled += 1;
    fresh = await RawSession.create(session.connection, `fresh ${spoiled}`);
  });
  await fc.assert(damaged, { numRuns: 300 });
});
