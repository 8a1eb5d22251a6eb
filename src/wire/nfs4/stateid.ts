import type { XdrReader } from "../xdr/xdr-reader.ts";
import type { XdrWriter } from "../xdr/xdr-writer.ts";

/** stateid4 (RFC 8881 §3.3.12); `other` as three words, so that it costs no object of its own. */
export interface Stateid {
  readonly seqid: number;
  readonly other0: number;
  readonly other1: number;
  readonly other2: number;
}

/** All zeros: no state (RFC 8881 §8.2.3). */
export const anonymousStateid: Stateid = { seqid: 0, other0: 0, other1: 0, other2: 0 };

const allOnes = 0xffffffff;
/** All ones: reading that bypasses locks. */
export const bypassStateid: Stateid = {
  seqid: allOnes,
  other0: allOnes,
  other1: allOnes,
  other2: allOnes,
};

/** The one that the compound itself made or used last. */
export const currentStateid: Stateid = { seqid: 1, other0: 0, other1: 0, other2: 0 };

/** The two that are used without any state (RFC 8881 §8.2.3). */
export function isSpecial(stateid: Stateid): boolean {
  return sameStateid(stateid, anonymousStateid) || sameStateid(stateid, bypassStateid);
}

export function sameStateid(a: Stateid, b: Stateid): boolean {
  return (
    a.seqid === b.seqid && a.other0 === b.other0 && a.other1 === b.other1 && a.other2 === b.other2
  );
}

/** The seqid after this one: zero is left out, it stands for the latest (RFC 8881 §8.2.2). */
export function nextSeqid(seqid: number): number {
  return seqid === allOnes ? 1 : seqid + 1;
}

/** How many steps `given` is ahead of `latest`, or behind where negative; they may have wrapped. */
export function seqidsAhead(given: number, latest: number): number {
  return (given - latest) | 0;
}

export function decodeStateid(reader: XdrReader): Stateid {
  return {
    seqid: reader.uint32(),
    other0: reader.uint32(),
    other1: reader.uint32(),
    other2: reader.uint32(),
  };
}

export function encodeStateid(writer: XdrWriter, stateid: Stateid): void {
  writer.uint32(stateid.seqid);
  writer.uint32(stateid.other0);
  writer.uint32(stateid.other1);
  writer.uint32(stateid.other2);
}
