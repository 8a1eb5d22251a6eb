import type { Duplex } from "node:stream";

import { decodeReply } from "../../wire/rpc/message.ts";
import { RecordReader } from "../../wire/rpc/record-reader.ts";
import { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import { readSpace, recordLimit } from "./limits.ts";
import { OutgoingRecords } from "./outgoing-records.ts";

/** What becomes of the calls on a connection. */
export interface TransportEvents {
  /** A reply; the reader stands at its results and is valid during the call. */
  reply(xid: number, reader: XdrReader, accepted: boolean): void;
  /** What waited to go out was given to the connection. */
  sent(): void;
  /** Nothing more will come. Called once. */
  lost(error: Error): void;
}

/** Where a socket may put what arrives, instead of giving it away as data. */
export interface ReadTarget {
  /** Room for the next bytes; asked for anew after each `received`. */
  space(): Uint8Array;
  received(length: number): void;
}

/** RPC records over one stream; all that is sent in one turn goes out in one write. */
export class Transport {
  readonly #events: TransportEvents;
  readonly #records = new RecordReader(recordLimit);
  readonly #reader = new XdrReader();
  readonly #output = new OutgoingRecords();
  #stream: Duplex | undefined;
  #flushing = false;
  #ended = false;
  readonly target: ReadTarget = {
    space: () => this.#records.space(readSpace),
    received: (length) => {
      this.#records.received(length);
      this.#takeReplies();
    },
  };

  constructor(events: TransportEvents) {
    this.#events = events;
  }

  /** The connection, which either reads to the target or gives its data. */
  attach(stream: Duplex): void {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#records.push(chunk);
      this.#takeReplies();
    });
    stream.on("error", (error) => this.end(error));
    stream.on("close", () => this.end(new Error("the server closed the connection")));
  }

  /** Sends one record, which `encode` writes. */
  send(encode: (records: OutgoingRecords) => void): void {
    if (this.#ended) return;
    this.#output.begin();
    encode(this.#output);
    this.#output.end();
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  close(): void {
    this.#ended = true;
    this.#stream?.destroy();
  }

  #flush(): void {
    this.#flushing = false;
    const stream = this.#stream;
    if (this.#ended || stream === undefined || this.#output.empty) return;
    const pieces = this.#output.take();
    if (pieces.length > 1) stream.cork();
    for (const piece of pieces) stream.write(piece);
    if (pieces.length > 1) stream.uncork();
    this.#events.sent();
  }

  #takeReplies(): void {
    try {
      for (let record = this.#records.next(); record; record = this.#records.next()) {
        this.#reader.reset(record.bytes, record.start, record.end);
        const header = decodeReply(this.#reader);
        if (header === undefined) continue;
        const accepted = header.kind === "accepted" && header.status === 0;
        this.#events.reply(header.xid, this.#reader, accepted);
      }
    } catch (error) {
      this.end(error as Error);
    }
  }

  /** As if the connection had broken. */
  end(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream?.destroy();
    this.#events.lost(error);
  }
}
