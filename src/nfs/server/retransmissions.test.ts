// Requests that come again after their connection broke: NFSv4.0 has no slots to know them by, and
// what changed something must not happen twice (RFC 7530 §3.1.1).
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import { superuser } from "../../files/file-system.ts";
import { anonymousStateid } from "../../wire/nfs4/stateid.ts";
import { marked } from "../../wire/rpc/testing.ts";
import { duplicateRepliesLimit, duplicateReplyLimit } from "./limits.ts";
import { DuplicateRequests } from "./state/duplicate-requests.ts";
import { TestServer } from "./testing/raw-client.ts";
import type { RawConnection } from "./testing/raw-connection.ts";
import {
  commit,
  getHandle,
  lookup,
  makeDirectory,
  putRoot,
  read,
  write,
} from "./testing/raw-operations.ts";
import { sequence } from "./testing/raw-sessions.ts";
import { callOf, Version0 } from "./testing/raw-version0.ts";

const xid = 4711;

/** An answer, and whether one has come when that of a later request on the connection has. */
function exchanged(
  connection: RawConnection,
  record: Buffer,
): { readonly reply: Promise<Buffer>; readonly isAnswered: () => Promise<boolean> } {
  let came = false;
  const reply = connection.exchange(xid, record).finally(() => {
    came = true;
  });
  reply.catch(() => {});
  const isAnswered = async (): Promise<boolean> => {
    await new Version0(connection).value(putRoot, getHandle);
    await nextTurn();
    return came;
  };
  return { reply, isAnswered };
}

/** Contents that are at hand when the test says so. */
class SlowContents {
  started = 0;
  readonly #arrivals = new EventEmitter();
  readonly #waiting: ((error?: Error) => void)[] = [];

  constructor({ files }: TestServer) {
    const wait = async (): Promise<void> => {
      this.started += 1;
      this.#arrivals.emit("arrived");
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push((error) => (error ? reject(error) : resolve()));
      });
    };
    const { read: readNow, write: writeNow } = files;
    files.read = (...given) => wait().then(() => readNow.apply(files, given));
    files.write = (...given) => wait().then(() => writeNow.apply(files, given));
  }

  async arrived(): Promise<void> {
    await once(this.#arrivals, "arrived");
  }

  finish(error?: Error): void {
    for (const call of this.#waiting.splice(0)) call(error);
  }
}

test("a request that changed something is not done twice when it comes again", async () => {
  await using server = await TestServer.start();
  const connection = await server.connect();
  await new Version0(connection).value(putRoot, makeDirectory("before"));
  // The same bytes with the same xid, on a connection of its own.
  const record = callOf(xid, [putRoot, makeDirectory("made once")]);
  const first = await connection.exchange(xid, record);
  const second = await (await server.connect()).exchange(xid, record);
  assert.deepEqual(second, first);
  assert.equal(first.readUInt32BE(24), 0, "NFS4_OK");
});

test("a request that comes again while it is carried out is answered once it is durable", async () => {
  await using server = await TestServer.start();
  const { files } = server;
  const durable: (() => void)[] = [];
  const arrivals = new EventEmitter();
  files.whenDurable = (_sequence, call) => {
    durable.push(call);
    arrivals.emit("arrived");
  };
  const [connection, elsewhere] = [await server.connect(), await server.connect()];
  const record = callOf(xid, [putRoot, makeDirectory("made once")]);
  const arrived = once(arrivals, "arrived");
  const first = connection.exchange(xid, record);
  await arrived;
  const second = exchanged(elsewhere, record);
  assert.equal(await second.isAnswered(), false);
  for (const call of durable) call();
  assert.deepEqual(await second.reply, await first);
  assert.equal((await first).readUInt32BE(24), 0, "NFS4_OK");
});

test("a request that comes again while its contents are waited for is done once", async () => {
  const writing = write(anonymousStateid, 0, Buffer.from("once"));
  for (const operation of [writing, read(anonymousStateid, 0, 8192)]) {
    await using server = await TestServer.start();
    await server.files.write(superuser, server.make("f"), 0, Buffer.alloc(8192, "x"));
    const contents = new SlowContents(server);
    const connections = [await server.connect(), await server.connect(), await server.connect()];
    const record = callOf(xid, [putRoot, lookup("f"), operation]);
    const arrived = contents.arrived();
    connections[0]!.sendBytes(marked(record));
    await arrived;
    const again = connections.map((connection) => exchanged(connection, record));
    for (const each of again) assert.equal(await each.isAnswered(), false);
    contents.finish();
    const [reply, ...others] = await Promise.all(again.map((each) => each.reply));
    assert.equal(reply!.readUInt32BE(24), 0, "NFS4_OK");
    for (const other of others) assert.deepEqual(other, reply);
    assert.equal(contents.started, 1);
  }
});

test("a request that could not be finished is done anew when it comes again", async () => {
  await using server = await TestServer.start();
  server.make("f");
  const contents = new SlowContents(server);
  const record = callOf(xid, [putRoot, lookup("f"), write(anonymousStateid, 0, Buffer.from("x"))]);
  const arrived = contents.arrived();
  const first = exchanged(await server.connect(), record);
  await arrived;
  const elsewhere = await server.connect();
  const second = exchanged(elsewhere, record);
  assert.equal(await second.isAnswered(), false);
  contents.finish(new Error("the device is gone"));
  await assert.rejects(first.reply, /hung up/);
  await assert.rejects(second.reply, /hung up/);
  const arrivedAgain = contents.arrived();
  const third = exchanged(await server.connect(), record);
  await arrivedAgain;
  contents.finish();
  assert.equal((await third.reply).readUInt32BE(24), 0, "NFS4_OK");
});

test("a request of a session that could not be finished is done anew in its slot", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  server.make("f");
  const { files } = server;
  const { commit: commitNow } = files;
  files.commitToStore = () => false;
  files.commit = (_inode, call) => call(new Error("the device is gone"));
  const first = sequence({ sessionId: session.id, sequence: 1, slot: 5, keep: true });
  const asked = [first, putRoot, lookup("f"), commit(0, 0)];
  await assert.rejects(session.connection.compound(asked), /hung up/);
  files.commit = commitNow.bind(files);
  const again = await (await server.connect()).compound(asked);
  assert.equal(again.status, 0);
});

test("replies that went out are kept for the last requests, and those under way always", () => {
  const duplicates = new DuplicateRequests();
  const reply = Buffer.alloc(8);
  const answers: (Uint8Array | undefined)[] = [];
  duplicates.begin("slow");
  for (let index = 0; index < duplicateRepliesLimit + 10; index += 1) {
    duplicates.begin(`${index}`);
    duplicates.finish(`${index}`, reply);
  }
  const known = (key: string): string => {
    const found = duplicates.find(key);
    if (found === undefined) return "unknown";
    return "reply" in found ? "answered" : "under way";
  };
  assert.equal(known("0"), "unknown");
  assert.equal(known(`${duplicateRepliesLimit + 9}`), "answered");
  assert.equal(known("slow"), "under way");
  const slow = duplicates.find("slow");
  assert.ok(slow !== undefined && "waiting" in slow);
  slow.waiting.push((answer) => answers.push(answer));
  const large = Buffer.alloc(duplicateReplyLimit + 1);
  duplicates.finish("slow", large);
  assert.deepEqual(answers, [large]);
  assert.equal(known("slow"), "unknown");
});
