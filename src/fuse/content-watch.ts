import type { Clock } from "../base/clock.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { OpenFile } from "../nfs/client/open-file.ts";
import type { KernelView } from "./kernel-view.ts";
import { watchFirstMs, watchLimitMs, watchedAtOnce } from "./limits.ts";
import type { FuseNode } from "./nodes.ts";

interface Watched {
  readonly opens: Set<OpenFile>;
  /** Until the next look at it; twice as long after each that found nothing new. */
  delayMs: number;
  dueMs: number;
}

/**
 * Who keeps a file open and reads it again and again, reads the kernel's pages, and the server
 * isn't asked. So it is asked from here, after as long as Linux's NFS client believes its
 * attributes: 3 seconds, and up to a minute where nothing changes (nfs(5), acregmin and acregmax).
 */
export class ContentWatch {
  readonly #client: NfsClient;
  readonly #view: KernelView;
  readonly #clock: Clock;
  readonly #watched = new Map<FuseNode, Watched>();
  #isWatching = false;

  constructor(client: NfsClient, view: KernelView, clock: Clock) {
    this.#client = client;
    this.#view = view;
    this.#clock = clock;
  }

  opened(node: FuseNode, open: OpenFile): void {
    const dueMs = this.#clock.nowMs() + watchFirstMs;
    const watched = this.#watched.get(node) ?? { opens: new Set(), delayMs: 0, dueMs: 0 };
    watched.opens.add(open);
    watched.delayMs = watchFirstMs;
    watched.dueMs = dueMs;
    this.#watched.set(node, watched);
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#clock.schedule(watchFirstMs, () => void this.#look());
  }

  closed(node: FuseNode, open: OpenFile): void {
    const watched = this.#watched.get(node);
    watched?.opens.delete(open);
    if (watched?.opens.size === 0) this.#watched.delete(node);
  }

  async #look(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const due = [...this.#watched].filter(([node, { dueMs }]) => node.hasPages && dueMs <= nowMs);
    for (let at = 0; at < due.length && this.#client.isUp; at += watchedAtOnce) {
      const some = due.slice(at, at + watchedAtOnce);
      await Promise.all(some.map(([node, watched]) => this.#lookAt(node, watched)));
    }
    this.#isWatching = this.#watched.size > 0;
    if (this.#isWatching) this.#clock.schedule(watchFirstMs, () => void this.#look());
  }

  async #lookAt(node: FuseNode, watched: Watched): Promise<void> {
    const [open] = watched.opens;
    if (open === undefined) return;
    const { credential, handle } = open;
    const isNew = await this.#view.lookForChange(node, () =>
      this.#client.names.getAttributes(credential, handle),
    );
    watched.delayMs = isNew ? watchFirstMs : Math.min(watched.delayMs * 2, watchLimitMs);
    watched.dueMs = this.#clock.nowMs() + watched.delayMs;
  }
}
