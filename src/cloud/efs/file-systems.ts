import { Changes } from "../../base/changes.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";
import { AccessPoints } from "./access-points.ts";
import type { FileSystemRecord, MountTargetRecord } from "./records.ts";

/** Opens the file system with that id, which keeps its contents on the machine's disk. */
export interface FileSystemOpener {
  open(fileSystemId: string): FileSystem;
  /** Closes and deletes it with all its contents. */
  remove(fileSystemId: string): Promise<void>;
}

/** EFS's records, and the file systems behind them. */
export class FileSystems {
  readonly fileSystems: Table<FileSystemRecord>;
  readonly mountTargets: Table<MountTargetRecord>;
  readonly accessPoints: AccessPoints;
  readonly #opener: FileSystemOpener;
  readonly #changes = new Changes();
  /** Mount targets that a server answers on; the others are still being created. */
  readonly #served = new Set<string>();

  constructor(store: Store, opener: FileSystemOpener) {
    this.fileSystems = new Table(store, "efs-file-systems");
    this.mountTargets = new Table(store, "efs-mount-targets");
    this.accessPoints = new AccessPoints(store);
    this.#opener = opener;
  }

  files(fileSystemId: string): FileSystem | undefined {
    if (this.fileSystems.get(fileSystemId) === undefined) return undefined;
    return this.#opener.open(fileSystemId);
  }

  removeContents(fileSystemId: string): Promise<void> {
    return this.#opener.remove(fileSystemId);
  }

  targetsOf(fileSystemId: string): MountTargetRecord[] {
    return this.mountTargets.list().filter((target) => target.fileSystemId === fileSystemId);
  }

  targetAt(address: string): MountTargetRecord | undefined {
    return this.mountTargets.list().find((target) => target.address === address);
  }

  /** Called by whoever makes addresses answer. */
  setServed(mountTargetId: string, served: boolean): void {
    if (served) this.#served.add(mountTargetId);
    else this.#served.delete(mountTargetId);
  }

  isServed(mountTargetId: string): boolean {
    return this.#served.has(mountTargetId);
  }

  /** Calls back after any change to file systems, targets, access points or policies. */
  onChange(call: () => void): () => void {
    return this.#changes.listen(call);
  }

  changed(): void {
    this.#changes.announce();
  }
}
