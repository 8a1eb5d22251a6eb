import type { FileHandle } from "../nfs/client/compound.ts";
import { rootNodeId } from "../wire/fuse/protocol.ts";

/** A file that the kernel knows by number. */
export interface FuseNode {
  readonly id: number;
  readonly handle: FileHandle;
  readonly key: string;
  /** How often the kernel was told of it and has not forgotten it. */
  lookups: number;
  /** The kernel knows it from a listing, and its name maybe from before others' last changes. */
  listed: boolean;
}

/** The kernel's numbers for files, and the server's handles. */
export class FuseNodes {
  readonly #byId = new Map<number, FuseNode>();
  readonly #byHandle = new Map<string, FuseNode>();
  #lastId = rootNodeId;

  constructor(root: FileHandle) {
    this.#add({ id: rootNodeId, handle: root, key: keyOf(root), lookups: 1, listed: false });
  }

  get(id: number): FuseNode | undefined {
    return this.#byId.get(id);
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
    return this.#add({ id: this.#lastId, handle, key, lookups: 1, listed: false });
  }

  forget(id: number, lookups: number): void {
    const node = this.#byId.get(id);
    if (node === undefined || id === rootNodeId) return;
    node.lookups -= lookups;
    if (node.lookups > 0) return;
    this.#byId.delete(id);
    this.#byHandle.delete(node.key);
  }

  #add(node: FuseNode): FuseNode {
    this.#byId.set(node.id, node);
    this.#byHandle.set(node.key, node);
    return node;
  }
}

function keyOf(handle: FileHandle): string {
  return Buffer.from(handle).toString("latin1");
}
