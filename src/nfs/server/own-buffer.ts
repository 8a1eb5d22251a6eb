import net, { type Socket, type SocketConstructorOpts } from "node:net";

const handleName = "_handle";

/** Where the bytes of a connection go. */
export interface ReadTarget {
  /** Room for the next bytes; asked for anew after each `received`. */
  space(): Uint8Array;
  received(length: number): void;
}

/**
 * Node gives what arrives in buffers of 64 KiB at most, each a new one, from which it is copied.
 * With the socket option `onread` it is read to where it is used, but a server's sockets can't be
 * given options: so the accepted connection moves to a socket that has it. Writes of 1 MiB took
 * less than half of the time so. A socket's handle is no public interface of Node: where it isn't
 * what is expected, the answer is undefined and the socket goes on as it is.
 */
export function moveToOwnBuffer(accepted: Socket, target: ReadTarget): Socket | undefined {
  const handle = handleOf(accepted);
  if (handle === undefined) return undefined;
  // By this the new socket knows that it has to start reading.
  handle.reading = false;
  const options = {
    handle,
    noDelay: true,
    onread: {
      buffer: () => target.space(),
      callback: (length: number) => {
        target.received(length);
        return true;
      },
    },
  };
  const socket = new net.Socket(options as unknown as SocketConstructorOpts);
  // What is left of the accepted socket closes nothing.
  (accepted as unknown as WithHandle)[handleName] = null;
  accepted.destroy();
  return socket;
}

/**
 * From now on the kernel keeps what arrives, until the connection has moved. A paused socket alone
 * still takes what the same wake-up of the event loop brings, and that would be lost.
 */
export function stopReading(accepted: Socket): void {
  handleOf(accepted)?.readStop();
}

/** The system's number for a plain connection, where Node lets it be seen. */
export function descriptorOf(socket: Socket): number | undefined {
  const descriptor = handleOf(socket)?.fd;
  return descriptor !== undefined && descriptor >= 0 ? descriptor : undefined;
}

type WithHandle = Record<typeof handleName, Handle | null>;

interface Handle {
  readonly fd?: number;
  /** Whether Node believes that it is reading. */
  reading: boolean;
  readStop(): void;
}

function handleOf(socket: Socket): Handle | undefined {
  const handle = (socket as unknown as WithHandle)[handleName];
  return handle && "useUserBuffer" in handle && "readStop" in handle ? handle : undefined;
}
