/**
 * Which clients had state, by file system, in a place that survives a crash: only they may
 * reclaim after a restart (RFC 8881 §8.4.2.1). A change is seen at once and durable later. Nothing
 * that it is about is answered before: neither that a client has state, nor that another one gets
 * what a client has lost.
 */
export interface ClientRecords {
  list(fileSystem: string): string[];
  add(fileSystem: string, owner: string): void;
  remove(fileSystem: string, owner: string): void;
  /**
   * Calls back once all changes so far survive a crash: at once where they do. Asks for it to be
   * soon, as a restart waits for each client that is in the list.
   */
  whenDurable(call: () => void): void;
}

export class MemoryClientRecords implements ClientRecords {
  readonly #owners = new Map<string, Set<string>>();

  list(fileSystem: string): string[] {
    return [...(this.#owners.get(fileSystem) ?? [])];
  }

  add(fileSystem: string, owner: string): void {
    const owners = this.#owners.get(fileSystem) ?? new Set<string>();
    this.#owners.set(fileSystem, owners.add(owner));
  }

  remove(fileSystem: string, owner: string): void {
    this.#owners.get(fileSystem)?.delete(owner);
  }

  whenDurable(call: () => void): void {
    call();
  }
}
