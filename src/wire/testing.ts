// For tests of codecs: bytes written down by hand, and bytes damaged at random.
import * as fc from "fast-check";

/** Bytes from hexadecimal digits; the spaces between them are for the reader. */
export function hex(...lines: readonly string[]): Buffer {
  const digits = lines.join("").replaceAll(" ", "");
  const bytes = Buffer.from(digits, "hex");
  if (bytes.length * 2 !== digits.length) throw new Error(`not hexadecimal: ${digits}`);
  return bytes;
}

const kinds = ["bit", "byte", "word", "cut", "remove", "insert", "repeat"] as const;

/** One damage; `at` and `value` mean what the kind makes of them, whatever their size. */
export interface Mutation {
  readonly kind: (typeof kinds)[number];
  readonly at: number;
  readonly value: number;
}

/** Words at which lengths, counts and signs go wrong. */
export const troublesomeWords: readonly number[] = [
  0, 1, 2, 3, 0xff, 0x400, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];

export const mutationKinds: readonly Mutation["kind"][] = kinds;

/** A few mutations, for properties: a failure comes with its seed and the smallest list. */
export const mutationLists: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    at: fc.nat(),
    value: fc.oneof(fc.constantFrom(...troublesomeWords), fc.nat(0xffff_ffff)),
  }),
  { minLength: 1, maxLength: 4 },
);

/** The bytes with the mutations applied, one after the other. */
export function mutated(bytes: Uint8Array, mutations: readonly Mutation[]): Buffer {
  return mutations.reduce<Buffer>(damaged, Buffer.from(bytes));
}

function damaged(bytes: Buffer, { kind, at, value }: Mutation): Buffer {
  const place = bytes.length === 0 ? 0 : at % bytes.length;
  const aligned = place & ~3;
  const span = 4 * (1 + (value % 8));
  switch (kind) {
    case "bit":
      if (bytes.length > 0) bytes[place]! ^= 1 << (value & 7);
      return bytes;
    case "byte":
      if (bytes.length > 0) bytes[place] = value;
      return bytes;
    case "word":
      if (aligned + 4 <= bytes.length) bytes.writeUInt32BE(value >>> 0, aligned);
      return bytes;
    case "cut":
      return bytes.subarray(0, place);
    case "remove":
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + span)]);
    case "insert":
      return Buffer.concat([
        bytes.subarray(0, place),
        Buffer.alloc(span, value & 0xff),
        bytes.subarray(place),
      ]);
    case "repeat":
      return Buffer.concat([
        bytes.subarray(0, place),
        bytes.subarray(place, place + span),
        bytes.subarray(place),
      ]);
  }
}

/** What the call gives, or undefined where it throws the declared error; others come through. */
export function decodedOrRefused<T>(
  declared: new (...given: never[]) => Error,
  decode: () => T,
): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof declared) return undefined;
    throw error;
  }
}
