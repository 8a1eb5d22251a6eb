/** For tests: a record with its mark, in fragments of these sizes and one of the rest. */
export function marked(record: Uint8Array, sizes: readonly number[] = []): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const [index, size] of [...sizes, record.length].entries()) {
    const part = record.subarray(from, from + size);
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE(part.length + (index === sizes.length ? 0x8000_0000 : 0));
    parts.push(mark, Buffer.from(part));
    from += part.length;
  }
  return Buffer.concat(parts);
}
