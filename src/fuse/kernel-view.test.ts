import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeClock } from "../base/fake-clock.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { FileAttributes } from "../wire/nfs4/attributes.ts";
import { FileTypeNumber } from "../wire/nfs4/operations.ts";
import type { FuseDevice } from "./device.ts";
import { KernelView } from "./kernel-view.ts";
import { validitySeconds } from "./limits.ts";
import { type FuseNode, FuseNodes } from "./nodes.ts";

const epoch = { seconds: 0, nanoseconds: 0 };

let clock: FakeClock;
let view: KernelView;
/** Names that the kernel was told to forget, with the number of their directory. */
let forgotten: [number, string][];

beforeEach(() => {
  clock = new FakeClock();
  forgotten = [];
  const invalidateName = (id: number, name: string): void => void forgotten.push([id, name]);
  const device = { invalidateName } as unknown as FuseDevice;
  const nodes = new FuseNodes(Buffer.from("root"));
  view = new KernelView(nodes, directoryOf(0o755), {} as NfsClient, device, clock);
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

test("kernel view: a name that is renamed to where not everybody may search is asked for anew", async () => {
  const closed = await directoryWith(0o700);
  view.renamed(closed, "name");
  assert.deepEqual(forgotten, [[closed.id, "name"]]);
});

test("kernel view: a name that is renamed to where everybody may search is kept until that changes", async () => {
  const open = await directoryWith(0o755);
  view.renamed(open, "name");
  assert.deepEqual(forgotten, []);
  await change(open, 0o750);
  assert.deepEqual(forgotten, [[open.id, "name"]]);
});

test("kernel view: of names that the kernel has forgotten by itself it isn't told", async () => {
  const open = await directoryWith(0o755);
  view.renamed(open, "early");
  clock.advance(validitySeconds * 1000);
  view.renamed(open, "late");
  await change(open, 0o750);
  assert.deepEqual(forgotten, [[open.id, "late"]]);
});
