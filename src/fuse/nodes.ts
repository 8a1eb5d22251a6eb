import type { FileHandle } from "../nfs/client/compound.ts";
import type { OpenFile } from "../nfs/client/open-file.ts";
import type { Change, FileAttributes } from "../wire/nfs4/attributes.ts";
import { rootNodeId } from "../wire/fuse/protocol.ts";
import { ContentVersion } from "./content-version.ts";
import type { WriteBehind } from "./write-behind.ts";

/** A name in a directory. */
export interface Place {
  readonly directory: FuseNode;
  readonly name: string;
}

export interface OpenedHeld {
  readonly open: OpenFile;
  readonly attributes: FileAttributes;
}

/** A file that the kernel knows by number. */
export class FuseNode {
  readonly id: number;
  readonly handle: FileHandle;
  readonly key: string;
  /** How often the kernel was told of it and has not forgotten it. */
  lookups = 1;
  /** Where it was found last. */
  found: Place | undefined;
  #place: Place | undefined;
  #placed: Map<string, FuseNode> | undefined;
  /** Everybody may search the directory: names in it, once found, are found for all. */
  isOpenToAll = false;
  /** Everybody may list the directory. */
  isReadByAll = false;
  /** The kernel was told of set-id bits that a write may take away. */
  showsSetId = false;
  /** The change attribute of what the kernel was told last. */
  told: Change | undefined;
  /** Contents have gone through the kernel's pages. */
  hasPages = false;
  readonly version = new ContentVersion();
  writes: WriteBehind | undefined;
  /** Opened for reading when it was looked up, so that it is still there to be opened. */
  held: OpenedHeld | undefined;
  /** Changes of the contents that this mount has begun, and those that are not answered yet. */
  changesBegun = 0;
  changesOpen = 0;
  #reads = 0;
  #idle: (() => void)[] | undefined;

  constructor(id: number, handle: FileHandle, key: string) {
    this.id = id;
    this.handle = handle;
    this.key = key;
  }

  /** Where it was found last, when the kernel may use that name for a while without asking. */
  get place(): Place | undefined {
    return this.#place;
  }

  set place(place: Place | undefined) {
    const former = this.#place;
    if (former?.directory.placed(former.name) === this) {
      former.directory.#placed!.delete(former.name);
    }
    this.#place = place;
    if (place !== undefined) (place.directory.#placed ??= new Map()).set(place.name, this);
  }

  /** A directory's: what has its place at the name. */
  placed(name: string): FuseNode | undefined {
    return this.#placed?.get(name);
  }

  /** A directory's: all that have their place in it. */
  allPlaced(): FuseNode[] {
    return [...(this.#placed?.values() ?? [])];
  }

  /** Runs a change of the contents by this mount, which gives the file's change around it. */
  async changing<T extends { readonly before: Change; readonly after: Change }>(
    change: () => Promise<T>,
  ): Promise<T> {
    this.changesBegun += 1;
    this.changesOpen += 1;
    try {
      const changed = await change();
      this.version.wrote(changed.before, changed.after);
      return changed;
    } finally {
      this.changesOpen -= 1;
    }
  }

  readBegins(): void {
    this.#reads += 1;
  }

  readEnds(): void {
    this.#reads -= 1;
    if (this.#reads > 0 || this.#idle === undefined) return;
    const waiting = this.#idle;
    this.#idle = undefined;
    for (const resolve of waiting) resolve();
  }

  /** Resolves when no READ of the kernel waits for its answer. */
  async readsEnded(): Promise<void> {
    while (this.#reads > 0) {
      await new Promise<void>((resolve) => (this.#idle ??= []).push(resolve));
    }
  }
}

/** The kernel's numbers for files, and the server's handles. */
export class FuseNodes {
  readonly #byId = new Map<number, FuseNode>();
  readonly #byHandle = new Map<string, FuseNode>();
  readonly root: FuseNode;
  #lastId = rootNodeId;

  constructor(root: FileHandle) {
    this.root = this.#add(new FuseNode(rootNodeId, root, keyOf(root)));
  }

  get(id: number): FuseNode | undefined {
    return this.#byId.get(id);
  }

  find(handle: FileHandle): FuseNode | undefined {
    return this.#byHandle.get(keyOf(handle));
  }

  /** Counts one lookup more. */
  remember(handle: FileHandle): FuseNode {
    const key = keyOf(handle);
    const known = this.#byHandle.get(key);
    if (known !== undefined) {
      known.lookups += 1;
      return known;
    }
    this.#lastId += 1;
    return this.#add(new FuseNode(this.#lastId, handle, key));
  }

  forget(id: number, lookups: number): void {
    const node = this.#byId.get(id);
    if (node === undefined || id === rootNodeId) return;
    node.lookups -= lookups;
    if (node.lookups > 0) return;
    node.place = undefined;
    this.#byId.delete(id);
    this.#byHandle.delete(node.key);
  }

  #add(node: FuseNode): FuseNode {
    this.#byId.set(node.id, node);
    this.#byHandle.set(node.key, node);
    return node;
  }
}

/** What tells the handle of a file from all others. */
export function keyOf(handle: FileHandle): string {
  return Buffer.prototype.latin1Slice.call(handle, 0, handle.length);
}
