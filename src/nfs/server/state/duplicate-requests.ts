import { crc32 } from "node:zlib";

import { duplicateRepliesLimit, duplicateReplyLimit } from "../limits.ts";

interface KeptReply {
  readonly bytes: Uint8Array;
  /** Retransmissions that came before the reply could go out; undefined once it has. */
  waiting: (() => void)[] | undefined;
}

/** Bytes of a request that tell it from another one with the same xid. */
const comparedBytes = 4096;

/**
 * NFSv4.0 has no slots: a client whose connection broke sends its requests again, and what changed
 * something must not happen twice (RFC 7530 §3.1.1). The last replies
 * to such requests are kept by who asked, the xid and the request's bytes.
 */
export class DuplicateRequests {
  readonly #replies = new Map<string, KeptReply>();

  /** `peer`: the client's address and view. */
  static key(peer: string, xid: number, request: Uint8Array): string {
    const sum = crc32(request.subarray(0, comparedBytes));
    return `${peer} ${xid} ${request.length} ${sum}`;
  }

  reply(key: string): Uint8Array | undefined {
    return this.#replies.get(key)?.bytes;
  }

  /** Takes a copy of what follows the RPC header, before it goes out. */
  keep(key: string, reply: Uint8Array): void {
    if (reply.length > duplicateReplyLimit) return;
    this.#replies.set(key, { bytes: Uint8Array.prototype.slice.call(reply), waiting: [] });
    if (this.#replies.size <= duplicateRepliesLimit) return;
    for (const oldest of this.#replies.keys()) {
      this.#replies.delete(oldest);
      return;
    }
  }

  /** Whether a retransmission of it has to wait, with what is then to be done. */
  waits(key: string, go: () => void): boolean {
    const waiting = this.#replies.get(key)?.waiting;
    waiting?.push(go);
    return waiting !== undefined;
  }

  /** What the request did is durable, and its reply goes out. */
  goesOut(key: string): void {
    const kept = this.#replies.get(key);
    if (kept?.waiting === undefined) return;
    const { waiting } = kept;
    kept.waiting = undefined;
    for (const go of waiting) go();
  }
}
