// Files that a request or an answer keeps in hand, while they leave memory and others change them.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";

import { failed } from "../../files/failure.ts";
import { superuser } from "../../files/file-system.ts";
import { Attribute } from "../../wire/nfs4/attributes.ts";
import { anonymousStateid } from "../../wire/nfs4/stateid.ts";
import type { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { nameOf, TestServer } from "./testing/raw-client.ts";
import {
  getAttributes,
  getHandle,
  lookup,
  putHandle,
  putRoot,
  read,
  restoreHandle,
  saveHandle,
  setAttributes,
} from "./testing/raw-operations.ts";
import { closeInSequence, confirmOpen, openInSequence, Version0 } from "./testing/raw-version0.ts";

const slot = 5;
const mode = [Attribute.mode, (writer: XdrWriter) => writer.uint32(0o600)] as const;
const changingMode = setAttributes(anonymousStateid, [mode]);

/** Everything that may leave memory has. */
function crowd(server: TestServer): void {
  server.clock.advance(2000);
  for (const name of ["a", "b", "c"]) server.make(name);
  server.clock.advance(1);
}

test("a file that a compound waits with, current or saved, is the one that others change", async () => {
  for (const saved of [false, true]) {
    await using server = await TestServer.start({ cachedInodes: 2 });
    const { files } = server;
    const [session, other] = [await server.client("c"), await server.client("other")];
    for (const name of ["f", "g"]) {
      await files.write(superuser, server.make(name, { mode: 0o666 }), 0, Buffer.from("contents"));
    }
    const waiting = new EventEmitter();
    const { read: readNow } = files;
    files.read = async (...given) => {
      waiting.emit("waits");
      await once(waiting, "loaded");
      return readNow.apply(files, given);
    };
    const [waits, loads] = [once(waiting, "waits"), read(anonymousStateid, 0, 8)];
    const size = [Attribute.size, (writer: XdrWriter) => writer.uint64(3)] as const;
    const cutting = setAttributes(anonymousStateid, [size]);
    const run = saved
      ? [putRoot, lookup("f"), saveHandle, putRoot, lookup("g"), loads, restoreHandle, cutting]
      : [putRoot, lookup("f"), loads, cutting];
    const answer = session.run(run, { slot });
    await waits;
    crowd(server);
    assert.equal(await other.status(putRoot, lookup("f"), changingMode), "NFS4_OK");
    waiting.emit("loaded");
    assert.equal(nameOf((await answer).status), "NFS4_OK");
    const found = files.lookup(superuser, files.root, "f");
    assert.ok(!failed(found));
    assert.deepEqual([found.size, found.mode], [3, 0o600], `saved: ${saved}`);
  }
});

test("a CLOSE that is sent again is of the file as it is now", async () => {
  await using server = await TestServer.start({ cachedInodes: 2 });
  const client = new Version0(await server.connect());
  const clientId = await client.introduce("c");
  const opening = openInSequence("f", { clientId, seqid: 1, create: { mode: 0 } });
  const { stateid } = await client.value(putRoot, opening);
  const handle = await client.value(putRoot, lookup("f"), getHandle);
  const confirmed = await client.value(putHandle(handle), confirmOpen(stateid, 2));
  const closing = [putHandle(handle), closeInSequence(confirmed, 3)];
  assert.equal(await client.status(...closing), "NFS4_OK");
  crowd(server);
  assert.equal(await client.status(putHandle(handle), changingMode), "NFS4_OK");
  const { values } = await client.value(...closing, getAttributes([0, 1 << (Attribute.mode & 31)]));
  assert.equal(values.readUInt32BE(0), 0o600);
});
