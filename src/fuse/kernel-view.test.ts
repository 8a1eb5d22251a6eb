import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeClock } from "../base/fake-clock.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { FileAttributes } from "../wire/nfs4/attributes.ts";
import { FileTypeNumber } from "../wire/nfs4/operations.ts";
import type { FuseDevice } from "./device.ts";
import { KernelView } from "./kernel-view.ts";
import { type FuseNode, FuseNodes } from "./nodes.ts";

const nobody = { machineName: "test", uid: 1000, gid: 1000, gids: [] };
const epoch = { seconds: 0, nanoseconds: 0 };

let view: KernelView;
/** Names that the kernel was told to forget, with the number of their directory. */
let forgotten: [number, string][];

beforeEach(() => {
  forgotten = [];
  const invalidateName = (id: number, name: string): void => void forgotten.push([id, name]);
  const device = { invalidateName } as unknown as FuseDevice;
  const nodes = new FuseNodes(Buffer.from("root"));
  view = new KernelView(nodes, directoryOf(0o755), {} as NfsClient, device, new FakeClock());
});

function directoryOf(mode: number): FileAttributes {
  return {
    type: FileTypeNumber.directory,
    change: 1,
    size: 0,
    fileId: 2,
    mode,
    links: 2,
    owner: "0",
    ownerGroup: "0",
    spaceUsed: 0,
    accessTime: epoch,
    metadataTime: epoch,
    modifyTime: epoch,
  };
}

async function directoryWith(mode: number): Promise<FuseNode> {
  const node = view.nodes.remember(Buffer.from(`directory ${mode}`));
  await change(node, mode);
  return node;
}

async function change(directory: FuseNode, mode: number): Promise<void> {
  await view.attributes(directory, directoryOf(mode), directory.changesBegun);
}

/** A file that the kernel was told of by its name. */
async function fileIn(directory: FuseNode, name: string): Promise<FuseNode> {
  const attributes = { ...directoryOf(0o644), type: FileTypeNumber.file, links: 1 };
  const file = { handle: Buffer.from(name), attributes };
  await view.entry(nobody, file, { directory, name });
  return view.find(file.handle)!;
}

test("kernel view: a name that is renamed to where not everybody may search is asked for anew", async () => {
  const open = await directoryWith(0o755);
  const closed = await directoryWith(0o700);
  const file = await fileIn(open, "old");
  view.renamed({ directory: open, name: "old" }, { directory: closed, name: "new" });
  assert.deepEqual(forgotten, [[closed.id, "new"]]);
  assert.equal(file.place, undefined);
});

test("kernel view: a name that is renamed to where everybody may search is kept until that changes", async () => {
  const open = await directoryWith(0o755);
  const other = await directoryWith(0o777);
  const file = await fileIn(open, "old");
  view.renamed({ directory: open, name: "old" }, { directory: other, name: "new" });
  assert.deepEqual(file.place, { directory: other, name: "new" });
  await change(open, 0o750);
  assert.deepEqual(forgotten, []);
  await change(other, 0o750);
  assert.deepEqual(forgotten, [[other.id, "new"]]);
  assert.equal(file.place, undefined);
});

test("kernel view: what is replaced by a rename has no place any more", async () => {
  const open = await directoryWith(0o755);
  const moved = await fileIn(open, "old");
  const replaced = await fileIn(open, "new");
  view.renamed({ directory: open, name: "old" }, { directory: open, name: "new" });
  assert.equal(replaced.place, undefined);
  assert.deepEqual(moved.place, { directory: open, name: "new" });
  assert.equal(open.placed("old"), undefined);
  view.nodes.forget(replaced.id, 1);
  assert.equal(open.placed("new"), moved);
  view.nodes.forget(moved.id, 1);
  assert.equal(open.placed("new"), undefined);
});
