// The simulation's operations, each on the file system and on the model.
import assert from "node:assert/strict";

import type { SeededRandom } from "../../src/base/random.ts";
import { failed, type Failure } from "../../src/files/failure.ts";
import { type FileType, type Inode, superuser } from "../../src/files/file-system.ts";
import type { Life } from "./life.ts";

const names = ["a", "b", "c", "d"];
const sizeLimit = 300;
const writeLimit = 100;

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
  resize,
  resize,
  changeMode,
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
    const size = type === "file" && random.below(4) === 0 ? random.below(sizeLimit) : undefined;
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
      links: type === "directory" ? 2 : 1,
      target,
      entries: new Map(),
      parent: directory,
    });
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
  life.record();
}

function remove(life: Life, random: SeededRandom): void {
  const directory = linkedDirectory(life, random);
  const name = pick(names, random);
  const outcome = life.files.remove(superuser, inode(life, directory), name, "any");
  const expected = life.tree.remove(directory, name, life.isHeld);
  assertOutcome(outcome, expected, `remove ${name} in ${directory}`);
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
  life.record();
}

function write(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number === undefined) return;
  const offset = random.below(sizeLimit);
  const bytes = Uint8Array.from({ length: 1 + random.below(writeLimit) }, () => {
    return 1 + random.below(255);
  });
  const contents = life.contentsOf(number);
  const given = Buffer.from(bytes);
  const isStable = random.below(2) === 0;
  const outcome = life.files.write(superuser, inode(life, number), offset, given, isStable);
  const wrote = (count: number | Failure): void => {
    if (life.isOver) return;
    if (failed(count)) {
      assert.equal(count.code, "ESTALE");
      assert.ok(!life.tree.nodes.has(number), `write to ${number}, which is there`);
    } else {
      assert.equal(count, bytes.length);
      contents.wrote(offset, bytes, life.files.applied);
    }
  };
  if (!(outcome instanceof Promise)) {
    wrote(outcome);
    if (isStable && !failed(outcome)) life.afterwards = () => commitFile(life, number);
    return;
  }
  life.waiting += 1;
  // The caller's buffer is its own again.
  given.fill(0);
  void outcome.then((count) => {
    life.waiting -= 1;
    wrote(count);
    if (isStable && !failed(count) && !life.isOver) commitFile(life, number);
  });
}

function resize(life: Life, random: SeededRandom): void {
  const number = file(life, random);
  if (number === undefined) return;
  const contents = life.contentsOf(number);
  const sizes = [0, random.below(sizeLimit), random.below(contents.length + 1)];
  const size = pick(sizes, random);
  const outcome = life.files.setAttributes(superuser, inode(life, number), { size });
  if (failed(outcome) && outcome.code === "EAGAIN") {
    assert.ok(life.files.durable < life.files.applied, "nothing to wait for");
    return;
  }
  assertOutcome(outcome, undefined, `resize ${number}`);
  contents.resized(size, life.files.applied);
}

function changeMode(life: Life, random: SeededRandom): void {
  const number = pick([...life.tree.nodes.keys()], random);
  const mode = random.below(0o1000);
  const outcome = life.files.setAttributes(superuser, inode(life, number), { mode });
  assertOutcome(outcome, undefined, `change the mode of ${number}`);
  life.tree.get(number).mode = mode;
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
