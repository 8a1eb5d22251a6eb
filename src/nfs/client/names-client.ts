import {
  decodeBitmap,
  decodeFileAttributes,
  decodeFileSizeLimit,
  encodeBitmap,
  encodeSettable,
  type FileAttributes,
  fileSizeLimitBitmap,
  type SettableAttributes,
} from "../../wire/nfs4/attributes.ts";
import { FileTypeNumber, Operation } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import type { FileHandle } from "./compound.ts";
import { transferLimit } from "./limits.ts";
import { NfsError } from "./nfs-error.ts";
import {
  askOf,
  type AttributesSet,
  gettingAttributes,
  type OnFile,
  settingAttributes,
} from "./on-file.ts";
import type { OpenFile } from "./open-file.ts";
import {
  decodeAccess,
  decodeEntries,
  decodeFile,
  encodeHandleAndAttributes,
  entryBitmap,
  nameBitmap,
  encodePlace,
  type ListingPlace,
  type RemoteFile,
  type RemoteListing,
  skipChange,
} from "./results.ts";
import type { SessionClient } from "./session-client.ts";

/** A name in a directory. */
export interface DirectoryEntry {
  readonly directory: FileHandle;
  readonly name: string;
}

export type NewFileType = "directory" | "fifo" | "socket" | "symlink";

const once = { once: true };
const gettingFileSizeLimit: OnFile<number> = {
  encode: (compound) => encodeBitmap(compound.operation(Operation.GETATTR), fileSizeLimitBitmap),
  decode: (results) => decodeFileSizeLimit(results.expect(Operation.GETATTR)),
};

/** Operations on names and attributes, which need no open file. */
export class NamesClient {
  readonly #session: SessionClient;

  constructor(session: SessionClient) {
    this.#session = session;
  }

  lookup(credential: AuthSys, directory: FileHandle, name: string): Promise<RemoteFile> {
    return this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(directory);
        compound.lookup(name);
        encodeHandleAndAttributes(compound);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        results.expect(Operation.LOOKUP);
        return decodeFile(results);
      },
    );
  }

  getAttributes(credential: AuthSys, file: FileHandle): Promise<FileAttributes> {
    return askOf(this.#session, credential, file, gettingAttributes);
  }

  /** Bytes that a file of the file's file system can have. */
  getFileSizeLimit(credential: AuthSys, file: FileHandle): Promise<number> {
    return askOf(this.#session, credential, file, gettingFileSizeLimit);
  }

  /** With an open file its stateid gives the right to change the size. */
  setAttributes(
    credential: AuthSys,
    file: FileHandle,
    attributes: SettableAttributes,
    open?: OpenFile,
  ): Promise<AttributesSet> {
    return askOf(this.#session, credential, file, settingAttributes(attributes, open), once);
  }

  /** The subset of ACCESS bits that the server grants, and what the file is. */
  access(
    credential: AuthSys,
    file: FileHandle,
    wanted: number,
  ): Promise<{ granted: number; attributes: FileAttributes }> {
    return this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(file);
        compound.operation(Operation.ACCESS).uint32(wanted);
        compound.getAttributes();
      },
      (results) => {
        results.expect(Operation.PUTFH);
        const granted = decodeAccess(results);
        return { granted, attributes: decodeFileAttributes(results.expect(Operation.GETATTR)) };
      },
    );
  }

  create(
    credential: AuthSys,
    directory: FileHandle,
    name: string,
    type: NewFileType,
    mode: number,
    target?: string,
  ): Promise<RemoteFile> {
    return this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(directory);
        const xdr = compound.operation(Operation.CREATE);
        xdr.uint32(FileTypeNumber[type]);
        if (type === "symlink") xdr.byteString(target ?? "");
        xdr.byteString(name);
        encodeSettable(xdr, { mode });
        encodeHandleAndAttributes(compound);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        skipChange(results.expect(Operation.CREATE));
        decodeBitmap(results.xdr);
        return decodeFile(results);
      },
      once,
    );
  }

  readLink(credential: AuthSys, file: FileHandle): Promise<string> {
    return this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(file);
        compound.operation(Operation.READLINK);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        return results.expect(Operation.READLINK).byteString(transferLimit);
      },
    );
  }

  /**
   * A server that was restarted meanwhile can't say whether it was this client who removed it: it
   * is gone, which is what was wanted.
   */
  remove(credential: AuthSys, directory: FileHandle, name: string): Promise<void> {
    return this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(directory);
        compound.operation(Operation.REMOVE).byteString(name);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        results.expectOnce(Operation.REMOVE, Status.NOENT);
      },
      once,
    );
  }

  /**
   * After a restart of the server only what has the new name tells whether it was done before:
   * `wasThere` says whether that file had the old one.
   */
  async rename(
    credential: AuthSys,
    from: DirectoryEntry,
    to: DirectoryEntry,
    wasThere: (file: FileHandle) => boolean,
  ): Promise<void> {
    const isRenamed = await this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(from.directory);
        compound.operation(Operation.SAVEFH);
        compound.putHandle(to.directory);
        const xdr = compound.operation(Operation.RENAME);
        xdr.byteString(from.name);
        xdr.byteString(to.name);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        results.expect(Operation.SAVEFH);
        results.expect(Operation.PUTFH);
        return results.expectOnce(Operation.RENAME, Status.NOENT);
      },
      once,
    );
    if (isRenamed) return;
    const found = await this.#lookupNow(credential, to);
    if (found === undefined || !wasThere(found.handle)) throw new NfsError(Status.NOENT, "RENAME");
  }

  async link(credential: AuthSys, file: FileHandle, to: DirectoryEntry): Promise<FileAttributes> {
    const linked = await this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(file);
        compound.operation(Operation.SAVEFH);
        compound.putHandle(to.directory);
        compound.operation(Operation.LINK).byteString(to.name);
        compound.operation(Operation.RESTOREFH);
        compound.getAttributes();
      },
      (results) => {
        results.expect(Operation.PUTFH);
        results.expect(Operation.SAVEFH);
        results.expect(Operation.PUTFH);
        if (!results.expectOnce(Operation.LINK, Status.EXIST)) return undefined;
        skipChange(results.xdr);
        results.expect(Operation.RESTOREFH);
        return decodeFileAttributes(results.expect(Operation.GETATTR));
      },
      once,
    );
    if (linked !== undefined) return linked;
    const found = await this.#lookupNow(credential, to);
    if (found === undefined || Buffer.compare(found.handle, file) !== 0) {
      throw new NfsError(Status.EXIST, "LINK");
    }
    return found.attributes;
  }

  async #lookupNow(
    credential: AuthSys,
    { directory, name }: DirectoryEntry,
  ): Promise<RemoteFile | undefined> {
    try {
      return await this.lookup(credential, directory, name);
    } catch (error) {
      if (error instanceof NfsError && error.status === Status.NOENT) return undefined;
      throw error;
    }
  }

  /** Entries after a place, as many as fit into `maximumBytes`; with `files` what they are. */
  readDirectory(
    credential: AuthSys,
    directory: FileHandle,
    place: ListingPlace,
    maximumBytes: number,
    files = true,
  ): Promise<RemoteListing> {
    return this.#session.compound(
      credential,
      (compound) => {
        compound.putHandle(directory);
        const xdr = compound.operation(Operation.READDIR);
        encodePlace(xdr, place);
        xdr.uint32(maximumBytes);
        xdr.uint32(maximumBytes);
        encodeBitmap(xdr, files ? entryBitmap : nameBitmap);
      },
      (results) => {
        results.expect(Operation.PUTFH);
        return decodeEntries(results.expect(Operation.READDIR), files);
      },
    );
  }
}

/** Where every listing begins. */
export const listingBegin: ListingPlace = { cookie: 0, verifier: undefined };
