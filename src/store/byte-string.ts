/** Bytes as a string of one character each: compares as bytes do, and is a Map's key. */
export type ByteString = string;

export function byteString(bytes: Uint8Array): ByteString {
  return Buffer.prototype.latin1Slice.call(bytes, 0, bytes.length);
}

/** The bytes of text in UTF-8, which is how people's words become a key. */
export function byteStringOf(text: string): ByteString {
  return byteString(Buffer.from(text));
}

/** Returns where the text ends. */
export function writeByteString(target: Uint8Array, text: ByteString, at: number): number {
  return at + Number(Buffer.prototype.latin1Write.call(target, text, at, text.length));
}
