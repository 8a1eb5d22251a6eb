import { padding } from "../../wire/xdr/xdr-reader.ts";
import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { copyLimit } from "./limits.ts";

const lastFragment = 0x8000_0000;
const outputCapacity = 64 * 1024;

/** RPC records that go out together; large contents are sent from where they lie. */
export class OutgoingRecords {
  readonly xdr = new XdrWriter(outputCapacity);
  readonly #contents: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #recordStart = 0;
  #contentsBytes = 0;

  get empty(): boolean {
    return this.xdr.length === 0;
  }

  begin(): void {
    this.#recordStart = this.xdr.length;
    this.#contentsBytes = 0;
    this.xdr.uint32(0);
  }

  end(): void {
    const length = this.xdr.length - this.#recordStart - 4 + this.#contentsBytes;
    this.xdr.patchUint32(this.#recordStart, (lastFragment | length) >>> 0);
  }

  /** Bytes with their length before them; they must stay as they are until the reply is there. */
  opaque(bytes: Uint8Array): void {
    if (bytes.length < copyLimit) {
      this.xdr.opaque(bytes);
      return;
    }
    this.xdr.uint32(bytes.length);
    this.#contents.push({ at: this.xdr.length, bytes });
    this.#contentsBytes += bytes.length;
    const filling = padding(bytes.length);
    if (filling > 0) this.xdr.room(filling).fill(0);
  }

  /** Everything so far, in the pieces to be written one after the other. */
  take(): Uint8Array[] {
    const bytes = Buffer.from(this.xdr.written());
    this.xdr.length = 0;
    if (this.#contents.length === 0) return [bytes];
    const pieces: Uint8Array[] = [];
    let from = 0;
    for (const contents of this.#contents) {
      pieces.push(bytes.subarray(from, contents.at), contents.bytes);
      from = contents.at;
    }
    if (from < bytes.length) pieces.push(bytes.subarray(from));
    this.#contents.length = 0;
    return pieces;
  }
}
