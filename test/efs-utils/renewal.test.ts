import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { SecureVersion, TLSSocket } from "node:tls";

import { NfsError } from "../../src/nfs/client/nfs-error.ts";
import { hangUpMs } from "../../src/nfs/server/limits.ts";
import { Status } from "../../src/wire/nfs4/status.ts";
import { eventually } from "../support/eventually.ts";
import { InProcessEfs } from "../support/in-process-efs.ts";
import { nfsClient, readWrite, rootUser } from "../support/nfs.ts";

const promptly = { timeout: 10_000 };
/** The shortest that STS gives. */
const sessionSeconds = 900;
const minuteMs = 60_000;

let efs: InProcessEfs;

before(async () => {
  efs = await InProcessEfs.start();
});
after(() => efs?.end());

for (const version of ["TLSv1.2", "TLSv1.3"] satisfies SecureVersion[]) {
  test(`a session of ${version} isn't resumed: the new certificate counts`, promptly, async () => {
    const only = { minVersion: version, maxVersion: version };
    const first = await efs.dial(efs.assumeRole("first", sessionSeconds), only);
    let session = first.getSession();
    first.on("session", (ticket) => {
      session = ticket;
    });
    assert.equal(first.getProtocol(), version);
    await callNull(first);
    first.destroy();
    const second = await efs.dial(efs.assumeRole("second", sessionSeconds), { ...only, session });
    await callNull(second);
    assert.equal(second.isSessionReused(), false);
    second.destroy();
    const sessions = efs.connections.list().slice(-2);
    assert.deepEqual(
      sessions.map(({ principal }) => principal.split("/").at(-1)),
      ["first", "second"],
    );
  });
}

test("a connection ends with its session's credentials, to the millisecond", promptly, async () => {
  const session = efs.assumeRole("brief", sessionSeconds);
  const connection = await efs.dial(session);
  await callNull(connection);
  const closed = once(connection, "close");
  efs.clock.advance(session.expiresAtMs - efs.clock.nowMs() - 1);
  await callNull(connection);
  efs.clock.advance(1);
  await closed;
});

test("a connection without credentials outlives everybody's", promptly, async () => {
  const session = efs.assumeRole("brief", sessionSeconds);
  const connection = await efs.dial(undefined);
  await callNull(connection);
  efs.clock.advance(session.expiresAtMs - efs.clock.nowMs() + minuteMs);
  await callNull(connection);
  connection.destroy();
});

test(
  "a client with a renewed certificate goes on where its session expired",
  promptly,
  async () => {
    let session = efs.assumeRole("before", sessionSeconds);
    const sockets: TLSSocket[] = [];
    const client = nfsClient(async () => {
      const socket = await efs.dial(session);
      sockets.push(socket);
      return socket;
    });
    try {
      // The lease is longer than what is left of the session, so that the open file stays open.
      efs.clock.advance(session.expiresAtMs - efs.clock.nowMs() - minuteMs);
      const root = await client.connect(rootUser, "/");
      const how = { mode: 0o644, access: readWrite, exclusive: true };
      const { open } = await client.createFile(rootUser, root.handle, "file", how);
      await client.write(open, 0, Buffer.from("before "), true);
      const { stateid } = open;
      session = efs.assumeRole("after", sessionSeconds);
      const closed = once(sockets[0]!, "close");
      efs.clock.advance(minuteMs);
      await closed;
      await client.write(open, 7, Buffer.from("after"), true);
      assert.equal(Buffer.from(await client.read(open, 0, 100)).toString(), "before after");
      assert.deepEqual(open.stateid, stateid);
      assert.equal(sockets.length, 2);
      assert.match(efs.connections.list().at(-1)!.principal, /assumed-role\/app\/after$/);
      await client.disconnect(1000);
    } finally {
      client.close();
    }
  },
);

test(
  "a client whose session expired first goes on once its certificate is renewed",
  promptly,
  async () => {
    let session = efs.assumeRole("old", sessionSeconds);
    let dialled = 0;
    const client = nfsClient(() => {
      dialled += 1;
      return efs.dial(session);
    });
    try {
      efs.clock.advance(session.expiresAtMs - efs.clock.nowMs() - minuteMs);
      const root = await client.connect(rootUser, "/");
      const how = { mode: 0o644, access: readWrite, exclusive: true };
      const { open } = await client.createFile(rootUser, root.handle, "late", how);
      const { stateid } = open;
      efs.clock.advance(minuteMs);
      let isWritten = false;
      const writing = client.write(open, 0, Buffer.from("late"), true);
      void writing.then(() => (isWritten = true));
      await eventually("two refused connections", () => {
        efs.clock.advance(hangUpMs);
        return dialled > 2;
      });
      assert.match(efs.connections.list().at(-1)!.reason ?? "", /has expired/);
      session = efs.assumeRole("new", sessionSeconds);
      await eventually("an answer to the write", () => {
        efs.clock.advance(hangUpMs);
        return isWritten;
      });
      assert.equal(Buffer.from(await client.read(open, 0, 100)).toString(), "late");
      assert.deepEqual(open.stateid, stateid);
      await client.disconnect(1000);
    } finally {
      client.close();
    }
  },
);

test("credentials that have expired are answered with NFS4ERR_ACCESS", promptly, async () => {
  const session = efs.assumeRole("late", sessionSeconds);
  efs.clock.advance(session.expiresAtMs - efs.clock.nowMs());
  const client = nfsClient(() => efs.dial(session));
  try {
    await assert.rejects(client.connect(rootUser, "/"), (error: unknown) => {
      assert.ok(error instanceof NfsError, String(error));
      assert.equal(error.status, Status.ACCESS);
      return true;
    });
    assert.match(efs.connections.list().at(-1)!.reason ?? "", /has expired/);
  } finally {
    client.close();
  }
});

/** NFS's procedure 0; resolves when the server has answered. */
async function callNull(connection: TLSSocket): Promise<void> {
  const words = [0x8000_0028, 7, 0, 2, 100_003, 4, 0, 0, 0, 0, 0];
  const call = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) call.writeUInt32BE(word, index * 4);
  const answered = once(connection, "data");
  connection.write(call);
  const [reply] = (await answered) as [Buffer];
  assert.equal(reply.readUInt32BE(4), 7);
}
