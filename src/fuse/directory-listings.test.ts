import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeClock } from "../base/fake-clock.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { ListingPlace } from "../nfs/client/results.ts";
import { requestHeaderLength } from "../wire/fuse/protocol.ts";
import { FuseRequest } from "../wire/fuse/request.ts";
import { DirectoryListings } from "./directory-listings.ts";
import type { KernelView } from "./kernel-view.ts";
import { listingBytes } from "./limits.ts";
import { FuseNodes } from "./nodes.ts";

const caller = { machineName: "", uid: 0, gid: 0, gids: [] };
const root = new FuseNodes(Buffer.from("root")).root;
const kernelBytes = 4096;
/** Of the entries that the server has; each takes 32 bytes on either side. */
const firstCookie = 3;
const lastCookie = 10_000;
const entryBytes = 32;

interface Listed {
  /** The entries' cookies. */
  readonly read: (offset: number) => Promise<number[]>;
  /** What the server was asked for: the place, and how many bytes. */
  readonly asked: [number, number][];
}

function listed(clock = new FakeClock()): Listed {
  const asked: [number, number][] = [];
  const names = {
    readDirectory: (_caller: unknown, _at: unknown, { cookie }: ListingPlace, most: number) => {
      asked.push([Number(cookie), most]);
      const from = Math.max(firstCookie, Number(cookie) + 1);
      const length = Math.min(most / entryBytes, lastCookie - from + 1);
      const entries = Array.from({ length }, (_, index) => from + index).map((at) => ({
        name: String(at),
        cookie: at,
        type: 1,
        fileId: at,
        file: undefined,
      }));
      return Promise.resolve({ entries, verifier: undefined, end: from + length > lastCookie });
    },
  };
  const client = { names } as unknown as NfsClient;
  const listings = new DirectoryListings(client, {} as KernelView, clock);
  const number = listings.open();
  const read = async (offset: number): Promise<number[]> => {
    const reply = await listings.read(requestAt(number, offset), caller, root, false);
    const bytes = Buffer.from(reply);
    const cookies: number[] = [];
    for (let at = 0; at < bytes.length; at += (24 + bytes.readUInt32LE(at + 16) + 7) & ~7) {
      cookies.push(Number(bytes.readBigUInt64LE(at + 8)));
    }
    return cookies;
  };
  return { read, asked };
}

/** struct fuse_read_in: fh, offset, size. */
function requestAt(number: number, offset: number): FuseRequest {
  const bytes = Buffer.alloc(requestHeaderLength + 40);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeBigUInt64LE(BigInt(number), requestHeaderLength);
  bytes.writeBigUInt64LE(BigInt(offset), requestHeaderLength + 8);
  bytes.writeUInt32LE(kernelBytes, requestHeaderLength + 16);
  return new FuseRequest(bytes);
}

test("a directory that is read on is asked for in large pieces", async () => {
  const { read, asked } = listed();
  const found: number[] = [];
  for (let piece = await read(0); piece.length > 0; piece = await read(found.at(-1)!)) {
    found.push(...piece);
  }
  assert.deepEqual(
    found,
    Array.from({ length: lastCookie }, (_, index) => index + 1),
  );
  const places = [0, 4098, 8194].map((place) => [place, listingBytes]);
  assert.deepEqual(asked, places);
});

test("what was told just now is not asked for again where the kernel goes back in it", async () => {
  const clock = new FakeClock();
  const { read, asked } = listed(clock);
  await read(0);
  for (const offset of [10, 4000, 3, 2000]) assert.equal((await read(offset))[0], offset + 1);
  assert.equal(asked.length, 1);
  clock.advance(1500);
  await read(3);
  assert.equal(asked.length, 2);
  await read(0);
  assert.equal(asked.length, 3, "from the beginning it is always asked for");
});

test("where the kernel goes to a place that was not told, little is asked for, then more", async () => {
  const { read, asked } = listed();
  await read(0);
  const piece = await read(9000);
  assert.equal(piece[0], 9001);
  await read(9128);
  const sizes = [listingBytes, kernelBytes, listingBytes];
  assert.deepEqual(
    asked,
    [0, 9000, 9128].map((place, index) => [place, sizes[index]]),
  );
});
