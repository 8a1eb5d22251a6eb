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

export function encodeHandle(node: Node): Uint8Array {
  const bytes = Buffer.alloc(handleLength);
  bytes.writeUInt32BE(mark, 0);
  bytes.writeUInt32BE(Math.floor(node.number / 0x1_0000_0000), 4);
  bytes.writeUInt32BE(node.number >>> 0, 8);
  bytes.writeUInt32BE(node.generationHigh, 12);
  bytes.writeUInt32BE(node.generationLow, 16);
  return bytes;
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
