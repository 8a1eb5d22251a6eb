import type { Socket } from "node:net";

const handleName = "_handle";

/** Where the bytes of a connection go. */
export interface ReadTarget {
  /** Room for the next bytes; asked for anew after each `received`. */
  space(): Uint8Array;
  received(length: number): void;
}

/**
 * Node gives what arrives in buffers of 64 KiB at most (16 KiB with TLS), each a new one, from
 * which it is copied. With the socket option `onread` it is read to where it is used, but the
 * sockets of a server, and those with TLS, can't be given options; so they are given here what the
 * option would have given them. Writes of 1 MiB took less than half of the time so. This is no
 * public interface of Node: where it isn't what is expected, the answer is false, and the socket
 * goes on as it is. Nothing may have been read that the caller doesn't have.
 */
export function readToOwnBuffer(socket: Socket, target: ReadTarget): boolean {
  const handle = handleOf(socket);
  const [buffer, callback, next] = optionNames.map((name) => ownSymbol(socket, name));
  if (handle === undefined || !buffer || !callback || !next) return false;
  const options = socket as unknown as Record<symbol, unknown>;
  const space = target.space();
  options[buffer] = space;
  options[callback] = (length: number) => {
    target.received(length);
    return true;
  };
  options[next] = () => target.space();
  handle.useUserBuffer(space);
  return true;
}

/**
 * The system's number for a plain connection, where Node lets it be seen. The handle of TLS shows
 * one too, but what is written there would go out as it is.
 */
export function descriptorOf(socket: Socket): number | undefined {
  const handle = handleOf(socket);
  if (handle?.constructor.name !== "TCP" || handle.fd === undefined) return undefined;
  return handle.fd >= 0 ? handle.fd : undefined;
}

/** How Node keeps the option `onread`: the buffer, who is called, and who gives the next buffer. */
const optionNames = ["kBuffer", "kBufferCb", "kBufferGen"];

function ownSymbol(socket: Socket, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
}

interface Handle {
  readonly fd?: number;
  useUserBuffer(buffer: Uint8Array): void;
}

function handleOf(socket: Socket): Handle | undefined {
  const handle = (socket as unknown as Record<typeof handleName, Handle | null>)[handleName];
  return typeof handle?.useUserBuffer === "function" ? handle : undefined;
}
