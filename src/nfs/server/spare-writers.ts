import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { spareWriterLimit, spareWritersLimit } from "./limits.ts";

const capacity = 64 * 1024;

/**
 * Output buffers that no connection needs at the moment. All connections share them, and the one
 * that was used last is given out first: a megabyte that the CPU's cache still holds is read and
 * sent in less time than one that each connection has for itself.
 */
export class SpareWriters {
  readonly #writers: XdrWriter[] = [];

  take(): XdrWriter {
    return this.#writers.pop() ?? new XdrWriter(capacity);
  }

  giveBack(writer: XdrWriter): void {
    if (writer.capacity > spareWriterLimit || this.#writers.length === spareWritersLimit) return;
    writer.length = 0;
    this.#writers.push(writer);
  }
}
