import { createHash } from "node:crypto";

import type { ClientRecords } from "../nfs/server/state/client-records.ts";
import type { Store } from "../store/store.ts";
import { Table } from "../store/table.ts";

/** NFS clients that may reclaim after a restart, kept beside the cloud's records. */
export class StoredClientRecords implements ClientRecords {
  readonly #store: Store;
  readonly #table: Table<{ readonly owner: string }>;

  constructor(store: Store) {
    this.#store = store;
    this.#table = new Table(store, "nfs-clients");
  }

  list(fileSystem: string): string[] {
    return this.#table.list(`${fileSystem}/`).map(({ owner }) => owner);
  }

  add(fileSystem: string, owner: string): void {
    this.#table.put(recordId(fileSystem, owner), { owner });
  }

  remove(fileSystem: string, owner: string): void {
    this.#table.remove(recordId(fileSystem, owner));
  }

  whenDurable(call: () => void): void {
    this.#store.whenDurable(this.#store.applied, call);
  }
}

/** Owners have any bytes, and may be longer than a key: then their digest stands for them. */
function recordId(fileSystem: string, owner: string): string {
  const bytes = Buffer.from(owner, "latin1");
  const text = bytes.toString("base64");
  const isLong = text.length > longestOwner;
  return `${fileSystem}/${isLong ? createHash("sha256").update(bytes).digest("hex") : text}`;
}

const longestOwner = 400;
