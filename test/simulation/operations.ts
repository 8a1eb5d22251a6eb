// The simulation's operations, each on the file system and on the model.
import assert from "node:assert/strict";

import type { SeededRandom } from "../../src/base/random.ts";
import { failed, type Failure } from "../../src/files/failure.ts";
import { type FileType, type Inode, superuser } from "../../src/files/file-system.ts";
import type { Life } from "./life.ts";

const names = ["a", "b", "c", "d"];
const blockBytes = 4096;
/** Most files are shorter and most writes too. */
const [sizeUsual, sizeLimit] = [300, 5 * blockBytes];
const [writeUsual, writeLimit] = [100, 2 * blockBytes];

export type Operation = (life: Life, random: SeededRandom) => void;

export const operations: readonly Operation[] = [
  create("file"),
  create("file"),
  create("directory"),
  create("symlink"),
  link,
  remove,
  remove,
  rename,
  rename,
  write,
  write,
  write,
  writeToFullDisk,
  resize,
  resize,
  changeAttributes,
  hold,
  release,
  commit,
  commit,
  acknowledge,
  acknowledge,
  read,
];

function create(type: FileType): Operation {
  return (life, random) => {
    const directory = linkedDirectory(life, random);
    const name = pick(names, random);
    const mode = random.below(0o1000);
    const target = type === "symlink" ? text(random) : "";
    const size = type === "file" && random.below(4) === 0 ? someSize(random) : undefined;
    const expected = life.tree.mayAdd(directory, name);
    const made = life.files.create(superuser, inode(life, directory), name, {
      type,
      mode,
      ...(target && { target: Buffer.from(target) }),
      ...(size !== undefined && { attributes: { size } }),
    });
    assertOutcome(made, expected, `create ${name} in ${directory}`);
    if (failed(made)) return;
    assert.ok(!life.tree.nodes.has(made.number), `number ${made.number} is given again`);
    life.tree.add(directory, name, made.number, {
      type,
      handle: hex(life.files.handleOf(made)),
      mode,
      uid: 0,
      gid: 0,
      links: type === "directory" ? 2 : 1,
      target,
      entries: new Map(),
      cookies: new Map(),
      parent: directory,
    });
    learnCookies(life, directory, [name]);
    life.contents.delete(made.number);
    if (size !== undefined) life.contentsOf(made.number).resized(size, life.files.applied);
    life.record();
  };
}

function link(life: Life, random: SeededRandom): void {
  const number = pick([...life.tree.nodes.keys()], random);
  const directory = linkedDirectory(life, random);
  const name = pick(names, random);
  const outcome = life.files.link(superuser, inode(life, number), inode(life, directory), name);
  assertOutcome(outcome, life.tree.link(number, directory, name), `link ${number} as ${name}`);
  learnCookies(life, directory, [name]);
  life.record();
}

function remove(life: Life, random: SeededRandom): void {
  const directory = linkedDirectory(life, random);
  const name = pick(names, random);
  const outcome = life.files.remove(superuser, inode(life, directory), name, "any");
  const expected = life.tree.remove(directory, name, life.isHeld);
  assertOutcome(outcome, expected, `remove ${name} in ${directory}`);
  learnCookies(life, directory, [name]);
  life.record();
}

function rename(life: Life, random: SeededRandom): void {
  const from = linkedDirectory(life, random);
  const to = linkedDirectory(life, random);
  const [fromName, toName] = [pick(names, random), pick(names, random)];
  const [source, target] = [inode(life, from), inode(life, to)];
  const outcome = life.files.rename(superuser, source, fromName, target, toName);
  const expected = life.tree.rename(from, fromName, to, toName, life.isHeld);
  assertOutcome(outcome, expected, `rename ${fromName} in ${from} to ${toName} in ${to}`);
  for (const directory of [from, to]) learnCookies(life, directory, [fromName, toName]);
  life.record();
}

function write(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number === undefined) return;
  const offset = someSize(random);
  const bytes = someBytes(random);
  const contents = life.contentsOf(number);
  const given = Buffer.from(bytes);
  const isStable = random.below(2) === 0;
  const outcome = life.files.write(superuser, inode(life, number), offset, given, isStable);
  if (!(outcome instanceof Promise)) {
    assert.equal(outcome, bytes.length);
    contents.wrote(offset, bytes, life.files.applied);
    if (isStable) life.afterwards = () => commitFile(life, number);
    return;
  }
  // The caller's buffer is its own again.
  given.fill(0);
  const commits = isStable ? () => commitFile(life, number) : () => {};
  waits(life, number, outcome, { offset, bytes, commits });
}

/** A write that is done once the contents may change. */
function waits(
  life: Life,
  number: number,
  outcome: Promise<number | Failure>,
  written: { readonly offset: number; readonly bytes: Uint8Array; readonly commits?: () => void },
): void {
  const { offset, bytes, commits } = written;
  const contents = life.contentsOf(number);
  life.waiting += 1;
  void outcome.then((count) => {
    life.waiting -= 1;
    if (life.isOver) return;
    if (failed(count)) {
      assert.equal(count.code, "ESTALE");
      assert.ok(!life.tree.nodes.has(number), `write to ${number}, which is there`);
    } else {
      assert.equal(count, bytes.length);
      contents.wrote(offset, bytes, life.files.applied);
      commits?.();
    }
  });
}

/** A write for which the disk may have too little room: it fails, and may have done a part. */
function writeToFullDisk(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number === undefined) return;
  const contents = life.contentsOf(number);
  const offset = random.below(contents.length + 1);
  const bytes = someBytes(random);
  const { disk } = life.storage;
  disk.room = random.below(bytes.length);
  const outcome = life.files.write(superuser, inode(life, number), offset, bytes);
  disk.room = Infinity;
  if (outcome instanceof Promise) return waits(life, number, outcome, { offset, bytes });
  if (!failed(outcome)) return contents.wrote(offset, bytes, life.files.applied);
  assert.equal(outcome.code, "ENOSPC");
  const { length } = contents;
  const actual = contentsIn(life, inode(life, number));
  assert.equal(actual.length, length, `a write to ${number} that failed`);
  const part = actual.subarray(offset, offset + bytes.length);
  for (const [at, byte] of part.entries()) {
    const isPossible = byte === bytes[at] || byte === contents.bytes[offset + at];
    assert.ok(isPossible, `a write to ${number} that failed left ${byte} at ${offset + at}`);
  }
  contents.wrote(offset, part, life.files.applied);
}

function resize(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number === undefined) return;
  const contents = life.contentsOf(number);
  const sizes = [0, someSize(random), random.below(contents.length + 1)];
  const size = pick(sizes, random);
  const outcome = life.files.setAttributes(superuser, inode(life, number), { size });
  if (failed(outcome) && outcome.code === "EAGAIN") {
    assert.ok(life.files.durable < life.files.applied, "nothing to wait for");
    return;
  }
  assertOutcome(outcome, undefined, `resize ${number}`);
  contents.resized(size, life.files.applied);
}

function changeAttributes(life: Life, random: SeededRandom): void {
  const number = pick([...life.tree.nodes.keys()], random);
  const change = pick(
    [{ mode: random.below(0o1000) }, { uid: random.below(9), gid: random.below(9) }],
    random,
  );
  const outcome = life.files.setAttributes(superuser, inode(life, number), change);
  assertOutcome(outcome, undefined, `change ${JSON.stringify(change)} of ${number}`);
  Object.assign(life.tree.get(number), change);
  life.record();
}

function hold(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number === undefined) return;
  life.files.hold(inode(life, number));
  life.holds.set(number, (life.holds.get(number) ?? 0) + 1);
}

function release(life: Life, random: SeededRandom): void {
  const number = pick([...life.holds.keys()], random);
  if (number !== undefined) releaseOne(life, number);
}

export function releaseOne(life: Life, number: number): void {
  life.files.release(inode(life, number));
  const left = life.holds.get(number)! - 1;
  if (left > 0) life.holds.set(number, left);
  else life.holds.delete(number);
  if (left > 0 || life.tree.get(number).links > 0) return;
  life.tree.nodes.delete(number);
  life.record();
}

function commit(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number !== undefined) commitFile(life, number);
}

function commitFile(life: Life, number: number): void {
  const contents = life.contentsOf(number);
  const snapshot = contents.snapshot();
  const { applied } = life.files;
  life.files.commit(inode(life, number), (error) => {
    assert.equal(error, undefined);
    if (life.isOver) return;
    contents.committed(snapshot);
    life.acknowledged = Math.max(life.acknowledged, applied);
  });
}

function acknowledge(life: Life): void {
  const { applied } = life.files;
  life.files.whenDurable(applied, () => {
    if (!life.isOver) life.acknowledged = Math.max(life.acknowledged, applied);
  });
}

function read(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number === undefined) return;
  const { bytes, length } = life.contentsOf(number);
  assert.deepEqual(contentsIn(life, inode(life, number)), Buffer.from(bytes.subarray(0, length)));
}

export function contentsIn(life: Life, file: Inode): Buffer {
  const target = Buffer.alloc(file.size, 0xee);
  assert.equal(life.files.read(file, 0, target), target.length);
  return target;
}

export function inode(life: Life, number: number): Inode {
  const found = life.files.inode(number);
  assert.ok(!failed(found), `inode ${number} is gone`);
  return found;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Asserts that the cookies of other names are what they were, and learns those of `changed`. */
function learnCookies(life: Life, directory: number, changed: readonly string[]): void {
  const { cookies } = life.tree.get(directory);
  const listed = new Map(cookiesIn(life, directory, 0));
  for (const [name, cookie] of cookies) {
    if (!changed.includes(name)) assert.equal(listed.get(name), cookie, `${name} in ${directory}`);
  }
  cookies.clear();
  for (const [name, cookie] of listed) cookies.set(name, cookie);
}

/** Names and cookies of the entries after a cookie, in the order of the listing. */
export function cookiesIn(life: Life, directory: number, after: number): [string, number][] {
  const listed: [string, number][] = [];
  const from = inode(life, directory);
  const outcome = life.files.readDirectory(superuser, from, after, false, ({ name, cookie }) => {
    listed.push([name, cookie]);
    return true;
  });
  assert.equal(outcome, "end");
  return listed;
}

/** No zeros, which are what was never written; hardly a byte is where another write had it. */
function someBytes(random: SeededRandom): Uint8Array {
  const limit = random.below(4) === 0 ? writeLimit : writeUsual;
  const first = random.below(255);
  return Uint8Array.from({ length: 1 + random.below(limit) }, (_, at) => {
    return 1 + ((first + at * 7) % 255);
  });
}

/** Mostly small, often about a block's end. */
function someSize(random: SeededRandom): number {
  const kind = random.below(8);
  if (kind === 0) return random.below(sizeLimit);
  if (kind > 1) return random.below(sizeUsual);
  return blockBytes * (1 + random.below(sizeLimit / blockBytes)) - 2 + random.below(5);
}

function linkedDirectory(life: Life, random: SeededRandom): number {
  return pick(
    life.tree.of("directory").filter((number) => life.tree.get(number).links > 0),
    random,
  );
}

function file(life: Life, random: SeededRandom): number | undefined {
  return pick(life.tree.of("file"), random);
}

function pick<T>(from: readonly T[], random: SeededRandom): T {
  return from[random.below(Math.max(1, from.length))]!;
}

function text(random: SeededRandom): string {
  return hex(random.bytes(1 + random.below(20)));
}

function assertOutcome(
  outcome: Inode | Failure | undefined,
  expected: string | undefined,
  what: string,
): void {
  assert.equal(outcome && failed(outcome) ? outcome.code : undefined, expected, what);
}
