import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { checkFileSystem } from "./check.ts";
import { failed } from "./failure.ts";
import { type FileSystem, type Inode, superuser } from "./file-system.ts";
import { memoryFileSystem } from "./testing.ts";

/** What a tree should look like: names to contents, or to further trees. */
type Tree = Map<string, Tree | { contents: string }>;

const names = fc.constantFrom("a", "b", "c");
const paths = fc.array(names, { minLength: 1, maxLength: 3 });
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("make" as const), path: paths }),
    fc.record({ kind: fc.constant("write" as const), path: paths, contents: fc.string() }),
    fc.record({ kind: fc.constant("remove" as const), path: paths }),
    fc.record({ kind: fc.constant("rename" as const), path: paths, to: paths }),
    fc.record({ kind: fc.constant("reopen" as const) }),
  ),
  { maxLength: 40 },
);

test("any sequence of changes leaves the tree that a plain model has, and a sound file system", () => {
  fc.assert(
    fc.property(steps, fc.constantFrom(0, 3, 8192), (sequence, inlineLimit) => {
      const { files: first, store, data, reopen } = memoryFileSystem({ inlineLimit });
      let files: FileSystem = first;
      const model: Tree = new Map();
      for (const step of sequence) {
        if (step.kind === "reopen") files = saved(files, reopen);
        else if (step.kind === "make") makeBoth(files, model, step.path);
        else if (step.kind === "write") writeBoth(files, model, step.path, step.contents);
        else if (step.kind === "remove") removeBoth(files, model, step.path);
        else renameBoth(files, model, step.path, step.to);
        assert.deepEqual(treeOf(files, files.root), model);
      }
      void files.close();
      assert.deepEqual(checkFileSystem(store, data), []);
    }),
    { numRuns: 300 },
  );
});

function saved(files: FileSystem, reopen: () => FileSystem): FileSystem {
  for (const inode of everyFile(files, files.root)) files.commit(inode, () => {});
  return reopen();
}

function makeBoth(files: FileSystem, model: Tree, path: string[]): void {
  const parent = find(files, path.slice(0, -1));
  const tree = branch(model, path.slice(0, -1));
  const node = { type: "directory", mode: 0o755 } as const;
  if (parent) files.create(superuser, parent, path.at(-1)!, node);
  if (tree && !tree.has(path.at(-1)!)) tree.set(path.at(-1)!, new Map());
}

function writeBoth(files: FileSystem, model: Tree, path: string[], contents: string): void {
  const parent = find(files, path.slice(0, -1));
  const tree = branch(model, path.slice(0, -1));
  const name = path.at(-1)!;
  if (tree && !(tree.get(name) instanceof Map)) tree.set(name, { contents });
  if (!parent) return;
  files.create(superuser, parent, name, { type: "file", mode: 0o644 });
  const inode = files.lookup(superuser, parent, name);
  if (failed(inode) || inode.type !== "file") return;
  files.setAttributes(superuser, inode, { size: 0 });
  files.write(superuser, inode, 0, Buffer.from(contents));
}

function removeBoth(files: FileSystem, model: Tree, path: string[]): void {
  const parent = find(files, path.slice(0, -1));
  const tree = branch(model, path.slice(0, -1));
  if (parent) files.remove(superuser, parent, path.at(-1)!, "any");
  const there = tree?.get(path.at(-1)!);
  if (there && !(there instanceof Map && there.size > 0)) tree!.delete(path.at(-1)!);
}

function renameBoth(files: FileSystem, model: Tree, from: string[], to: string[]): void {
  const source = find(files, from.slice(0, -1));
  const target = find(files, to.slice(0, -1));
  if (source && target) files.rename(superuser, source, from.at(-1)!, target, to.at(-1)!);
  const tree = branch(model, from.slice(0, -1));
  const into = branch(model, to.slice(0, -1));
  const moved = tree?.get(from.at(-1)!);
  if (!tree || !into || !moved) return;
  const replaced = into.get(to.at(-1)!);
  if (replaced === moved) return;
  if (moved instanceof Map) {
    if (to.join("/").startsWith(`${from.join("/")}/`)) return;
    if (replaced && !(replaced instanceof Map && replaced.size === 0)) return;
  } else if (replaced instanceof Map) return;
  tree.delete(from.at(-1)!);
  into.set(to.at(-1)!, moved);
}

function find(files: FileSystem, path: string[]): Inode | undefined {
  let at: Inode = files.root;
  for (const name of path) {
    const next = files.lookup(superuser, at, name);
    if (failed(next)) return undefined;
    at = next;
  }
  return at.type === "directory" ? at : undefined;
}

function branch(model: Tree, path: string[]): Tree | undefined {
  let at: Tree = model;
  for (const name of path) {
    const next = at.get(name);
    if (!(next instanceof Map)) return undefined;
    at = next;
  }
  return at;
}

function treeOf(files: FileSystem, directory: Inode): Tree {
  const tree: Tree = new Map();
  files.readDirectory(superuser, directory, 0, true, ({ name, inode }) => {
    assert.ok(inode);
    if (inode.type === "directory") return tree.set(name, treeOf(files, inode)) !== undefined;
    const bytes = Buffer.alloc(inode.size);
    files.read(inode, 0, bytes);
    return tree.set(name, { contents: bytes.toString() }) !== undefined;
  });
  return tree;
}

function everyFile(files: FileSystem, directory: Inode): Inode[] {
  const found: Inode[] = [];
  files.readDirectory(superuser, directory, 0, true, ({ inode }) => {
    if (inode?.type === "directory") found.push(...everyFile(files, inode));
    else if (inode) found.push(inode);
    return true;
  });
  return found;
}
