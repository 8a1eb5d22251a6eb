import { ApiError } from "../../wire/aws/api-error.ts";
import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";
import type { AccessPointRecord } from "./records.ts";

export interface AccessPointPage {
  readonly items: readonly AccessPointRecord[];
  /** Undefined on the last page. */
  readonly next: string | undefined;
}

/** Access points by id; there are thousands, so what they are looked for with has an index. */
export class AccessPoints {
  readonly #records: Table<AccessPointRecord>;
  readonly #tokens = new Map<string, string>();
  /** By file system, and of all of them under "". */
  readonly #ids = new Map<string, SortedIds>();

  constructor(store: Store) {
    this.#records = new Table(store, "efs-access-points");
    for (const record of this.#records.list()) this.#index(record);
  }

  get(accessPointId: string): AccessPointRecord | undefined {
    return this.#records.get(accessPointId);
  }

  /** A file system and a client token stay what they were. */
  put(record: AccessPointRecord): void {
    this.#records.put(record.accessPointId, record);
    this.#index(record);
  }

  remove(accessPointId: string): void {
    const record = this.get(accessPointId);
    if (record === undefined) return;
    this.#records.remove(accessPointId);
    this.#tokens.delete(record.clientToken);
    for (const owner of [record.fileSystemId, ""]) this.#ids.get(owner)?.remove(accessPointId);
  }

  /** The id of the one that was made with the token. */
  madeWith(clientToken: string): string | undefined {
    return this.#tokens.get(clientToken);
  }

  countOf(fileSystemId: string): number {
    return this.#ids.get(fileSystemId)?.size ?? 0;
  }

  /** All ids in order, or those of one file system. */
  idsOf(fileSystemId = ""): readonly string[] {
    return this.#ids.get(fileSystemId)?.inOrder() ?? [];
  }

  /**
   * In the order of their ids, so that a page neither loses nor repeats one where others come and
   * go between two pages. Throws `ApiError` where the token is none that this gave.
   */
  page(fileSystemId: string | undefined, token: string | undefined, size: number): AccessPointPage {
    const after = token === undefined ? "" : idIn(token);
    const ids = this.idsOf(fileSystemId);
    const start = lowerBound(ids, after);
    const end = start + size;
    return {
      items: ids.slice(start, end).map((id) => this.get(id)!),
      next: end < ids.length ? Buffer.from(ids[end]!).toString("base64") : undefined,
    };
  }

  #index({ accessPointId, clientToken, fileSystemId }: AccessPointRecord): void {
    this.#tokens.set(clientToken, accessPointId);
    for (const owner of [fileSystemId, ""]) {
      let ids = this.#ids.get(owner);
      if (ids === undefined) this.#ids.set(owner, (ids = new SortedIds()));
      ids.add(accessPointId);
    }
  }
}

class SortedIds {
  readonly #ids = new Set<string>();
  #sorted: string[] | undefined;

  add(id: string): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    this.#sorted = undefined;
  }

  remove(id: string): void {
    if (this.#ids.delete(id)) this.#sorted = undefined;
  }

  inOrder(): readonly string[] {
    return (this.#sorted ??= [...this.#ids].sort());
  }

  get size(): number {
    return this.#ids.size;
  }
}

function idIn(token: string): string {
  const id = Buffer.from(token, "base64").toString();
  if (/^fsap-[0-9a-f]+$/.test(id)) return id;
  throw new ApiError("BadRequest", "The token is not one that this service gave.");
}

function lowerBound(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle]! < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
