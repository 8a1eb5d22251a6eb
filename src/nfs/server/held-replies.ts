import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { spareWriterLimit } from "./limits.ts";
import type { Slot } from "./state/session.ts";

const heldCapacity = 8 * 1024;

/** Replies to what arrived on a connection together, held back until the store is flushed. */
export class HeldReplies {
  #writer = new XdrWriter(heldCapacity);
  readonly #slots: Slot[] = [];

  /** Takes away what `writer` has from `start` on; the slot is busy until it is released. */
  take(writer: XdrWriter, start: number, slot: Slot | undefined): void {
    this.#writer.append(writer, start);
    writer.length = start;
    if (slot !== undefined) this.#slots.push(slot);
  }

  release(writer: XdrWriter): void {
    for (const slot of this.#slots) slot.busy = false;
    this.#slots.length = 0;
    writer.append(this.#writer, 0);
    if (this.#writer.capacity > spareWriterLimit) this.#writer = new XdrWriter(heldCapacity);
    this.#writer.length = 0;
  }
}
