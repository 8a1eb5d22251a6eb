import { crc32 } from "node:zlib";

import { duplicateRepliesLimit, duplicateReplyLimit } from "../limits.ts";

/** Bytes of a request that tell it from another one with the same xid. */
const comparedBytes = 4096;

/**
 * NFSv4.0 has no slots: a client whose connection broke sends its requests again, and what changed
 * something must not happen twice (RFC 7530 §3.1.1). The last replies
 * to such requests are kept by who asked, the xid and the request's bytes.
 */
export class DuplicateRequests {
  readonly #replies = new Map<string, Uint8Array>();

  static key(peer: string, xid: number, request: Uint8Array): string {
    const sum = crc32(request.subarray(0, comparedBytes));
    return `${peer} ${xid} ${request.length} ${sum}`;
  }

  reply(key: string): Uint8Array | undefined {
    return this.#replies.get(key);
  }

  /** Takes a copy of what follows the RPC header. */
  keep(key: string, reply: Uint8Array): void {
    if (reply.length > duplicateReplyLimit) return;
    this.#replies.set(key, Uint8Array.prototype.slice.call(reply));
    if (this.#replies.size <= duplicateRepliesLimit) return;
    for (const oldest of this.#replies.keys()) {
      this.#replies.delete(oldest);
      return;
    }
  }
}
