import type { Clock } from "../base/clock.ts";
import type { NfsClient } from "../nfs/client/nfs-client.ts";
import type { Cookie, ListingPlace, RemoteEntry } from "../nfs/client/results.ts";
import { DirectoryReply } from "../wire/fuse/reply.ts";
import type { FuseRequest } from "../wire/fuse/request.ts";
import type { AuthSys } from "../wire/rpc/message.ts";
import { fuseAttributes, typeBits } from "./conversions.ts";
import type { KernelView } from "./kernel-view.ts";
import { listingBytes, validitySeconds } from "./limits.ts";
import type { FuseNode } from "./nodes.ts";

/** What an open directory has left of what the server told last. */
interface Listing {
  entries: RemoteEntry[];
  /** How many of them were given to the kernel. */
  given: number;
  /** The server's cookie of the last one given. */
  cookie: Cookie;
  verifier: Uint8Array | undefined;
  isEnd: boolean;
  /** With the files' attributes. */
  hasFiles: boolean;
  readMs: number;
}

/** Open directories: the kernel reads them in small pieces, the server tells them in large ones. */
export class DirectoryListings {
  readonly #client: NfsClient;
  readonly #view: KernelView;
  readonly #clock: Clock;
  readonly #listings = new Map<number, Listing>();
  #last = 0;

  constructor(client: NfsClient, view: KernelView, clock: Clock) {
    this.#client = client;
    this.#view = view;
    this.#clock = clock;
  }

  open(): number {
    this.#last += 1;
    return this.#last;
  }

  release(number: number): undefined {
    this.#listings.delete(number);
  }

  /** READDIR, or READDIRPLUS with the files that the entries lead to. */
  async read(
    request: FuseRequest,
    caller: AuthSys,
    directory: FuseNode,
    plus: boolean,
  ): Promise<Uint8Array> {
    const number = request.uint64(0);
    const offset = request.cookie(8);
    const reply = new DirectoryReply(request.uint32(16));
    if (offset === 0) reply.add(".", 1, 1, directoryKind, plus ? noEntry : undefined);
    if (offset < 2) reply.add("..", 1, 2, directoryKind, plus ? noEntry : undefined);
    let listing = this.#known(number, offset <= 2 ? 0 : offset, plus);
    if (listing === undefined) {
      const former = offset <= 2 ? undefined : this.#listings.get(number);
      const place = { cookie: offset <= 2 ? 0 : offset, verifier: former?.verifier };
      // Who seeks back and forth needs little at a time.
      const isSought = former !== undefined && former.cookie !== offset;
      const maximumBytes = isSought ? request.uint32(16) : listingBytes;
      listing = await this.#fetch(caller, directory, place, maximumBytes, plus);
      this.#listings.set(number, listing);
    }
    while (listing.given < listing.entries.length) {
      const entry = listing.entries[listing.given]!;
      if (!this.#add(reply, entry, directory, plus)) break;
      listing.given += 1;
      listing.cookie = entry.cookie;
    }
    return reply.bytes();
  }

  /** What was told lately and goes on where the kernel is: behind the last one given, or sought. */
  #known(number: number, cookie: Cookie, plus: boolean): Listing | undefined {
    const listing = this.#listings.get(number);
    if (listing === undefined || cookie === 0 || !seek(listing, cookie)) return undefined;
    if (plus && !listing.hasFiles) return undefined;
    if (listing.given === listing.entries.length && !listing.isEnd) return undefined;
    const isOld = this.#clock.nowMs() - listing.readMs > validitySeconds * 1000;
    return isOld ? undefined : listing;
  }

  async #fetch(
    caller: AuthSys,
    directory: FuseNode,
    place: ListingPlace,
    maximumBytes: number,
    plus: boolean,
  ): Promise<Listing> {
    const { names } = this.#client;
    const readMs = this.#clock.nowMs();
    const { handle } = directory;
    const { entries, verifier, end } = await names.readDirectory(
      caller,
      handle,
      place,
      maximumBytes,
      plus,
    );
    const { cookie } = place;
    return { entries, given: 0, cookie, verifier, isEnd: end, hasFiles: plus, readMs };
  }

  /** False where it doesn't fit. */
  #add(reply: DirectoryReply, entry: RemoteEntry, directory: FuseNode, plus: boolean): boolean {
    const { name, cookie, fileId, file } = entry;
    const kind = (typeBits.get(entry.type) ?? 0) >> 12;
    if (!plus || file === undefined) return reply.add(name, fileId, cookie, kind);
    if (!reply.hasRoom(name, true)) return false;
    const told = this.#view.listed(file, directory, name);
    const attributes = fuseAttributes(file.attributes);
    const listed = told === undefined ? noEntry : { ...told, attributes };
    return reply.add(name, fileId, cookie, kind, listed);
  }
}

/** Goes to behind the entry with the cookie; whether it is there. */
function seek(listing: Listing, cookie: Cookie): boolean {
  if (listing.cookie === cookie) return true;
  const index = listing.entries.findIndex((entry) => entry.cookie === cookie);
  if (index < 0) return false;
  listing.given = index + 1;
  listing.cookie = cookie;
  return true;
}

const directoryKind = 4;

/** An entry without a node: "." and "..", and what the kernel has to look up by itself. */
const noEntry = {
  nodeId: 0,
  validity: { seconds: 0 },
  attributes: fuseAttributes({
    type: 2,
    change: 0,
    size: 0,
    fileId: 0,
    mode: 0,
    links: 0,
    owner: "0",
    ownerGroup: "0",
    spaceUsed: 0,
    accessTime: { seconds: 0, nanoseconds: 0 },
    metadataTime: { seconds: 0, nanoseconds: 0 },
    modifyTime: { seconds: 0, nanoseconds: 0 },
  }),
};
