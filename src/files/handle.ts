// File handles: a mark, the inode's number and its random generation, 20 bytes.
import type { FileKey } from "../data/data.ts";
import type { Node } from "./node.ts";

const mark = 0x4d4f_4f01;
const handleLength = 20;

export interface DecodedHandle {
  readonly number: FileKey;
  readonly generationHigh: number;
  readonly generationLow: number;
}

const encoded = new Uint8Array(handleLength);
const encodedView = new DataView(encoded.buffer);

/** Valid until the next call. */
export function encodeHandle(node: Node): Uint8Array {
  const view = encodedView;
  view.setUint32(0, mark);
  view.setUint32(4, Math.floor(node.number / 0x1_0000_0000));
  view.setUint32(8, node.number >>> 0);
  view.setUint32(12, node.generationHigh);
  view.setUint32(16, node.generationLow);
  return encoded;
}

/** Undefined where the bytes are no handle of ours. */
export function decodeHandle(bytes: Uint8Array): DecodedHandle | undefined {
  if (bytes.length !== handleLength || readUint32(bytes, 0) !== mark) return undefined;
  const number = readUint32(bytes, 4) * 0x1_0000_0000 + readUint32(bytes, 8);
  if (!Number.isSafeInteger(number)) return undefined;
  return {
    number,
    generationHigh: readUint32(bytes, 12),
    generationLow: readUint32(bytes, 16),
  };
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}
