import { spawn } from "node:child_process";
import { close, openSync, writeSync, writev, writevSync } from "node:fs";

import type { BusyPoll } from "../base/busy-poll.ts";
import type { Log } from "../base/log.ts";
import { Notification, replyHeaderLength } from "../wire/fuse/protocol.ts";
import { encodeEntryInvalidation, encodeInvalidation } from "../wire/fuse/reply.ts";
import { FuseRequest } from "../wire/fuse/request.ts";
import { shortReplyBytes } from "./limits.ts";
import { RequestBuffers } from "./request-buffers.ts";
import { readRequests, type RequestSource } from "./request-source.ts";

export interface FuseDeviceOptions {
  readonly source: string;
  readonly readOnly: boolean;
  readonly log: Log;
  readonly busyPoll: BusyPoll;
}

/** The kernel's side of a mount: its requests come in, replies go out. */
export class FuseDevice {
  readonly #descriptor: number;
  readonly #log: Log;
  readonly #busyPoll: BusyPoll;
  readonly #buffers = new RequestBuffers();
  /** A reply that is short enough is put together here. */
  readonly #message = Buffer.allocUnsafeSlow(shortReplyBytes);
  #source: RequestSource | undefined;
  #ended = false;
  #invalidating: Promise<void> = Promise.resolve();
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => {};

  private constructor(descriptor: number, { log, busyPoll }: FuseDeviceOptions) {
    this.#descriptor = descriptor;
    this.#log = log;
    this.#busyPoll = busyPoll;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** Mounts on an existing directory; needs root. Throws with what mount(8) said. */
  static async mount(directory: string, options: FuseDeviceOptions): Promise<FuseDevice> {
    const descriptor = openSync("/dev/fuse", "r+");
    const mode = options.readOnly ? "ro" : "rw";
    const settings = `fd=3,rootmode=40000,user_id=0,group_id=0,allow_other,${mode}`;
    const flags = ["-i", "-t", "fuse.efs", "-o", settings, options.source, directory];
    try {
      await run("mount", flags, descriptor);
    } catch (error) {
      close(descriptor);
      throw error;
    }
    return new FuseDevice(descriptor, options);
  }

  /**
   * Hands each request over. Its bytes stay as they are until `done` is called for it, or, where it
   * was kept, until its buffer is given back.
   */
  serve(handle: (request: FuseRequest) => void): void {
    this.#source = readRequests(this.#descriptor, this.#buffers, {
      request: (buffer, length) => handle(new FuseRequest(buffer, length)),
      ended: (code) => this.#end(code),
    });
  }

  done(request: FuseRequest): void {
    if (request.isKept) this.#buffers.keep();
    else this.#buffers.giveBack(request.buffer);
  }

  /** The buffer of a request that was kept. */
  giveBack(buffer: Buffer): void {
    this.#buffers.giveBackKept(buffer);
  }

  /** `error` is a positive errno, 0 for success. */
  reply(request: FuseRequest, error: number, payload: Uint8Array = nothing): void {
    this.#write(request.uniqueLow, request.uniqueHigh, -error, payload);
    this.#busyPoll.worked();
  }

  #write(uniqueLow: number, uniqueHigh: number, error: number, payload: Uint8Array): void {
    if (this.#ended) return;
    const message = this.#message;
    encodeHeader(message, uniqueLow, uniqueHigh, error, payload.length);
    try {
      if (payload.length <= message.length - replyHeaderLength) {
        message.set(payload, replyHeaderLength);
        writeSync(this.#descriptor, message, 0, replyHeaderLength + payload.length);
      } else {
        writevSync(this.#descriptor, [message.subarray(0, replyHeaderLength), payload]);
      }
    } catch (failure) {
      // ENOENT: the request was interrupted or aborted and nobody waits for it any more.
      const { code } = failure as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENODEV") this.#log.warn({ code }, "a reply was refused");
    }
  }

  /** Makes the kernel ask for a file's attributes before it uses them again. */
  invalidateAttributes(nodeId: number): void {
    const payload = encodeInvalidation(nodeId, "attributes");
    this.#write(0, 0, Notification.invalidateInode, payload);
  }

  /**
   * Makes the kernel forget attributes and contents of a file. It waits there for pages that this
   * process still has to bring: never synchronously, and one at a time, so that threads are left to
   * read requests.
   */
  invalidate(nodeId: number): Promise<void> {
    return this.#notify(Notification.invalidateInode, encodeInvalidation(nodeId, "all"));
  }

  /**
   * Makes the kernel ask for a name again. It waits there until nobody changes the directory, whose
   * change this process may have to answer: never synchronously either.
   */
  invalidateName(directoryId: number, name: string): Promise<void> {
    const payload = encodeEntryInvalidation(directoryId, name);
    return this.#notify(Notification.invalidateEntry, payload);
  }

  #notify(notification: number, payload: Buffer): Promise<void> {
    const header = Buffer.alloc(replyHeaderLength);
    encodeHeader(header, 0, 0, notification, payload.length);
    this.#invalidating = this.#invalidating.then(
      () =>
        new Promise((resolve) => {
          if (this.#ended) return resolve();
          // ENOENT: the kernel has nothing of it.
          writev(this.#descriptor, [header, payload], () => resolve());
        }),
    );
    return this.#invalidating;
  }

  /** Takes the mount away; with `lazy` also while it is in use, or when nobody answers. */
  static async unmount(directory: string, lazy: boolean): Promise<void> {
    await run("umount", lazy ? ["-l", directory] : [directory]);
  }

  /** ENODEV: the file system was unmounted. */
  #end(code: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    if (code !== "ENODEV") this.#log.error({ code }, "the FUSE device failed");
    this.#source?.close();
    this.#resolveEnded();
  }
}

const nothing = Buffer.alloc(0);

/** struct fuse_out_header. */
function encodeHeader(
  into: Buffer,
  uniqueLow: number,
  uniqueHigh: number,
  error: number,
  payloadLength: number,
): void {
  into.writeUInt32LE(replyHeaderLength + payloadLength, 0);
  into.writeInt32LE(error, 4);
  into.writeUInt32LE(uniqueLow, 8);
  into.writeUInt32LE(uniqueHigh, 12);
}

/** Runs a system command; throws with what it printed. */
async function run(command: string, flags: readonly string[], descriptor?: number): Promise<void> {
  const child = spawn(command, flags, {
    stdio: ["ignore", "ignore", "pipe", descriptor ?? "ignore"],
  });
  let printed = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${command} failed: ${printed.trim()}`);
}
