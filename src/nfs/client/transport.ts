import type { Duplex } from "node:stream";

import { RecordReader } from "../../wire/rpc/record-reader.ts";
import { decodeReply } from "../../wire/rpc/message.ts";
import { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { recordLimit } from "./limits.ts";

/** What becomes of the calls on a connection. */
export interface TransportEvents {
  /** A reply; the reader stands at its results and is valid during the call. */
  reply(xid: number, reader: XdrReader, accepted: boolean): void;
  /** Nothing more will come. Called once. */
  lost(error: Error): void;
}

const lastFragment = 0x8000_0000;

/** RPC records over one stream; all that is sent in one turn goes out in one write. */
export class Transport {
  readonly #stream: Duplex;
  readonly #events: TransportEvents;
  readonly #records = new RecordReader(recordLimit);
  readonly #reader = new XdrReader();
  #output = new XdrWriter(64 * 1024);
  #flushing = false;
  #ended = false;

  constructor(stream: Duplex, events: TransportEvents) {
    this.#stream = stream;
    this.#events = events;
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("error", (error) => this.#end(error));
    stream.on("close", () => this.#end(new Error("the server closed the connection")));
  }

  /** Sends one record, which `encode` writes. */
  send(encode: (writer: XdrWriter) => void): void {
    if (this.#ended) return;
    const start = this.#output.length;
    this.#output.uint32(0);
    encode(this.#output);
    const length = this.#output.length - start - 4;
    this.#output.patchUint32(start, (lastFragment | length) >>> 0);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  close(): void {
    this.#ended = true;
    this.#stream.destroy();
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#ended) return;
    const bytes = Buffer.from(this.#output.written());
    this.#output.length = 0;
    this.#stream.write(bytes);
  }

  #receive(chunk: Buffer): void {
    try {
      this.#records.push(chunk);
      for (let record = this.#records.next(); record; record = this.#records.next()) {
        this.#reader.reset(record.bytes, record.start, record.end);
        const header = decodeReply(this.#reader);
        if (header === undefined) continue;
        const accepted = header.kind === "accepted" && header.status === 0;
        this.#events.reply(header.xid, this.#reader, accepted);
      }
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #end(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.destroy();
    this.#events.lost(error);
  }
}
