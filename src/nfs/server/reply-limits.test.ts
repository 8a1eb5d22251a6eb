// Replies that a session has no room for (RFC 8881 §2.10.6.4): what changes something is refused
// before it does, and no reply is larger than was agreed on.
import assert from "node:assert/strict";
import { test } from "node:test";

import { failed } from "../../files/failure.ts";
import { superuser } from "../../files/file-system.ts";
import { acceptedLength } from "../../wire/rpc/message.ts";
import { Attribute } from "../../wire/nfs4/attributes.ts";
import { LockType } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { anonymousStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import { nameOf, type RawSession, TestServer } from "./testing/raw-client.ts";
import { open } from "./testing/raw-opens.ts";
import {
  getAttributes,
  getHandle,
  link,
  lock,
  lookup,
  makeDirectory,
  putRoot,
  type RawOperation,
  remove,
  rename,
  saveHandle,
  setAttributes,
  unlock,
  write,
} from "./testing/raw-operations.ts";
import { sequence } from "./testing/raw-sessions.ts";

const limit = 512;
const slot = 9;
const longestTag = 1024;

/** A compound that changes something, and what shows that it has. */
interface Changing {
  readonly operations: readonly RawOperation<unknown>[];
  readonly seen: () => unknown;
}

type Prepare = (server: TestServer, session: RawSession) => Changing | Promise<Changing>;

function seenIn(server: TestServer, name: string): () => unknown {
  return () => {
    const { files } = server;
    const found = files.lookup(superuser, files.root, name);
    return [files.root.change, failed(found) ? found.code : found.change];
  };
}

/** The file "f", open and locked, and what changes that. */
async function holding(
  server: TestServer,
  session: RawSession,
  change: (locked: Stateid) => RawOperation<unknown>,
): Promise<Changing> {
  server.make("f");
  const { stateid } = await session.value(putRoot, open("f"));
  const asked = lock({ type: LockType.read, length: 1n, stateid, newOwner: "owner" });
  const locked = await session.value(putRoot, lookup("f"), asked);
  const { locks, root } = server.files;
  const found = server.files.lookup(superuser, root, "f");
  assert.ok(!failed(found));
  const held = (start: bigint): unknown =>
    locks.conflict(found.number, { owner: "nobody", start, end: start + 1n, exclusive: true });
  return {
    operations: [putRoot, lookup("f"), change(locked)],
    seen: () => [held(0n), held(1n)],
  };
}

const changes: Readonly<Record<string, Prepare>> = {
  CREATE: (server) => ({
    operations: [putRoot, makeDirectory("made")],
    seen: seenIn(server, "made"),
  }),
  OPEN: (server) => ({
    operations: [putRoot, open("made", { create: { mode: 0 } })],
    seen: seenIn(server, "made"),
  }),
  REMOVE: (server) => {
    server.make("f");
    return { operations: [putRoot, remove("f")], seen: seenIn(server, "f") };
  },
  RENAME: (server) => {
    server.make("f");
    return { operations: [putRoot, saveHandle, rename("f", "g")], seen: seenIn(server, "f") };
  },
  LINK: (server) => {
    server.make("f");
    const operations = [putRoot, lookup("f"), saveHandle, putRoot, link("g")];
    return { operations, seen: seenIn(server, "f") };
  },
  SETATTR: (server) => {
    server.make("f");
    const mode = [
      Attribute.mode,
      (writer: { uint32(value: number): void }) => writer.uint32(0),
    ] as const;
    const setting = setAttributes(anonymousStateid, [mode]);
    return { operations: [putRoot, lookup("f"), setting], seen: seenIn(server, "f") };
  },
  WRITE: (server) => {
    server.make("f");
    const writing = write(anonymousStateid, 0, Buffer.from("x"));
    return { operations: [putRoot, lookup("f"), writing], seen: seenIn(server, "f") };
  },
  LOCK: (server, session) =>
    holding(server, session, (stateid) =>
      lock({ type: LockType.write, offset: 1n, length: 1n, stateid }),
    ),
  LOCKU: (server, session) => holding(server, session, (stateid) => unlock(stateid)),
};

for (const [name, prepare] of Object.entries(changes)) {
  for (const [keep, refusal] of [
    [false, "NFS4ERR_REP_TOO_BIG"],
    [true, "NFS4ERR_REP_TOO_BIG_TO_CACHE"],
  ] as const) {
    test(`${name}, its result doesn't fit, is ${refusal} and does nothing`, async () => {
      await using server = await TestServer.start();
      const fore = keep ? { maximumCached: limit } : { maximumReply: limit };
      const session = await server.client("c", { fore });
      const { operations, seen } = await prepare(server, session);
      const before = seen();
      let status: string = refusal;
      // The tag comes back: the shorter it is, the more room there is.
      let number = 1;
      for (let length = longestTag; length >= 0 && status !== "NFS4_OK"; length -= 4) {
        const first = sequence({ sessionId: session.id, sequence: number, slot, keep });
        const asked = [first, ...operations, getHandle];
        const result = await session.connection.compound(asked, { tag: "t".repeat(length) });
        if (result.statuses[0] === Status.OK) number += 1;
        status = nameOf(result.statuses[operations.length] ?? result.status);
        const what = `with a tag of ${length}: ${status}`;
        if (result.statuses[0] === Status.OK) {
          assert.ok(result.bytes.length + acceptedLength <= limit, what);
        }
        if (status === "NFS4_OK") assert.notDeepEqual(seen(), before, what);
        else {
          assert.equal(status, refusal, what);
          assert.deepEqual(seen(), before, what);
        }
      }
      assert.equal(status, "NFS4_OK");
    });
  }
}

test("SEQUENCE, its result doesn't fit, leaves the slot as it was", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { fore: { maximumReply: 256 } });
  const asked = [sequence({ sessionId: session.id, sequence: 1, slot }), putRoot];
  const refused = await session.connection.compound(asked, { tag: "t".repeat(200) });
  assert.deepEqual(refused.statuses.map(nameOf), ["NFS4ERR_REP_TOO_BIG"]);
  assert.equal(nameOf((await session.connection.compound(asked)).status), "NFS4_OK");
});

test("SEQUENCE alone, with no room to keep it, is answered where it need not be kept", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c", { fore: { maximumCached: 0 } });
  assert.equal(await session.status(), "NFS4_OK");
  const kept = await session.run([], { keep: true });
  assert.equal(nameOf(kept.status), "NFS4ERR_REP_TOO_BIG_TO_CACHE");
  assert.equal(await session.status(putRoot, getAttributes([])), "NFS4_OK");
});
