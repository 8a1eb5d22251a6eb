// IPv4 addresses and ranges as numbers.

export function addressNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function addressText(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
}

export interface AddressRange {
  readonly first: number;
  readonly size: number;
}

/** Throws `RangeError` where the text is no IPv4 range with its host bits zero. */
export function parseRange(text: string): AddressRange {
  const found = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(text);
  const bits = Number(found?.[2]);
  const first = found === null ? NaN : addressNumber(found[1]!);
  const octets = found?.[1]?.split(".").every((part) => Number(part) <= 255) ?? false;
  const size = 2 ** (32 - bits);
  if (!octets || bits > 32 || first % size !== 0) {
    throw new RangeError(`${text} is not an IPv4 range like 172.31.0.0/16`);
  }
  return { first, size };
}

export function inRange(address: string, range: string): boolean {
  const { first, size } = parseRange(range);
  const number = addressNumber(address);
  return number >= first && number < first + size;
}
