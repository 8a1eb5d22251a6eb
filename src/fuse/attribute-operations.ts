import type { NfsClient } from "../nfs/client/nfs-client.ts";
import {
  type AttributesSet,
  gettingAttributes,
  type OnFile,
  settingAttributes,
} from "../nfs/client/on-file.ts";
import type { OpenFile } from "../nfs/client/open-file.ts";
import type { SettableAttributes } from "../wire/nfs4/attributes.ts";
import type { AuthSys } from "../wire/rpc/message.ts";
import { type FileOperations, isSameUser } from "./file-operations.ts";
import type { KernelView } from "./kernel-view.ts";
import type { FuseNode } from "./nodes.ts";

/**
 * Attributes of files to which something may be written that the server doesn't have yet: it goes
 * out in one compound with the question or the change, where it is one write.
 */
export class AttributeOperations {
  readonly #client: NfsClient;
  readonly #view: KernelView;
  readonly #files: FileOperations;

  constructor(client: NfsClient, view: KernelView, files: FileOperations) {
    this.#client = client;
    this.#view = view;
    this.#files = files;
  }

  async get(caller: AuthSys, node: FuseNode): Promise<Buffer> {
    // With the change that the write is.
    const begunWith = node.changesBegun + 1;
    const told = await this.#withWrite(node, false, gettingAttributes);
    if (told !== undefined) return this.#view.attributes(node, told(), begunWith);
    await node.writes?.settle();
    const begun = node.changesBegun;
    const attributes = await this.#client.names.getAttributes(caller, node.handle);
    return this.#view.attributes(node, attributes, begun);
  }

  /** The stateid of `open`, which is open for writing, gives the right to change the size. */
  async set(
    caller: AuthSys,
    node: FuseNode,
    wanted: SettableAttributes,
    open: OpenFile | undefined,
  ): Promise<Buffer> {
    const { attributes } = await node.changing(async () => {
      const setting = settingAttributes(wanted, open);
      const done = await this.#withWrite(node, true, setting, caller);
      const set = done?.() ?? (await this.#setAfterAll(caller, node, wanted, open));
      return { ...set, after: set.attributes.change };
    });
    return this.#view.attributes(node, attributes, node.changesBegun);
  }

  async #setAfterAll(
    caller: AuthSys,
    node: FuseNode,
    wanted: SettableAttributes,
    open: OpenFile | undefined,
  ): Promise<AttributesSet> {
    // Written again after a crash, earlier bytes would undo a new size or time.
    await this.#files.commitFile(node.handle);
    return this.#client.names.setAttributes(caller, node.handle, wanted, open);
  }

  /**
   * What came of the operations, done on top of what was still to be written; undefined where that
   * isn't one write, or one of another user than the caller, or one that failed.
   */
  async #withWrite<T>(
    node: FuseNode,
    durably: boolean,
    next: OnFile<T>,
    caller?: AuthSys,
  ): Promise<(() => T) | undefined> {
    const open = node.writes?.single(durably);
    if (open === undefined) return undefined;
    if (caller !== undefined && !isSameUser(open.credential, caller)) return undefined;
    const { writes } = this.#client;
    return node.writes!.sendSingle(async (write) => {
      const { outcome } = await node.changing(() => writes.writeAnd(open, write, durably, next));
      return outcome;
    });
  }
}
