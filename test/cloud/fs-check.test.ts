import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";

import { SystemClock } from "../../src/base/clock.ts";
import { cookieKey, nameKey } from "../../src/files/keys.ts";
import { LmdbStore } from "../../src/store/lmdb/lmdb-store.ts";
import type { CommandResult } from "../../tools/moor.ts";
import { Instance } from "../support/instance.ts";
import { makeMountTarget, type MountTarget } from "../support/mount-target.ts";
import { connectTcp, nfsClient, readWrite, rootUser } from "../support/nfs.ts";

const contents = Buffer.from("kept");

let instance: Instance;
let target: MountTarget;
before(async () => {
  instance = await Instance.start();
  target = await makeMountTarget(instance.api());
  await withClient(async (client, root) => {
    const how = { mode: 0o644, access: readWrite, exclusive: true };
    const { open } = await client.createFile(rootUser, root, "report", how);
    await client.write(open, 0, contents, true);
    await client.closeFile(open);
  });
});
after(() => instance?.end());

const check = (...args: string[]): Promise<CommandResult> =>
  instance.moor.command(["fs", "check", ...args]);

test("moor fs check: while moor up runs it refuses, and says what to do", async () => {
  const { exitCode, stdout, stderr } = await check();
  assert.equal(exitCode, 1);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /^moor: moor up runs already with .*, as process \d+\. Stop it first: .*\n$/,
  );
});

test("moor fs check: after a crash, and after a clean end, a file system is sound", async () => {
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await instance.moor.end(signal);
    const { exitCode, stdout, stderr } = await check();
    assert.deepEqual([exitCode, stdout, stderr], [0, `${target.fileSystemId}: sound\n`, ""]);
    await instance.moor.up();
  }
  await instance.moor.end("SIGTERM");
});

test("moor fs check: a file system or directory that isn't there is told so", async () => {
  const unknown = await check("fs-00000000");
  assert.equal(unknown.exitCode, 1);
  const known = `It has ${target.fileSystemId}.`;
  assert.match(unknown.stderr, /^moor: There is no file system fs-00000000 in /);
  assert.ok(unknown.stderr.endsWith(`${known}\n`), unknown.stderr);
  const nowhere = await instance.moor.command(["fs", "check", "--data", "/nowhere"]);
  assert.equal(nowhere.exitCode, 1);
  assert.match(nowhere.stderr, /^moor: There is no data directory \/nowhere\. .*--data\.\n$/);
});

test("moor fs check: a file that lost its name is reported, and found again by --repair", async () => {
  const number = await loseName("report");
  const problems = [
    /^fs-\w+: directory 1 counts 1 entries, there are 0$/,
    /^fs-\w+: directory 1 counts 38 bytes of entries, there are 0$/,
    new RegExp(`^fs-\\w+: inode ${number} has no name and is not held open$`),
  ];
  const found = await check(target.fileSystemId);
  assert.equal(found.exitCode, 1);
  assertLines(found.stdout, problems);
  assert.match(found.stderr, /`moor fs check --repair` repairs what can be\.\n$/);

  const asJson = await check("--json");
  assert.equal(asJson.exitCode, 1);
  const [listed] = JSON.parse(asJson.stdout) as { fileSystemId: string; problems: object[] }[];
  assert.equal(listed?.fileSystemId, target.fileSystemId);
  assert.deepEqual(listed.problems[2], {
    problem: `inode ${number} has no name and is not held open`,
    repaired: false,
  });

  const repaired = await check("--repair");
  assert.equal(repaired.exitCode, 0);
  assertLines(
    repaired.stdout,
    problems.map(({ source }) => new RegExp(source.replace("$", " \\(repaired\\)$"))),
  );
  assert.equal((await check()).stdout, `${target.fileSystemId}: sound\n`);

  await instance.moor.up();
  await withClient(async (client, root) => {
    const { handle } = await client.names.lookup(rootUser, root, `lost+found-${number}`);
    const open = await client.open(rootUser, handle, readWrite);
    assert.deepEqual(Buffer.from(await client.read(open, 0, 100)), contents);
  });
});

function assertLines(text: string, expected: readonly RegExp[]): void {
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, expected.length, text);
  for (const [index, line] of lines.entries()) assert.match(line, expected[index]!);
}

/** Takes a name out of the root behind everybody's back; returns the inode's number. */
async function loseName(name: string): Promise<number> {
  const { fileSystemId } = target;
  const directory = path.join(instance.dataDirectory, "file-systems", fileSystemId, "names");
  const store = new LmdbStore({ directory, clock: new SystemClock() });
  const number = store.write((writer) => {
    const entry = Buffer.from(writer.get(nameKey(1, name))!);
    writer.remove(nameKey(1, name));
    writer.remove(cookieKey(1, Number(entry.readBigUInt64BE(8))));
    return Number(entry.readBigUInt64BE(0));
  });
  await store.close();
  return number;
}

async function withClient(
  work: (client: ReturnType<typeof nfsClient>, root: Uint8Array) => Promise<void>,
): Promise<void> {
  const client = nfsClient(() => connectTcp(target.address, instance.nfsPort));
  try {
    const { handle } = await client.connect(rootUser, "/");
    await work(client, handle);
  } finally {
    await client.disconnect(5000);
  }
}
