import type { Clock } from "../base/clock.ts";
import type { FileHandle } from "../nfs/client/compound.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { RemoteFile } from "../nfs/client/results.ts";
import type { Change, FileAttributes } from "../wire/nfs4/attributes.ts";
import { FileTypeNumber } from "../wire/nfs4/operations.ts";
import type { AuthSys } from "../wire/rpc/message.ts";
import { encodeAttributes, encodeEntry, type Validity } from "../wire/fuse/reply.ts";
import { fuseAttributes } from "./conversions.ts";
import type { FuseDevice } from "./device.ts";
import { missedMs, missedNamesLimit, validitySeconds } from "./limits.ts";
import type { FuseNode, FuseNodes, Place } from "./nodes.ts";

/**
 * What the kernel knows of files, and for how long it may: attributes for a moment, names where
 * that can't show one user what only another may see, and pages until somebody else changed the
 * file (close-to-open: that is looked at whenever the server is asked about the file anyway).
 */
export class KernelView {
  readonly nodes: FuseNodes;
  readonly #client: NfsClient;
  readonly #device: FuseDevice;
  readonly #clock: Clock;
  /** Names that led elsewhere when they were opened, and when. */
  readonly #missed = new Map<string, number>();

  constructor(
    nodes: FuseNodes,
    root: FileAttributes,
    client: NfsClient,
    device: FuseDevice,
    clock: Clock,
  ) {
    // The kernel looks up names in the root before it asks what the root is.
    noteRights(nodes.root, root);
    this.nodes = nodes;
    this.#clock = clock;
    this.#client = client;
    this.#device = device;
  }

  /** The name doesn't lead to the file any more: what is looked up soon is opened as it is. */
  missed(node: FuseNode, { directory, name }: Place): void {
    node.place = undefined;
    if (this.#missed.size >= missedNamesLimit) this.#missed.clear();
    this.#missed.set(`${directory.key}/${name}`, this.#clock.nowMs());
  }

  isMissed(directory: FuseNode, name: string): boolean {
    const key = `${directory.key}/${name}`;
    const atMs = this.#missed.get(key);
    if (atMs === undefined) return false;
    // The kernel looks a name up twice where it finds another file.
    if (this.#clock.nowMs() - atMs < missedMs) return true;
    this.#missed.delete(key);
    return false;
  }

  /** The answer about a name. */
  async entry(caller: AuthSys, file: RemoteFile, place?: Place): Promise<Buffer> {
    const node = this.nodes.remember(file.handle);
    let { attributes } = file;
    let begun = node.changesBegun;
    if (hasUnsent(node)) {
      await node.writes?.settle();
      begun = node.changesBegun;
      attributes = await this.#client.names.getAttributes(caller, file.handle);
    }
    await this.meet(node, attributes, begun);
    const isMissed = place !== undefined && this.isMissed(place.directory, place.name);
    const validity = this.#tell(node, attributes, place, isMissed);
    return encodeEntry(node.id, fuseAttributes(attributes), validity);
  }

  /** The answer about a file. `begun` is the node's `changesBegun` when it was asked for. */
  async attributes(node: FuseNode, attributes: FileAttributes, begun: number): Promise<Buffer> {
    await this.meet(node, attributes, begun);
    node.told = attributes.change;
    const wasOpenToAll = node.isOpenToAll;
    noteRights(node, attributes);
    if (wasOpenToAll && !node.isOpenToAll) this.#forgetNames(node);
    return encodeAttributes(fuseAttributes(attributes), { seconds: validitySeconds });
  }

  /** An entry of a listing; undefined where the kernel has to ask for the file by itself. */
  listed(
    file: RemoteFile,
    directory: FuseNode,
    name: string,
  ): { nodeId: number; validity: Validity } | undefined {
    const { handle, attributes } = file;
    const known = this.nodes.find(handle);
    const isSettled = known === undefined || (!hasUnsent(known) && known.changesOpen === 0);
    const isCurrent = known === undefined || known.version.isShown(attributes.change);
    if (!isSettled || (known?.hasPages && !isCurrent)) return undefined;
    const node = this.nodes.remember(handle);
    if (isFile(attributes)) node.version.show(attributes.change);
    return { nodeId: node.id, validity: this.#tell(node, attributes, { directory, name }) };
  }

  /** The file was opened: who reads it now must see what was closed before. */
  async opened(node: FuseNode, attributes: FileAttributes, begun: number): Promise<void> {
    const isKnown = node.version.isShown(attributes.change) || node.told === attributes.change;
    await this.meet(node, attributes, begun);
    if (!isKnown) this.#device.invalidateAttributes(node.id);
  }

  /** Asks whether somebody else has changed the file, and has the kernel forget what it was. */
  async lookForChange(node: FuseNode, ask: () => Promise<FileAttributes>): Promise<boolean> {
    const begun = node.changesBegun;
    if (hasUnsent(node) || node.changesOpen > 0) return false;
    const attributes = await ask().catch(() => undefined);
    if (attributes === undefined || node.version.isShown(attributes.change)) return false;
    await this.meet(node, attributes, begun);
    this.#device.invalidateAttributes(node.id);
    return true;
  }

  /** The kernel leaves set-id bits to the server, and would go on showing what it knows of them. */
  written(node: FuseNode): void {
    if (!node.showsSetId) return;
    node.showsSetId = false;
    this.#device.invalidateAttributes(node.id);
  }

  /** Drops the kernel's pages where somebody else has changed the file since. */
  async meet(node: FuseNode, attributes: FileAttributes, begun: number): Promise<void> {
    const { change } = attributes;
    if (!isFile(attributes) || node.version.isShown(change)) return;
    // What this mount is writing, or wrote meanwhile, may be all that there is to it.
    if (node.changesOpen > 0 || node.changesBegun !== begun) return;
    await this.#dropPages(node);
    node.version.show(change);
  }

  /** The file was locked at that change: nothing older may be seen. */
  async locked(node: FuseNode, change: Change): Promise<void> {
    if (node.version.isShown(change)) return;
    const begun = node.changesBegun;
    await this.#dropPages(node);
    this.#device.invalidateAttributes(node.id);
    if (node.changesOpen === 0 && node.changesBegun === begun) node.version.show(change);
  }

  /** The kernel takes what it knows along to the new name, which may be less open than the old one. */
  renamed(from: Place, to: Place): void {
    const moved = from.directory.placed(from.name);
    const replaced = to.directory.placed(to.name);
    if (replaced !== undefined) replaced.place = undefined;
    const { isOpenToAll, id } = to.directory;
    if (moved !== undefined) {
      moved.found = to;
      moved.place = isOpenToAll ? to : undefined;
    }
    if (!isOpenToAll) void this.#device.invalidateName(id, to.name);
  }

  /** Not everybody may search the directory any more: its names are to be asked for by each. */
  #forgetNames(directory: FuseNode): void {
    for (const node of directory.allPlaced()) {
      const { name } = node.place!;
      node.place = undefined;
      void this.#device.invalidateName(directory.id, name);
    }
  }

  async #dropPages(node: FuseNode): Promise<void> {
    if (!node.hasPages) return;
    // Were this process killed while the kernel waits for a page, neither would ever end.
    await node.readsEnded();
    await this.#device.invalidate(node.id);
  }

  #tell(
    node: FuseNode,
    attributes: FileAttributes,
    place: Place | undefined,
    isMissed = false,
  ): Validity {
    node.told = attributes.change;
    noteRights(node, attributes);
    const isAnybodys = place?.directory.isOpenToAll ?? false;
    // An open goes by the name, to get the file that has it now; of several names by none.
    const isOne = !isFile(attributes) || attributes.links === 1;
    const mayKeepName = place !== undefined && !isMissed && isAnybodys && isOne;
    node.found = place;
    node.place = mayKeepName ? place : undefined;
    return { seconds: validitySeconds, nameSeconds: mayKeepName ? validitySeconds : 0 };
  }

  find(handle: FileHandle): FuseNode | undefined {
    return this.nodes.find(handle);
  }
}

function hasUnsent(node: FuseNode): boolean {
  return node.writes !== undefined && !node.writes.isEmpty;
}

function isFile(attributes: FileAttributes): boolean {
  return attributes.type === FileTypeNumber.file;
}

/** What all may do alike, whoever the server takes them for, and what a write may take away. */
function noteRights(node: FuseNode, { type, mode }: FileAttributes): void {
  const isDirectory = type === FileTypeNumber.directory;
  node.isOpenToAll = isDirectory && (mode & everybodySearches) === everybodySearches;
  node.isReadByAll = isDirectory && (mode & everybodyReads) === everybodyReads;
  node.showsSetId = !isDirectory && (mode & setIdBits) !== 0;
}

const everybodySearches = 0o111;
const everybodyReads = 0o444;
const setIdBits = 0o6000;
