import { crc32 } from "node:zlib";

import { duplicateRepliesLimit, duplicateReplyLimit } from "../limits.ts";

/** A request that came: its reply, or who waits for that. */
export type KnownRequest =
  | { readonly reply: Uint8Array }
  | { readonly waiting: ((reply: Uint8Array | undefined) => void)[] };

/** Bytes of a request that tell it from another one with the same xid. */
const comparedBytes = 4096;

/**
 * NFSv4.0 has no slots: a client whose connection broke sends its requests again, and what changed
 * something must not happen twice (RFC 7530 §3.1.1). Requests whose replies can't go out at once,
 * and the last of those replies, are known by who asked, the xid and the request's bytes. Replies
 * are what follows the RPC header.
 */
export class DuplicateRequests {
  readonly #requests = new Map<string, KnownRequest>();

  /** `peer`: the client's address and view. */
  static key(peer: string, xid: number, request: Uint8Array): string {
    const sum = crc32(request.subarray(0, comparedBytes));
    return `${peer} ${xid} ${request.length} ${sum}`;
  }

  find(key: string): KnownRequest | undefined {
    return this.#requests.get(key);
  }

  /** The request is carried out, or what it did is made durable. */
  begin(key: string): void {
    this.#requests.set(key, { waiting: [] });
  }

  /** The reply goes out, to whoever asked again too. */
  finish(key: string, reply: Uint8Array): void {
    const known = this.#requests.get(key);
    if (known === undefined || "reply" in known) return;
    if (reply.length > duplicateReplyLimit) this.#requests.delete(key);
    else this.#requests.set(key, { reply: Uint8Array.prototype.slice.call(reply) });
    for (const answer of known.waiting) answer(reply);
    this.#dropOldest();
  }

  /** Nobody knows what of the request was done: whoever asks again has it done anew. */
  fail(key: string): void {
    const known = this.#requests.get(key);
    if (known === undefined || "reply" in known) return;
    this.#requests.delete(key);
    for (const answer of known.waiting) answer(undefined);
  }

  /** Those that are under way are as few as the requests that the server has in hand. */
  #dropOldest(): void {
    if (this.#requests.size <= duplicateRepliesLimit) return;
    for (const [key, known] of this.#requests) {
      if ("waiting" in known) continue;
      this.#requests.delete(key);
      return;
    }
  }
}
