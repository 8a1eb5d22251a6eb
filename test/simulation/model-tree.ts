// The names of a file system as POSIX has them, with the superuser as the only user.
import type { FailureCode } from "../../src/files/failure.ts";
import type { FileType } from "../../src/files/file-system.ts";

export interface ModelNode {
  readonly type: FileType;
  readonly handle: string;
  mode: number;
  uid: number;
  gid: number;
  links: number;
  readonly target: string;
  /** Directories: names to numbers. */
  readonly entries: Map<string, number>;
  /** Directories: names to the cookies that their listing gave. */
  readonly cookies: Map<string, number>;
  parent: number;
}

export class ModelTree {
  readonly nodes = new Map<number, ModelNode>();

  clone(): ModelTree {
    const copy = new ModelTree();
    for (const [number, node] of this.nodes) {
      const entries = new Map(node.entries);
      copy.nodes.set(number, { ...node, entries, cookies: new Map(node.cookies) });
    }
    return copy;
  }

  get(number: number): ModelNode {
    return this.nodes.get(number)!;
  }

  of(type: FileType): number[] {
    return [...this.nodes].filter(([, node]) => node.type === type).map(([number]) => number);
  }

  mayAdd(directory: number, name: string): FailureCode | undefined {
    return this.get(directory).entries.has(name) ? "EEXIST" : undefined;
  }

  add(directory: number, name: string, number: number, node: ModelNode): void {
    this.nodes.set(number, node);
    this.#name(directory, name, number);
    node.parent = directory;
  }

  link(number: number, directory: number, name: string): FailureCode | undefined {
    const node = this.get(number);
    if (node.type === "directory") return "EPERM";
    const refused = this.mayAdd(directory, name);
    if (refused) return refused;
    if (node.links === 0) return "ENOENT";
    node.links += 1;
    this.#name(directory, name, number);
    return undefined;
  }

  remove(directory: number, name: string, isHeld: (number: number) => boolean) {
    const number = this.get(directory).entries.get(name);
    if (number === undefined) return "ENOENT";
    if (this.get(number).entries.size > 0) return "ENOTEMPTY";
    this.#unname(directory, name, isHeld);
    return undefined;
  }

  rename(
    from: number,
    fromName: string,
    to: number,
    toName: string,
    isHeld: (number: number) => boolean,
  ): FailureCode | undefined {
    const number = this.get(from).entries.get(fromName);
    if (number === undefined) return "ENOENT";
    const node = this.get(number);
    const existing = this.get(to).entries.get(toName);
    if (existing === number) return undefined;
    const replaced = existing === undefined ? undefined : this.get(existing);
    if (node.type === "directory") {
      if (this.#isWithin(to, number)) return "EINVAL";
      if (replaced && replaced.type !== "directory") return "ENOTDIR";
    } else if (replaced?.type === "directory") return "EISDIR";
    if (replaced && replaced.entries.size > 0) return "ENOTEMPTY";
    if (replaced) this.#unname(to, toName, isHeld);
    this.get(from).entries.delete(fromName);
    if (node.type === "directory") this.get(from).links -= 1;
    this.#name(to, toName, number);
    node.parent = to;
    return undefined;
  }

  #name(directory: number, name: string, number: number): void {
    this.get(directory).entries.set(name, number);
    if (this.get(number).type === "directory") this.get(directory).links += 1;
  }

  #unname(directory: number, name: string, isHeld: (number: number) => boolean): void {
    const number = this.get(directory).entries.get(name)!;
    const node = this.get(number);
    this.get(directory).entries.delete(name);
    if (node.type === "directory") this.get(directory).links -= 1;
    node.links = node.type === "directory" ? 0 : node.links - 1;
    if (node.links === 0 && !isHeld(number)) this.nodes.delete(number);
  }

  #isWithin(directory: number, ancestor: number): boolean {
    for (let at = directory; ; at = this.get(at).parent) {
      if (at === ancestor) return true;
      if (at === 1) return false;
    }
  }
}
