import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { FakeClock } from "../../base/fake-clock.ts";
import { PosixFileSystem } from "../../files/posix-file-system.ts";
import type { SettableAttributes } from "../../wire/nfs4/attributes.ts";
import { endOfFile } from "../../wire/nfs4/lock-range.ts";
import { Status } from "../../wire/nfs4/status.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import { RestartedServer } from "../server/testing/restarted-server.ts";
import { commitMs } from "./limits.ts";
import type { NfsClient } from "./nfs-client.ts";
import { gettingAttributes, settingAttributes } from "./on-file.ts";
import type { OpenFile } from "./open-file.ts";
import { testClient } from "./testing.ts";

const root: AuthSys = { machineName: "test", uid: 0, gid: 0, gids: [] };
const readWrite = 3;
const how = { mode: 0o644, access: readWrite, exclusive: false };

let server: RestartedServer;
let client: NfsClient;

beforeEach(async () => {
  server = new RestartedServer();
  await server.start();
  client = testClient(() => server.dial());
});
afterEach(async () => {
  client.close();
  await server.stop();
});

async function create(name: string): Promise<OpenFile> {
  const { handle } = await client.connect(root, "/");
  return (await client.createFile(root, handle, name, how)).open;
}

async function contents(open: OpenFile): Promise<string> {
  return Buffer.from(await client.read(open, 0, 100)).toString();
}

test("nfs client: an open file is closed though the server restarts meanwhile", async () => {
  const open = await create("f");
  await server.stop();
  const closing = client.closeFile(open);
  await server.start();
  await closing;
});

const laterWrites: Record<string, (later: OpenFile) => Promise<unknown>> = {
  "durable by itself": (later) => client.write(later, 0, Buffer.from("new"), true),
  committed: async (later) => {
    await client.write(later, 0, Buffer.from("new"), false);
    await client.commit(later);
  },
};
for (const [what, write] of Object.entries(laterWrites)) {
  test(`nfs client: a write that is ${what} stays on top of an earlier one of another open`, async () => {
    const earlier = await create("f");
    await client.write(earlier, 0, Buffer.from("old, longer"), false);
    const later = await client.open(root, earlier.handle, readWrite);
    await write(later);
    await server.restart();
    assert.equal(await contents(later), "new, longer");
    await client.commit(earlier);
    assert.equal(await contents(later), "new, longer");
  });
}

test("nfs client: what was not committed is written again after a restart", async () => {
  const open = await create("f");
  await client.write(open, 0, Buffer.from("written"), false);
  await server.restart();
  await client.commit(open);
  await server.restart();
  assert.equal(await contents(open), "written");
});

test("nfs client: an append goes to where the file ends now, whatever the caller believes", async () => {
  const open = await create("f");
  const append = async (believed: number, text: string, stable: boolean): Promise<number> =>
    (await client.append(open, believed, Buffer.from(text), stable)).offset;
  assert.equal(await append(0, "first, ", false), 0);
  assert.equal(await append(0, "second, ", true), 7);
  await client.names.setAttributes(root, open.handle, { size: 5 });
  assert.equal(await append(15, " and third", false), 5);
  assert.equal(await contents(open), "first and third");
});

test("nfs client: an append that the server did and could not answer is not done twice", async () => {
  const open = await create("f");
  await client.append(open, 0, Buffer.from("before, "), true);
  const { files } = server;
  files.write = (caller, inode, offset, bytes) => {
    const written = PosixFileSystem.prototype.write.call(files, caller, inode, offset, bytes);
    files.commit(inode, () => {});
    void server.restart();
    return written;
  };
  const { offset } = await client.append(open, 8, Buffer.from("once"), true);
  assert.equal(offset, 8);
  assert.equal(await contents(open), "before, once");
});

/** The server is restarted during the next call of a method, which it does and can't answer. */
function restartDuring(method: "create" | "link" | "remove" | "rename" | "setAttributes"): void {
  const { files } = server;
  const original = files[method].bind(files) as (...given: unknown[]) => unknown;
  const once = (...given: unknown[]): unknown => {
    const result = original(...given);
    void server.restart();
    return result;
  };
  Object.assign(files, { [method]: once });
}

test("nfs client: a name that the server removed and could not say so is removed", async () => {
  const { handle: directory } = await client.connect(root, "/");
  await client.createFile(root, directory, "f", how);
  restartDuring("remove");
  await client.names.remove(root, directory, "f");
  await assert.rejects(client.names.remove(root, directory, "f"), { status: Status.NOENT });
});

test("nfs client: a file that the server renamed and could not say so is renamed", async () => {
  const { handle: directory } = await client.connect(root, "/");
  const { file } = await client.createFile(root, directory, "f", how);
  const rename = (name: string, other: string): Promise<void> =>
    client.names.rename(root, { directory, name }, { directory, name: other }, (found) =>
      Buffer.from(file.handle).equals(found),
    );
  restartDuring("rename");
  await rename("f", "g");
  assert.deepEqual((await client.names.lookup(root, directory, "g")).handle, file.handle);
  await client.createFile(root, directory, "other", how);
  await assert.rejects(rename("f", "g"), { status: Status.NOENT });
  restartDuring("rename");
  await assert.rejects(rename("f", "other"), { status: Status.NOENT });
});

test("nfs client: a link that the server made and could not say so is made", async () => {
  const { handle: directory } = await client.connect(root, "/");
  const { file } = await client.createFile(root, directory, "f", how);
  restartDuring("link");
  const { links } = await client.names.link(root, file.handle, { directory, name: "g" });
  assert.equal(links, 2);
  const again = (name: string): Promise<unknown> =>
    client.names.link(root, file.handle, { directory, name });
  await assert.rejects(again("g"), { status: Status.EXIST });
  await client.createFile(root, directory, "other", how);
  restartDuring("link");
  await assert.rejects(again("other"), { status: Status.EXIST });
});

test("nfs client: a file made exclusively by a server that could not say so is ours", async () => {
  const { handle: directory } = await client.connect(root, "/");
  const exclusive = { ...how, exclusive: true, truncate: true };
  restartDuring("create");
  const { open } = await client.createFile(root, directory, "f", exclusive);
  await client.write(open, 0, Buffer.from("ours"), true);
  restartDuring("create");
  await assert.rejects(client.createFile(root, directory, "f", exclusive), {
    status: Status.EXIST,
  });
  assert.equal(await contents(open), "ours");
});

test("nfs client: who may run a file and not read it can open it to run it", async () => {
  const made = await create("f");
  await client.names.setAttributes(root, made.handle, { mode: 0o711 });
  const user: AuthSys = { machineName: "test", uid: 1000, gid: 1000, gids: [] };
  const read = 1;
  await assert.rejects(client.open(user, made.handle, read), { status: Status.ACCESS });
  await client.closeFile((await client.openByHandle(user, made.handle, read, true)).open);
  await client.names.setAttributes(root, made.handle, { mode: 0o744 });
  const running = client.openByHandle(user, made.handle, read, true);
  await assert.rejects(running, { status: Status.ACCESS });
  await client.closeFile(await client.open(user, made.handle, read));
});

test("nfs client: one owner's locks through two opens are one, also after a restart", async () => {
  const one = await create("f");
  const two = await client.open(root, one.handle, readWrite);
  const { locks } = client;
  assert.ok(await locks.lock(one, "owner", { start: 0n, end: 10n }, true));
  assert.ok(await locks.lock(two, "owner", { start: 5n, end: 15n }, true));
  await server.restart();
  const other = await client.open(root, one.handle, readWrite);
  const conflict = () => locks.testLock(other, "stranger", { start: 0n, end: endOfFile }, true);
  const found = await conflict();
  assert.ok(found !== undefined && found.start === 0n, "reclaimed");
  await locks.unlock(one, "owner", { start: 0n, end: 12n });
  assert.deepEqual(await conflict(), { start: 12n, end: 15n, exclusive: true });
  await locks.unlock(one, "owner", { start: 0n, end: endOfFile });
  assert.equal(await conflict(), undefined);
  assert.ok(await locks.lock(two, "owner", { start: 0n, end: 1n }, true));
  await client.closeFile(one);
  assert.ok(await locks.lock(two, "owner", { start: 3n, end: 4n }, true));
  await client.closeFile(two);
  assert.equal(await conflict(), undefined);
});

test("nfs client: what is written and never committed is safe after a while", async () => {
  const clock = new FakeClock();
  const patient = testClient(() => server.dial(), { clock });
  const { handle } = await patient.connect(root, "/");
  const { open } = await patient.createFile(root, handle, "f", how);
  let released = 0;
  await patient.write(open, 0, Buffer.from("written"), false, () => (released += 1));
  clock.advance(2 * commitMs);
  while (open.written.length > 0) await new Promise((resolve) => setImmediate(resolve));
  await patient.commit(open);
  assert.equal(released, 1);
  await server.restart();
  const found: Uint8Array[] = [];
  const reading = patient.read(open, 0, 100).then((bytes) => found.push(bytes));
  while (found.length === 0) {
    clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await reading;
  assert.equal(Buffer.from(found[0]!).toString(), "written");
  patient.close();
});

test("nfs client: a write tells the change that it made, and that somebody else made one", async () => {
  const open = await create("f");
  const first = await client.write(open, 0, Buffer.from("a"), false);
  const second = await client.write(open, 1, Buffer.from("b"), true);
  assert.equal(second.before, first.after);
  assert.notEqual(second.after, second.before);
  const other = await client.open(root, open.handle, readWrite);
  await client.write(other, 0, Buffer.from("x"), false);
  const third = await client.write(open, 2, Buffer.from("c"), false);
  assert.notEqual(third.before, second.after);
});

test("nfs client: an open by name gives the file that has it, and cuts it when it is told to", async () => {
  const { handle } = await client.connect(root, "/");
  const made = await client.createFile(root, handle, "f", how);
  await client.write(made.open, 0, Buffer.from("contents"), true);
  const named = await client.openNamed(root, handle, "f", readWrite);
  assert.deepEqual(named.file.handle, made.file.handle);
  assert.equal(named.file.attributes.size, 8);
  const cut = await client.createFile(root, handle, "f", { ...how, truncate: true });
  assert.deepEqual(cut.file.handle, made.file.handle);
  assert.equal(cut.file.attributes.size, 0);
  await assert.rejects(client.openNamed(root, handle, "g", readWrite), { status: 2 });
});

const noon = { seconds: 1_000_000, nanoseconds: 5 };

/** Writes to an open file and sets attributes on top of it. */
function writeAndSet(open: OpenFile, text: string, wanted: SettableAttributes) {
  const write = { offset: 0, bytes: Buffer.from(text) };
  return client.writes.writeAnd(open, write, true, settingAttributes(wanted, open));
}

test("nfs client: what is set on top of a write stays so after a restart", async () => {
  const open = await create("f");
  const written = await writeAndSet(open, "contents", { size: 4, modifyTime: noon });
  const { before, attributes } = written.outcome();
  assert.equal(before, written.after);
  assert.deepEqual([attributes.size, attributes.modifyTime], [4, noon]);
  await server.restart();
  await client.commit(open);
  assert.equal(await contents(open), "cont");
  assert.deepEqual((await client.names.getAttributes(root, open.handle)).modifyTime, noon);
});

test("nfs client: a write and what is set on it, done and not answered, are done again", async () => {
  const open = await create("f");
  restartDuring("setAttributes");
  const { outcome } = await writeAndSet(open, "contents", { modifyTime: noon, mode: 0o4711 });
  assert.deepEqual([outcome().attributes.mode, outcome().attributes.modifyTime], [0o4711, noon]);
  assert.equal(await contents(open), "contents");
});

test("nfs client: a write stands where what was to be set on it is refused", async () => {
  const made = await create("f");
  await client.names.setAttributes(root, made.handle, { mode: 0o666 });
  const user: AuthSys = { machineName: "test", uid: 1000, gid: 1000, gids: [] };
  const open = await client.open(user, made.handle, readWrite);
  const { before, after, outcome } = await writeAndSet(open, "contents", { mode: 0o600 });
  assert.throws(outcome, { status: Status.PERM });
  assert.notEqual(before, after);
  assert.equal(await contents(made), "contents");
});

test("nfs client: what a server takes only a part of is whole before anything is set", async () => {
  const open = await create("f");
  const { files } = server;
  files.write = (caller, inode, offset, bytes, stable) =>
    PosixFileSystem.prototype.write.call(
      files,
      caller,
      inode,
      offset,
      bytes.subarray(0, 3),
      stable,
    );
  const { outcome } = await writeAndSet(open, "contents", { modifyTime: noon });
  assert.deepEqual([outcome().attributes.size, outcome().attributes.modifyTime], [8, noon]);
  assert.equal(await contents(open), "contents");
});

test("nfs client: a write that is asked about is written again after a restart", async () => {
  const open = await create("f");
  const write = { offset: 0, bytes: Buffer.from("contents") };
  const { outcome } = await client.writes.writeAnd(open, write, false, gettingAttributes);
  assert.equal(outcome().size, 8);
  await server.restart();
  assert.equal(await contents(open), "contents");
});
