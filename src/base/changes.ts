/** Tells whoever asked that something changed; what it is they look up themselves. */
export class Changes {
  readonly #calls = new Set<() => void>();

  /** Returns how to stop it. */
  listen(call: () => void): () => void {
    this.#calls.add(call);
    return () => this.#calls.delete(call);
  }

  announce(): void {
    for (const call of this.#calls) call();
  }
}
