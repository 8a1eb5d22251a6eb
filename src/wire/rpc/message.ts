// ONC RPC version 2 (RFC 5531 §9): the headers of calls and replies.
import { padding, XdrError, type XdrReader } from "../xdr/xdr-reader.ts";
import type { XdrWriter } from "../xdr/xdr-writer.ts";

export const rpcVersion = 2;
const messageCall = 0;
const messageReply = 1;

export const AuthFlavor = { none: 0, sys: 1, short: 2 } as const;

export const AcceptStatus = {
  success: 0,
  programUnavailable: 1,
  programMismatch: 2,
  procedureUnavailable: 3,
  garbageArguments: 4,
  systemError: 5,
} as const;

/** RFC 5531 §9 auth_stat. */
export const AuthStatus = { badCredential: 1, rejectedVerifier: 3, tooWeak: 5 } as const;

/** AUTH_SYS parameters (RFC 5531 appendix A). */
export interface AuthSys {
  readonly machineName: string;
  readonly uid: number;
  readonly gid: number;
  readonly gids: readonly number[];
}

export interface CallHeader {
  readonly xid: number;
  readonly version: number;
  readonly program: number;
  readonly programVersion: number;
  readonly procedure: number;
  /** Undefined for AUTH_NONE. */
  readonly credential: AuthSys | undefined;
  /** auth_stat for a flavor that isn't AUTH_NONE or AUTH_SYS, or a malformed one of these. */
  readonly credentialRefused: number | undefined;
}

const authLimit = 400;
const machineNameLimit = 255;
const gidsLimit = 16;

/** A client sends the same credential again and again: one that was seen needs no decoding. */
export class CredentialMemory {
  #body = new Uint8Array(0);
  #credential: AuthSys | undefined;

  /** Reads an AUTH_SYS body; undefined where it is malformed. */
  decode(reader: XdrReader, length: number): AuthSys | undefined {
    if (length === this.#body.length && reader.isNext(this.#body)) return this.#credential;
    const { offset } = reader;
    const body = Uint8Array.prototype.slice.call(reader.fixedOpaque(length));
    reader.offset = offset;
    this.#credential = decodeAuthSys(reader, offset + length);
    this.#body = body;
    return this.#credential;
  }
}

/** Reads a call's header; the reader stands at the arguments after that. */
export function decodeCall(
  reader: XdrReader,
  credentials = new CredentialMemory(),
): CallHeader | undefined {
  const xid = reader.uint32();
  if (reader.uint32() !== messageCall) return undefined;
  const version = reader.uint32();
  const program = reader.uint32();
  const programVersion = reader.uint32();
  const procedure = reader.uint32();
  const flavor = reader.uint32();
  const bodyLength = reader.uint32();
  const bodyStart = reader.offset;
  reader.skip(bodyLength + padding(bodyLength));
  const bodyEnd = reader.offset;
  let credential: AuthSys | undefined;
  if (flavor === AuthFlavor.sys && bodyLength <= authLimit) {
    reader.offset = bodyStart;
    credential = credentials.decode(reader, bodyLength);
    reader.offset = bodyEnd;
  }
  const isNone = flavor === AuthFlavor.none && bodyLength <= authLimit;
  const isKnown = flavor === AuthFlavor.none || flavor === AuthFlavor.sys;
  const why = isKnown ? AuthStatus.badCredential : AuthStatus.tooWeak;
  const credentialRefused = isNone || credential !== undefined ? undefined : why;
  reader.uint32();
  reader.skipOpaque(authLimit);
  return {
    xid,
    version,
    program,
    programVersion,
    procedure,
    credential,
    credentialRefused,
  };
}

/** Undefined where it is malformed or longer than its body: that call alone is refused. */
function decodeAuthSys(reader: XdrReader, bodyEnd: number): AuthSys | undefined {
  try {
    reader.uint32();
    const machineName = reader.byteString(machineNameLimit);
    const uid = reader.uint32();
    const gid = reader.uint32();
    const gids = reader.array(gidsLimit, (item) => item.uint32());
    return reader.offset > bodyEnd ? undefined : { machineName, uid, gid, gids };
  } catch (error) {
    if (error instanceof XdrError) return undefined;
    throw error;
  }
}

export function encodeCall(
  writer: XdrWriter,
  call: {
    readonly xid: number;
    readonly program: number;
    readonly programVersion: number;
    readonly procedure: number;
    readonly credential?: AuthSys;
  },
): void {
  writer.uint32(call.xid);
  writer.uint32(messageCall);
  writer.uint32(rpcVersion);
  writer.uint32(call.program);
  writer.uint32(call.programVersion);
  writer.uint32(call.procedure);
  if (call.credential === undefined) {
    writer.uint32(AuthFlavor.none);
    writer.uint32(0);
  } else {
    encodeAuthSys(writer, call.credential);
  }
  writer.uint32(AuthFlavor.none);
  writer.uint32(0);
}

function encodeAuthSys(writer: XdrWriter, credential: AuthSys): void {
  writer.uint32(AuthFlavor.sys);
  const lengthAt = writer.length;
  writer.uint32(0);
  writer.uint32(0);
  writer.byteString(credential.machineName);
  writer.uint32(credential.uid);
  writer.uint32(credential.gid);
  writer.array(credential.gids, (item, gid) => item.uint32(gid));
  writer.patchUint32(lengthAt, writer.length - lengthAt - 4);
}

/** Bytes of what `encodeAccepted` writes. */
export const acceptedLength = 24;

/** The header of an accepted reply; results follow where the status is success. */
export function encodeAccepted(writer: XdrWriter, xid: number, status: number): void {
  writer.uint32(xid);
  writer.uint32(messageReply);
  writer.uint32(0);
  writer.uint32(AuthFlavor.none);
  writer.uint32(0);
  writer.uint32(status);
}

export function encodeProgramMismatch(writer: XdrWriter, xid: number, version: number): void {
  encodeAccepted(writer, xid, AcceptStatus.programMismatch);
  writer.uint32(version);
  writer.uint32(version);
}

/** RPC_MISMATCH: the call was not of RPC version 2. */
export function encodeRpcMismatch(writer: XdrWriter, xid: number): void {
  writer.uint32(xid);
  writer.uint32(messageReply);
  writer.uint32(1);
  writer.uint32(0);
  writer.uint32(rpcVersion);
  writer.uint32(rpcVersion);
}

export function encodeAuthError(writer: XdrWriter, xid: number, authStatus: number): void {
  writer.uint32(xid);
  writer.uint32(messageReply);
  writer.uint32(1);
  writer.uint32(1);
  writer.uint32(authStatus);
}

export type ReplyHeader =
  | { readonly kind: "accepted"; readonly xid: number; readonly status: number }
  | { readonly kind: "denied"; readonly xid: number };

export function decodeReply(reader: XdrReader): ReplyHeader | undefined {
  const xid = reader.uint32();
  if (reader.uint32() !== messageReply) return undefined;
  if (reader.uint32() !== 0) return { kind: "denied", xid };
  reader.uint32();
  reader.opaque(authLimit);
  return { kind: "accepted", xid, status: reader.uint32() };
}
