import type { ClientRecords } from "../nfs/server/state/client-records.ts";
import type { Store } from "../store/store.ts";
import { Table } from "../store/table.ts";

/** NFS clients that may reclaim after a restart, kept beside the cloud's records. */
export class StoredClientRecords implements ClientRecords {
  readonly #table: Table<{ readonly owner: string }>;

  constructor(store: Store) {
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
}

/** Owners have any bytes, and may be longer than a key. */
function recordId(fileSystem: string, owner: string): string {
  return `${fileSystem}/${Buffer.from(owner, "latin1").toString("base64").slice(0, 400)}`;
}
