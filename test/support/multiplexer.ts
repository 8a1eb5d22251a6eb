import { Duplex } from "node:stream";

import { RecordReader } from "../../src/wire/rpc/record-reader.ts";
import { marked } from "../../src/wire/rpc/testing.ts";

const recordLimit = 1_052_672;

/**
 * What efs-proxy does with the calls of one kernel client when it has several connections: each
 * call goes out on the next of them, and the replies come back in one stream.
 */
export class Multiplexer extends Duplex {
  /** Calls sent on each of the connections. */
  readonly calls: number[];
  /** Replies that came on another connection than their call went out on. */
  misrouted = 0;
  readonly #connections: readonly Duplex[];
  readonly #requests = new RecordReader(recordLimit);
  readonly #connectionByXid = new Map<number, number>();
  #next = 0;

  constructor(connections: readonly Duplex[]) {
    super();
    this.#connections = connections;
    this.calls = connections.map(() => 0);
    for (const [index, connection] of connections.entries()) this.#relay(connection, index);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#requests.push(chunk);
    for (let found = this.#requests.next(); found; found = this.#requests.next()) {
      const { bytes, start, end } = found;
      this.#connectionByXid.set(bytes.readUInt32BE(start), this.#next);
      this.calls[this.#next]! += 1;
      this.#connections[this.#next]!.write(marked(bytes.subarray(start, end)));
      this.#next = (this.#next + 1) % this.#connections.length;
    }
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const connection of this.#connections) connection.destroy();
    done(error);
  }

  #relay(connection: Duplex, index: number): void {
    const replies = new RecordReader(recordLimit);
    connection.on("data", (chunk: Buffer) => {
      replies.push(chunk);
      for (let found = replies.next(); found; found = replies.next()) {
        const { bytes, start, end } = found;
        const xid = bytes.readUInt32BE(start);
        if (this.#connectionByXid.get(xid) !== index) this.misrouted += 1;
        this.#connectionByXid.delete(xid);
        this.push(marked(bytes.subarray(start, end)));
      }
    });
    connection.on("error", (error) => this.destroy(error));
    connection.on("close", () => this.destroy());
  }
}
