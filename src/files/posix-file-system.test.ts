import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeClock } from "../base/fake-clock.ts";
import { checkFileSystem } from "./check.ts";
import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  ESTALE,
  failed,
  type Failure,
} from "./failure.ts";
import { type Caller, type FileSystem, type Inode, type Name, superuser } from "./file-system.ts";
import { roomLookedAtMs } from "./limits.ts";
import { memoryFileSystem } from "./testing.ts";

const alice: Caller = { uid: 1000, gid: 1000, groups: [] };
const bob: Caller = { uid: 1001, gid: 1001, groups: [] };

test("rename, where it can't be done, says why as rename(2) does", () => {
  const { files } = memoryFileSystem();
  const directory = ok(
    files.create(superuser, files.root, "d", { type: "directory", mode: 0o755 }),
  );
  const inner = ok(files.create(superuser, directory, "inner", { type: "directory", mode: 0o755 }));
  file(files, files.root, "f");
  const cases: [Inode, Name, Inode, Name, Failure | undefined][] = [
    [files.root, "none", files.root, "x", ENOENT],
    [files.root, "d", inner, "x", EINVAL],
    [files.root, "d", directory, "x", EINVAL],
    [files.root, "d", files.root, "f", ENOTDIR],
    [files.root, "f", files.root, "d", EISDIR],
    [directory, "inner", files.root, "d", ENOTEMPTY],
    [files.root, "f", files.root, "x".repeat(256), ENAMETOOLONG],
    [files.root, "f", files.root, "f", undefined],
    [files.root, "f", directory, "g", undefined],
  ];
  for (const [from, fromName, to, toName, expected] of cases) {
    assert.equal(files.rename(superuser, from, fromName, to, toName), expected, fromName + toName);
  }
  assert.equal(files.root.links, 3);
});

test("rename over a held file keeps its contents until the last release", () => {
  const { files, store, data } = memoryFileSystem();
  const old = file(files, files.root, "a", "old");
  file(files, files.root, "b", "new");
  files.hold(old);
  assert.equal(files.rename(superuser, files.root, "b", files.root, "a"), undefined);
  assert.equal(old.links, 0);
  assert.equal(read(files, old), "old");
  files.release(old);
  assert.equal(files.inodeOf(files.handleOf(old)), ESTALE);
  assert.deepEqual(checkFileSystem(store, data), []);
});

test("held files without a name survive a restart until recovery ends", () => {
  const { files, store, data, reopen } = memoryFileSystem();
  const handles = ["kept", "dropped"].map((name) => {
    const inode = file(files, files.root, name, name);
    files.hold(inode);
    files.remove(superuser, files.root, name, "file");
    return Uint8Array.from(files.handleOf(inode));
  });
  files.commit(ok(files.inodeOf(handles[0]!)), () => {});
  const again = reopen();
  const kept = ok(again.inodeOf(handles[0]!));
  again.hold(kept);
  again.endRecovery();
  assert.equal(read(again, kept), "kept");
  assert.equal(again.inodeOf(handles[1]!), ESTALE);
  again.release(kept);
  assert.deepEqual(checkFileSystem(store, data), []);
});

test("permissions decide, with owner, group, others, sticky and root as EFS has them", () => {
  const { files } = memoryFileSystem();
  const sticky = ok(
    files.create(superuser, files.root, "tmp", { type: "directory", mode: 0o1777 }),
  );
  ok(files.create(alice, sticky, "hers", { type: "file", mode: 0o640 }));
  const hers = ok(files.lookup(bob, sticky, "hers"));
  assert.equal(files.remove(bob, sticky, "hers", "file"), EPERM);
  assert.equal(files.access(bob, hers, 0x3f), 0);
  assert.equal(files.access({ ...bob, groups: [1000] }, hers, 0x3f), 0x01);
  assert.equal(files.access(alice, hers, 0x3f), 0x01 | 0x04 | 0x08);
  assert.equal(files.setAttributes(bob, hers, { mode: 0o777 }), EPERM);
  assert.equal(files.setAttributes(bob, hers, { size: 0 }), EACCES);
  assert.equal(files.setAttributes(bob, hers, { modifyTime: "now" }), EACCES);
  assert.equal(files.setAttributes(alice, hers, { uid: 1001 }), EPERM);
  assert.equal(files.setAttributes(alice, hers, { gid: 1001 }), EPERM);
  const gidRoot: Caller = { uid: 5, gid: 0, groups: [] };
  assert.equal(ok(files.setAttributes(gidRoot, hers, { uid: 1001 })).uid, 1001);
  assert.equal(files.create(alice, files.root, "x", { type: "file", mode: 0o644 }), EACCES);
});

test("writing and giving away clear setuid and setgid; a setgid directory gives its group", () => {
  const { files } = memoryFileSystem();
  const shared = ok(files.create(superuser, files.root, "s", { type: "directory", mode: 0o2777 }));
  ok(files.setAttributes(superuser, shared, { gid: 77 }));
  const program = ok(files.create(alice, shared, "p", { type: "file", mode: 0o755 }));
  assert.equal(program.gid, 77);
  ok(files.setAttributes(superuser, program, { mode: 0o6755 }));
  files.write(alice, program, 0, Buffer.from("x"));
  assert.equal(program.mode, 0o755);
  const inner = ok(files.create(alice, shared, "d", { type: "directory", mode: 0o755 }));
  assert.deepEqual([inner.gid, inner.mode], [77, 0o2755]);
});

test("a file is made with the set-id bits that it is made with, also where it is to be empty", () => {
  const { files } = memoryFileSystem();
  const home = ok(files.create(superuser, files.root, "d", { type: "directory", mode: 0o777 }));
  const wanted = { type: "file", mode: 0o6755, attributes: { size: 0 } } as const;
  assert.equal(ok(files.create(alice, home, "f", wanted)).mode, 0o6755);
});

test("who isn't in the group of what is theirs can't set its setgid bit", () => {
  const { files } = memoryFileSystem();
  for (const type of ["file", "directory"] as const) {
    const theirs = ok(files.create(superuser, files.root, type, { type, mode: 0o755 }));
    ok(files.setAttributes(superuser, theirs, { uid: alice.uid, gid: 77 }));
    assert.equal(ok(files.setAttributes(alice, theirs, { mode: 0o2775 })).mode, 0o775);
  }
});

test("a rename is refused for want of rights before it is refused for what is in its way", () => {
  const { files } = memoryFileSystem();
  const make = (at: Inode, name: Name, type: "file" | "directory", mode: number): Inode =>
    ok(files.create(superuser, at, name, { type, mode }));
  const home = make(files.root, "d", "directory", 0o777);
  const sticky = make(files.root, "s", "directory", 0o1777);
  const mine = ok(files.create(alice, home, "mine", { type: "directory", mode: 0o755 }));
  assert.equal(mine.uid, alice.uid);
  make(sticky, "in the way", "file", 0o644);
  assert.equal(files.rename(alice, home, "mine", sticky, "in the way"), EPERM);
  assert.equal(files.rename(superuser, home, "mine", sticky, "in the way"), ENOTDIR);
});

test("a chown clears the set-id bits of all but directories", () => {
  const { files } = memoryFileSystem();
  const modes = (["file", "fifo", "socket", "directory"] as const).map((type) => {
    const made = ok(files.create(superuser, files.root, type, { type, mode: 0o6755 }));
    return ok(files.setAttributes(superuser, made, { gid: 77 })).mode;
  });
  assert.deepEqual(modes, [0o755, 0o755, 0o755, 0o6755]);
});

test("names and links have EFS's limits", () => {
  const { files } = memoryFileSystem();
  const make = (name: Name): Inode | Failure =>
    files.create(superuser, files.root, name, { type: "file", mode: 0o644 });
  const cases: [Name, Failure][] = [
    ["", EINVAL],
    [".", EINVAL],
    ["..", EINVAL],
    ["a/b", EINVAL],
    ["a\0b", EINVAL],
    ["n".repeat(256), ENAMETOOLONG],
  ];
  for (const [name, expected] of cases) assert.equal(make(name), expected);
  const inode = ok(make("n".repeat(255)));
  assert.equal(make("n".repeat(255)), EEXIST);
  for (let link = 1; link < 177; link += 1)
    ok(files.link(superuser, inode, files.root, `l${link}`));
  assert.equal(files.link(superuser, inode, files.root, "one more"), EMLINK);
  assert.equal(files.link(superuser, files.root, files.root, "d"), EPERM);
  const target = Buffer.alloc(4081, "t");
  const link = { type: "symlink", mode: 0o777, target } as const;
  assert.equal(files.create(superuser, files.root, "s", link), ENAMETOOLONG);
});

test("a listing neither loses nor repeats an entry while the directory changes", () => {
  const { files } = memoryFileSystem();
  const stays = Array.from({ length: 50 }, (_, index) => `stays-${index}`);
  for (const [index, name] of stays.entries()) {
    file(files, files.root, name);
    file(files, files.root, `goes-${index}`);
  }
  const seen: Name[] = [];
  let cookie = 0;
  for (let step = 0; ; step += 1) {
    let left = 7;
    const end = files.readDirectory(superuser, files.root, cookie, false, (entry) => {
      if (left === 0) return false;
      left -= 1;
      cookie = entry.cookie;
      seen.push(entry.name);
      return true;
    });
    files.remove(superuser, files.root, `goes-${step * 3}`, "file");
    file(files, files.root, `comes-${step}`);
    if (end === "end") break;
    assert.ok(step < 100);
  }
  const kept = seen.filter((name) => name.startsWith("stays"));
  assert.deepEqual(kept.toSorted(), stays.toSorted());
});

test("a name keeps its place in the listing when its file is renamed or replaced", () => {
  const { files } = memoryFileSystem();
  const { root } = files;
  for (const name of ["a", "b", "c"]) file(files, root, name);
  const inner = ok(files.create(superuser, root, "d", { type: "directory", mode: 0o755 }));
  for (const name of ["e", "f"]) file(files, inner, name);
  const moves: [Inode, Name, Inode, Name, string][] = [
    [root, "a", root, "z", "z b c d"],
    // As an editor saves: the new file takes the place of the old one.
    [root, "c", root, "b", "z b d"],
    [inner, "e", root, "z", "z b d"],
    [inner, "f", root, "a", "z b d a"],
    [root, "a", root, "c", "z b d c"],
  ];
  for (const [from, fromName, to, toName, expected] of moves) {
    assert.equal(files.rename(superuser, from, fromName, to, toName), undefined);
    const names: Name[] = [];
    files.readDirectory(superuser, root, 0, false, ({ name }) => names.push(name) > 0);
    assert.equal(names.join(" "), expected, `${fromName} ${toName}`);
  }
});

test("holes read as zeros and take no room; cut bytes don't come back", () => {
  const { files } = memoryFileSystem();
  const inode = file(files, files.root, "sparse", "x".repeat(10_000));
  ok(files.setAttributes(superuser, inode, { size: 3 }));
  files.write(superuser, inode, 1 << 20, Buffer.from("end"));
  assert.equal(inode.size, (1 << 20) + 3);
  const bytes = Buffer.alloc(8, 1);
  files.read(inode, 0, bytes);
  assert.equal(bytes.toString(), "xxx\0\0\0\0\0");
  assert.ok(inode.spaceUsed < 65_536, `${inode.spaceUsed} bytes`);
});

test("an empty directory shows what EFS meters; totals follow", () => {
  const { files } = memoryFileSystem();
  const before = files.meteredBytes().total;
  const inode = ok(files.create(superuser, files.root, "d", { type: "directory", mode: 0o755 }));
  assert.equal(inode.size, 6144);
  assert.equal(files.meteredBytes().total, before + 6144);
  files.remove(superuser, files.root, "d", "any");
  assert.equal(files.meteredBytes().total, before);
});

test("data is metered in its storage class, metadata in standard, until it is written to", async () => {
  const { files, store, data, reopen } = memoryFileSystem();
  const empty = files.meteredBytes();
  const [cold, frozen] = ["cold", "frozen"].map((name) => file(files, files.root, name, "x"));
  files.commit(cold!, () => {});
  files.write(superuser, frozen!, 4096, Buffer.from("y"));
  assert.equal(files.setStorageClass(cold!, "infrequentAccess"), undefined);
  assert.equal(files.setStorageClass(frozen!, "archive"), undefined);
  assert.equal(files.setStorageClass(files.root, "archive"), EINVAL);
  const standard = empty.standard + 2 * 2048;
  const moved = { standard, infrequentAccess: 4096, archive: 8192, total: standard + 12_288 };
  assert.deepEqual(files.meteredBytes(), moved);
  await files.close();
  assert.deepEqual(checkFileSystem(store, data), []);
  const again = reopen();
  assert.deepEqual(again.meteredBytes(), moved);
  const written = ok(again.lookup(superuser, again.root, "cold"));
  again.write(superuser, written, 0, Buffer.from("z"));
  again.commit(written, () => {});
  again.remove(superuser, again.root, "frozen", "file");
  assert.deepEqual(again.meteredBytes(), {
    standard: empty.standard + 6144,
    infrequentAccess: 0,
    archive: 0,
    total: empty.total + 6144,
  });
});

test("the directory below the thousandth level is refused, made or moved there", () => {
  const { files } = memoryFileSystem();
  const directory = { type: "directory", mode: 0o755 } as const;
  let deepest: Inode = files.root;
  for (let level = 1; level <= 1000; level += 1) {
    deepest = ok(files.create(superuser, deepest, "d", directory));
  }
  const refused = files.create(superuser, deepest, "d", directory);
  assert.equal(refused, ENAMETOOLONG);
  ok(files.create(superuser, files.root, "moved", directory));
  const unmoved = files.rename(superuser, files.root, "moved", deepest, "d");
  assert.equal(unmoved, ENAMETOOLONG);
  assert.equal(file(files, deepest, "f").type, "file");
});

test("a disk that is nearly full refuses what takes room, and what gives room back works", () => {
  const clock = new FakeClock();
  const { files, data } = memoryFileSystem({ clock });
  const kept = file(files, files.root, "kept", "contents");
  data.free = 1000;
  clock.advance(roomLookedAtMs);
  const node = { type: "file", mode: 0o644 } as const;
  assert.equal(files.create(superuser, files.root, "new", node), ENOSPC);
  assert.equal(files.link(superuser, kept, files.root, "link"), ENOSPC);
  assert.equal(files.write(superuser, kept, 0, Buffer.from("x")), ENOSPC);
  assert.equal(files.rename(superuser, files.root, "kept", files.root, "other"), undefined);
  ok(files.setAttributes(superuser, kept, { size: 0 }));
  assert.equal(files.remove(superuser, files.root, "other", "file"), undefined);
  data.free = Infinity;
  clock.advance(roomLookedAtMs);
  ok(files.create(superuser, files.root, "new", node));
});

function ok(outcome: Inode | Failure): Inode {
  assert.ok(!failed(outcome), failed(outcome) ? outcome.code : "");
  return outcome;
}

function file(files: FileSystem, directory: Inode, name: Name, contents = ""): Inode {
  const inode = ok(files.create(superuser, directory, name, { type: "file", mode: 0o644 }));
  files.write(superuser, inode, 0, Buffer.from(contents));
  return inode;
}

function read(files: FileSystem, inode: Inode): string {
  const bytes = Buffer.alloc(inode.size);
  files.read(inode, 0, bytes);
  return bytes.toString();
}
