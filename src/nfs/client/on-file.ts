// What is asked of one file: alone, or in one compound with something else that concerns it.
import {
  type Change,
  changeBitmap,
  decodeBitmap,
  decodeChange,
  decodeFileAttributes,
  encodeBitmap,
  encodeSettable,
  type FileAttributes,
  type SettableAttributes,
} from "../../wire/nfs4/attributes.ts";
import { Operation } from "../../wire/nfs4/operations.ts";
import { anonymousStateid, encodeStateid, type Stateid } from "../../wire/nfs4/stateid.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import type { CompoundReader, CompoundWriter, FileHandle } from "./compound.ts";
import type { CompoundHow, SessionClient } from "./session-client.ts";

/** Operations on the current file of a compound, which may be done twice. */
export interface OnFile<T> {
  readonly encode: (compound: CompoundWriter) => void;
  readonly decode: (results: CompoundReader) => T;
}

export interface AttributesSet {
  /** The change attribute that the file had right before. */
  readonly before: Change;
  readonly attributes: FileAttributes;
}

export const gettingAttributes: OnFile<FileAttributes> = {
  encode: (compound) => compound.getAttributes(),
  decode: (results) => decodeFileAttributes(results.expect(Operation.GETATTR)),
};

/** The stateid of an open file gives the right to change the size. */
export function settingAttributes(
  attributes: SettableAttributes,
  open?: { readonly stateid: Stateid },
): OnFile<AttributesSet> {
  return {
    encode: (compound) => {
      encodeBitmap(compound.operation(Operation.GETATTR), changeBitmap);
      const xdr = compound.operation(Operation.SETATTR);
      encodeStateid(xdr, open?.stateid ?? anonymousStateid);
      encodeSettable(xdr, attributes);
      gettingAttributes.encode(compound);
    },
    decode: (results) => {
      const before = decodeChange(results.expect(Operation.GETATTR));
      decodeBitmap(results.expect(Operation.SETATTR));
      return { before, attributes: gettingAttributes.decode(results) };
    },
  };
}

/** Asks it alone. */
export function askOf<T>(
  session: SessionClient,
  credential: AuthSys,
  file: FileHandle,
  asked: OnFile<T>,
  how?: CompoundHow,
): Promise<T> {
  return session.compound(
    credential,
    (compound) => {
      compound.putHandle(file);
      asked.encode(compound);
    },
    (results) => {
      results.expect(Operation.PUTFH);
      return asked.decode(results);
    },
    how,
  );
}

/** The outcome of a part of a compound whose other parts succeeded: throws where it failed. */
export function outcomeOf<T>(decode: () => T): () => T {
  try {
    const value = decode();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
