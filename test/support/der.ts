// X.690 §8.1: what DER is made of, read without the library that writes it.

export interface DerElement {
  /** Nesting, 0 for the outermost. */
  readonly depth: number;
  /** The identifier octet: class, whether constructed, number. */
  readonly tag: number;
  /** Octets of contents. */
  readonly length: number;
  /** Of a primitive element. */
  readonly contents: Uint8Array | undefined;
}

const constructedBit = 0x20;

/** All elements in their order, and those inside primitive octet strings that `opens` names. */
export function derElements(
  der: Uint8Array,
  opens: (element: DerElement) => boolean = () => false,
  depth = 0,
): DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < der.length;) {
    const tag = der[at]!;
    const { length, start } = lengthAt(der, at + 1);
    const contents = der.subarray(start, start + length);
    if (contents.length !== length) throw new Error(`the element at ${at} is cut off`);
    const isConstructed = (tag & constructedBit) !== 0;
    const element = { depth, tag, length, contents: isConstructed ? undefined : contents };
    found.push(element);
    if (isConstructed || opens(element)) found.push(...derElements(contents, opens, depth + 1));
    at = start + length;
  }
  return found;
}

function lengthAt(der: Uint8Array, at: number): { length: number; start: number } {
  const first = der[at]!;
  if (first < 0x80) return { length: first, start: at + 1 };
  const octets = first & 0x7f;
  let length = 0;
  for (let index = 1; index <= octets; index += 1) length = length * 256 + der[at + index]!;
  return { length, start: at + 1 + octets };
}
