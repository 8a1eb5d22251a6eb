import { spawn } from "node:child_process";
import { close, openSync, read, writev, writevSync } from "node:fs";

import type { Log } from "../base/log.ts";
import { Notification, replyHeaderLength } from "../wire/fuse/protocol.ts";
import { encodeInvalidation } from "../wire/fuse/reply.ts";
import { FuseRequest } from "../wire/fuse/request.ts";
import { readersCount, transferBytes } from "./limits.ts";

/** The kernel's side of a mount: its requests come in, replies go out. */
export class FuseDevice {
  readonly #descriptor: number;
  readonly #log: Log;
  #ended = false;
  #invalidating: Promise<void> = Promise.resolve();
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => {};

  private constructor(descriptor: number, log: Log) {
    this.#descriptor = descriptor;
    this.#log = log;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** Mounts on an existing directory; needs root. Throws with what mount(8) said. */
  static async mount(
    directory: string,
    options: { readonly source: string; readonly readOnly: boolean },
    log: Log,
  ): Promise<FuseDevice> {
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
    return new FuseDevice(descriptor, log);
  }

  /** Hands each request over; it must not be used after the call has returned. */
  serve(handle: (request: FuseRequest) => void): void {
    for (let reader = 0; reader < readersCount; reader += 1) {
      this.#readNext(Buffer.allocUnsafeSlow(transferBytes + 64 * 1024), handle);
    }
  }

  /** `error` is a positive errno, 0 for success. */
  reply(unique: bigint, error: number, payload?: Uint8Array): void {
    const header = encodeHeader(unique, -error, payload?.length ?? 0);
    try {
      writevSync(this.#descriptor, payload === undefined ? [header] : [header, payload]);
    } catch (failure) {
      // ENOENT: the request was interrupted or aborted and nobody waits for it any more.
      const { code } = failure as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENODEV") this.#log.warn({ code }, "a reply was refused");
    }
  }

  /**
   * Makes the kernel forget attributes and contents of a file. It waits there for pages that this
   * process still has to bring: never synchronously, and one at a time, so that threads are left to
   * read requests.
   */
  invalidate(nodeId: number): Promise<void> {
    const payload = encodeInvalidation(nodeId);
    const header = encodeHeader(0n, Notification.invalidateInode, payload.length);
    this.#invalidating = this.#invalidating.then(
      () =>
        new Promise((resolve) => {
          // ENOENT: the kernel has nothing of the file.
          writev(this.#descriptor, [header, payload], () => resolve());
        }),
    );
    return this.#invalidating;
  }

  /** Takes the mount away; with `lazy` also while it is in use, or when nobody answers. */
  static async unmount(directory: string, lazy: boolean): Promise<void> {
    await run("umount", lazy ? ["-l", directory] : [directory]);
  }

  #readNext(buffer: Buffer, handle: (request: FuseRequest) => void): void {
    read(this.#descriptor, buffer, 0, buffer.length, null, (error, length) => {
      if (error !== null) {
        const { code } = error;
        if (code === "EINTR" || code === "EAGAIN" || code === "ENOENT") {
          this.#readNext(buffer, handle);
        } else {
          this.#end(code);
        }
        return;
      }
      handle(new FuseRequest(buffer.subarray(0, length)));
      this.#readNext(buffer, handle);
    });
  }

  /** ENODEV: the file system was unmounted. */
  #end(code: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    if (code !== "ENODEV") this.#log.error({ code }, "the FUSE device failed");
    close(this.#descriptor);
    this.#resolveEnded();
  }
}

/** struct fuse_out_header. */
function encodeHeader(unique: bigint, error: number, payloadLength: number): Buffer {
  const header = Buffer.alloc(replyHeaderLength);
  header.writeUInt32LE(replyHeaderLength + payloadLength, 0);
  header.writeInt32LE(error, 4);
  header.writeBigUInt64LE(unique, 8);
  return header;
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
