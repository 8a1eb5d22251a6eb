import type { Client } from "./client.ts";

/** What both sides agreed on at CREATE_SESSION (RFC 8881 §18.36, channel_attrs4). */
export interface ChannelAttributes {
  readonly maximumRequest: number;
  readonly maximumReply: number;
  readonly maximumCached: number;
  readonly maximumOperations: number;
  readonly slots: number;
}

/** One request at a time, and its answer for when it is asked again (RFC 8881 §2.10.6.1). */
export interface Slot {
  /** Of the last request; it wraps to zero, with which it also begins (§2.10.6.1). */
  sequence: number;
  /** There was a first request. */
  used: boolean;
  busy: boolean;
  /** The whole result after the RPC header; undefined where the client didn't want it kept. */
  reply: Uint8Array | undefined;
  /** Length of the request that was answered, to tell a false retry. */
  requestLength: number;
  /** Who asked it. */
  principal: string;
}

export class Session {
  readonly id: Uint8Array;
  readonly number: number;
  readonly client: Client;
  readonly fore: ChannelAttributes;
  readonly slots: Slot[];

  constructor(id: Uint8Array, number: number, client: Client, fore: ChannelAttributes) {
    this.id = id;
    this.number = number;
    this.client = client;
    this.fore = fore;
    this.slots = Array.from({ length: fore.slots }, () => ({
      sequence: 0,
      used: false,
      busy: false,
      reply: undefined,
      requestLength: 0,
      principal: "",
    }));
  }
}

/** The slot's request could not be finished: it may come again, as if it never had. */
export function forgetRequest(slot: Slot): void {
  if (!slot.busy) return;
  slot.busy = false;
  slot.reply = undefined;
  slot.sequence = (slot.sequence - 1) >>> 0;
}
