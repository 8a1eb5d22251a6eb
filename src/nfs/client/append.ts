// Writing to the end of a file that other clients write to as well. NFS has no such operation; a
// VERIFY of the size before the WRITE, in one compound, has the server refuse where the end has
// moved (RFC 8881 §18.31).
import { Attribute, bitmapOf, encodeBitmap } from "../../wire/nfs4/attributes.ts";
import { Operation } from "../../wire/nfs4/operations.ts";
import { anonymousStateid, encodeStateid } from "../../wire/nfs4/stateid.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { transferLimit } from "./limits.ts";
import type { NamesClient } from "./names-client.ts";
import { NfsError } from "./nfs-error.ts";
import type { OpenFile } from "./open-file.ts";
import type { SessionClient } from "./session-client.ts";
import { decodeWrite, encodeWrite, type WriteAnswer, type Written } from "./write.ts";

export interface Appended extends Written {
  readonly offset: number;
  /** How many of the bytes are there now; the rest is for the caller to append. */
  readonly written: number;
  /** The server's; none where an earlier attempt turned out to have written them. */
  readonly verifier: string;
}

const sizeBitmap = bitmapOf([Attribute.size]);
const once = { once: true };

/** Appends, durably where `stable`; `believed` is where the end was when the caller last heard of it. */
export async function append(
  session: SessionClient,
  names: NamesClient,
  open: OpenFile,
  believed: number,
  bytes: Uint8Array,
  stable: boolean,
): Promise<Appended> {
  let offset = believed;
  for (;;) {
    const attempt = await appendAt(session, open, offset, bytes, stable);
    if (attempt.answer !== undefined) {
      const { before, after, count: written, verifier } = attempt.answer;
      return { offset, written, verifier, before, after };
    }
    // Sent again to a server that had lost the session, it finds its own first attempt there.
    const isThere = attempt.sent > 1 && (await isWrittenAt(session, open, offset, bytes));
    const { size, change } = await names.getAttributes(open.credential, open.handle);
    if (isThere) {
      return { offset, written: bytes.length, verifier: "", before: change, after: change };
    }
    offset = size;
  }
}

interface Attempt {
  /** Undefined where the file doesn't end there. */
  readonly answer: WriteAnswer | undefined;
  readonly sent: number;
}

/** Writes nothing where the file doesn't end at `offset`. */
function appendAt(
  session: SessionClient,
  open: OpenFile,
  offset: number,
  bytes: Uint8Array,
  stable: boolean,
): Promise<Attempt> {
  let sent = 0;
  return session.compound<Attempt>(
    open.credential,
    (compound) => {
      sent += 1;
      compound.putHandle(open.handle);
      const xdr = compound.operation(Operation.VERIFY);
      encodeBitmap(xdr, sizeBitmap);
      xdr.uint32(8);
      xdr.uint64(offset);
      encodeWrite(compound, open, offset, bytes, stable);
    },
    (results) => {
      results.expect(Operation.PUTFH);
      const verified = results.status(Operation.VERIFY);
      if (verified === Status.NOT_SAME) return { answer: undefined, sent };
      if (verified !== Status.OK) throw new NfsError(verified, "VERIFY");
      return { answer: decodeWrite(results), sent };
    },
    once,
  );
}

/** False where the user may not read. */
function isWrittenAt(
  session: SessionClient,
  open: OpenFile,
  offset: number,
  bytes: Uint8Array,
): Promise<boolean> {
  return session.compound(
    open.credential,
    (compound) => {
      compound.putHandle(open.handle);
      const xdr = compound.operation(Operation.READ);
      encodeStateid(xdr, anonymousStateid);
      xdr.uint64(offset);
      xdr.uint32(bytes.length);
    },
    (results) => {
      results.expect(Operation.PUTFH);
      if (results.status(Operation.READ) !== Status.OK) return false;
      results.xdr.boolean();
      return Buffer.compare(results.xdr.opaque(transferLimit), bytes) === 0;
    },
  );
}
