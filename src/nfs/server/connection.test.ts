// How calls come off a connection and replies get onto it, on every kind of transport.
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

import { failed } from "../../files/failure.ts";
import { superuser } from "../../files/file-system.ts";
import { nfsProgram, nfsVersion, Procedure } from "../../wire/nfs4/operations.ts";
import { anonymousStateid } from "../../wire/nfs4/stateid.ts";
import { encodeCall } from "../../wire/rpc/message.ts";
import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { marked } from "../../wire/rpc/testing.ts";
import { RawSession } from "./testing/raw-client.ts";
import { root } from "./testing/raw-connection.ts";
import {
  getAttributes,
  lookup,
  makeDirectory,
  putRoot,
  read,
  reclaimComplete,
  write,
} from "./testing/raw-operations.ts";
import { TransportServer, transports } from "./testing/transports.ts";

const mebibyte = 1024 * 1024;
const slots = 64;
const typeBitmap = [1 << 1];

/** Bytes that tell where in the file they are. */
function contents(): Buffer {
  const bytes = Buffer.alloc(2 * mebibyte);
  for (let at = 0; at < bytes.length; at += 4)
    bytes.writeUInt32BE(Math.imul(at, 0x9e37_79b1) >>> 0, at);
  return bytes;
}

function makeFile(server: TransportServer, bytes: Uint8Array): void {
  const { files } = server.memory;
  const made = files.create(superuser, files.root, "f", { type: "file", mode: 0o666 });
  assert.ok(!failed(made));
  assert.equal(files.write(superuser, made, 0, bytes), bytes.length);
}

async function sessionOn(server: TransportServer, owner = "client"): Promise<RawSession> {
  const session = await RawSession.create(await server.connect(), owner);
  await session.value(reclaimComplete());
  return session;
}

/** Resolves when `count` has stayed the same for a while. */
async function settled(count: () => number): Promise<number> {
  for (let last = -1, same = 0; ;) {
    await delay(20);
    same = count() === last ? same + 1 : 0;
    last = count();
    if (same === 5) return last;
  }
}

function nullCall(xid: number): Buffer {
  const writer = new XdrWriter();
  const procedure = Procedure.null;
  encodeCall(writer, { xid, program: nfsProgram, programVersion: nfsVersion, procedure });
  return marked(writer.written());
}

for (const transport of transports) {
  test(`${transport}: calls that arrive cut anywhere are answered once each, in order`, async () => {
    await using server = await TransportServer.start(transport);
    const connection = await server.connect();
    const answered: number[] = [];
    const calls = Buffer.concat([1, 2, 3, 4, 5, 6].map(nullCall));
    const all = Promise.all(
      [1, 2, 3, 4, 5, 6].map((xid) => connection.reply(xid).then(() => answered.push(xid))),
    );
    for (const [from, to] of [
      [0, 1],
      [1, 43],
      [43, 90],
      [90, 91],
      [91, calls.length],
    ] as const) {
      connection.sendBytes(calls.subarray(from, to));
      await nextTurn();
    }
    await all;
    assert.deepEqual(answered, [1, 2, 3, 4, 5, 6]);
  });

  test(`${transport}: a client that doesn't read is answered when it does, not into memory`, async () => {
    await using server = await TransportServer.start(transport);
    const bytes = contents();
    makeFile(server, bytes);
    const session = await sessionOn(server);
    server.holds = true;
    const made = session.run([putRoot, makeDirectory("d")], { slot: slots - 1 });
    session.connection.pause();
    const replies = Array.from({ length: slots - 1 }, async (_, slot) => {
      const length = mebibyte - slot * 3001;
      const operations = [putRoot, lookup("f"), read(anonymousStateid, slot * 7, length)];
      const { values } = await session.run(operations, { slot });
      const { bytes: got } = values[3] as { bytes: Buffer };
      assert.ok(got.equals(bytes.subarray(slot * 7, slot * 7 + length)), `slot ${slot}`);
    });
    // The kernel's own buffers hold some; what is left of the requests isn't looked at.
    const begun = await settled(() => server.reads);
    assert.ok(begun > 0 && begun < 40, `${begun} of ${slots - 1} were read`);
    server.release();
    assert.equal(await settled(() => server.reads), begun);
    session.connection.resume();
    await Promise.all(replies);
    assert.equal((await made).status, 0);
    assert.equal(server.reads, slots - 1);
  });

  test(`${transport}: a reply that promises durability waits for it, and others overtake it`, async () => {
    await using server = await TransportServer.start(transport);
    const session = await sessionOn(server);
    server.holds = true;
    const order: string[] = [];
    const made = session.run([putRoot, makeDirectory("d")]).then(() => order.push("made"));
    for (let time = 0; time < 3; time += 1) {
      await session.run([putRoot, lookup("d"), getAttributes(typeBitmap)], { slot: 1 });
      order.push("read");
    }
    await settled(() => order.length);
    assert.deepEqual(order, ["read", "read", "read"]);
    server.release();
    await made;
    assert.deepEqual(order, ["read", "read", "read", "made"]);
  });

  test(`${transport}: large writes arrive as they are, with small requests between them`, async () => {
    await using server = await TransportServer.start(transport);
    makeFile(server, Buffer.alloc(0));
    const session = await sessionOn(server);
    const bytes = contents();
    for (let round = 0; round < 4; round += 1) {
      const pieces = Array.from({ length: 16 }, async (_, slot) => {
        const [from, length] = [slot * 65_537 + round, mebibyte - slot * 3001 - round];
        const piece = bytes.subarray(from, from + length);
        const operations = [putRoot, lookup("f"), write(anonymousStateid, from, piece)];
        const { values } = await session.run(operations, { slot });
        assert.equal((values[3] as { count: number }).count, length);
        await session.run([putRoot, getAttributes(typeBitmap)], { slot });
        const again = [putRoot, lookup("f"), read(anonymousStateid, from, length)];
        const { bytes: got } = (await session.run(again, { slot })).values[3] as { bytes: Buffer };
        assert.ok(got.equals(piece), `slot ${slot} of round ${round}`);
      });
      await Promise.all(pieces);
    }
  });

  test(`${transport}: what is no RPC ends its connection, also amid large writes, and no other`, async () => {
    await using server = await TransportServer.start(transport);
    makeFile(server, Buffer.alloc(0));
    const bytes = contents().subarray(0, mebibyte);
    const written = [putRoot, lookup("f"), write(anonymousStateid, 0, bytes)];
    const other = await sessionOn(server, "other");
    for (let round = 1; round <= 4; round += 1) {
      const session = await sessionOn(server, `client ${round}`);
      await session.run(written);
      const before = [1, 2, 3].map((slot) => session.run(written, { slot }).catch(() => "lost"));
      session.connection.sendBytes(Buffer.alloc(round * 100_000, 0xff));
      const after = [4, 5].map((slot) => assert.rejects(session.run(written, { slot }), /hung up/));
      await session.connection.closed;
      await Promise.all([...before, ...after]);
      while (server.ended < round) await nextTurn();
      assert.equal(await other.status(...written), "NFS4_OK");
    }
  });

  test(`${transport}: a client that goes amid large writes is gone for the server`, async () => {
    await using server = await TransportServer.start(transport);
    makeFile(server, Buffer.alloc(0));
    const bytes = contents().subarray(0, mebibyte);
    const written = [putRoot, lookup("f"), write(anonymousStateid, 0, bytes)];
    for (let round = 1; round <= 8; round += 1) {
      const session = await sessionOn(server, `client ${round}`);
      await session.run(written);
      const lost = [0, 1, 2].map((slot) => session.run(written, { slot }).catch(() => "lost"));
      await delay(round % 4);
      await session.connection.close();
      await Promise.all(lost);
      while (server.ended < round) await nextTurn();
    }
  });

  test(`${transport}: a connection that closes while replies wait takes them along`, async () => {
    await using server = await TransportServer.start(transport);
    const directory = mkdtempSync(path.join(tmpdir(), "mooring-connection-"));
    const descriptors: number[] = [];
    try {
      const session = await sessionOn(server);
      server.holds = true;
      const lost = session.run([putRoot, makeDirectory("d")]);
      await session.run([putRoot], { slot: 1 });
      await Promise.all([assert.rejects(lost, /hung up/), session.connection.close()]);
      while (server.ended === 0) await nextTurn();
      // One of these gets the descriptor that the connection had.
      for (let file = 0; file < 8; file += 1) {
        descriptors.push(openSync(path.join(directory, String(file)), "w"));
      }
      server.holds = false;
      server.release();
      await nextTurn();
      for (const name of readdirSync(directory)) {
        assert.equal(readFileSync(path.join(directory, name)).length, 0);
      }
      const another = await sessionOn(server, "another");
      assert.equal(await another.status(putRoot, lookup("d")), "NFS4_OK");
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
      rmSync(directory, { recursive: true });
    }
  });

  test(`${transport}: a credential that changes between calls is the one that counts`, async () => {
    await using server = await TransportServer.start(transport);
    const session = await sessionOn(server);
    const { connection } = session;
    const onlyOwners = { type: "directory", mode: 0o700 } as const;
    const { files } = server.memory;
    assert.ok(!failed(files.create(superuser, files.root, "d", onlyOwners)));
    const inside = [putRoot, lookup("d"), lookup("nothing")] as const;
    for (const uid of [0, 1000, 0, 1001]) {
      connection.credential = { ...root, uid, gid: uid };
      const expected = uid === 0 ? "NFS4ERR_NOENT" : "NFS4ERR_ACCESS";
      assert.equal(await session.status(...inside), expected, `uid ${uid}`);
    }
  });
}
