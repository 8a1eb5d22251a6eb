// The metered size of a file system, by storage class, kept with every change (facts §2.8).
import type { Reader, Writer } from "../store/store.ts";
import type { MeteredBytes, StorageClass } from "./file-system.ts";
import { decodeNumbers, meteredKey, writeNumber } from "./keys.ts";
import { type Metered, storageClasses } from "./node.ts";

export class Meter {
  readonly #stored = new Uint8Array(storageClasses.length * 8);
  readonly #bytes: Record<StorageClass, number> = { standard: 0, infrequentAccess: 0, archive: 0 };

  /** What is stored; nothing in a new file system. */
  static read(reader: Reader): Meter {
    const meter = new Meter();
    const stored = decodeNumbers(reader.get(meteredKey) ?? new Uint8Array(0));
    for (const [index, storageClass] of storageClasses.entries()) {
      meter.#bytes[storageClass] = stored[index] ?? 0;
    }
    return meter;
  }

  /** An inode takes `now` instead of `before`. Returns whether that changes anything. */
  change(before: Metered, now: Metered): boolean {
    const isSame =
      before.data === now.data &&
      before.metadata === now.metadata &&
      before.storageClass === now.storageClass;
    if (isSame) return false;
    this.#bytes[before.storageClass] -= before.data;
    this.#bytes[now.storageClass] += now.data;
    this.#bytes.standard += now.metadata - before.metadata;
    return true;
  }

  save(writer: Writer): void {
    for (let index = 0; index < storageClasses.length; index += 1) {
      writeNumber(this.#stored, index, this.#bytes[storageClasses[index]!]);
    }
    writer.put(meteredKey, this.#stored);
  }

  get bytes(): MeteredBytes {
    const { standard, infrequentAccess, archive } = this.#bytes;
    return { ...this.#bytes, total: standard + infrequentAccess + archive };
  }
}
