import assert from "node:assert/strict";

import type { SeededRandom } from "../../src/base/random.ts";
import { listingBegin } from "../../src/nfs/client/names-client.ts";
import type { NfsClient } from "../../src/nfs/client/nfs-client.ts";
import { readWrite, rootUser } from "../support/nfs.ts";
import type { KilledServer } from "./killed-server.ts";

const names = ["a", "b", "c", "d", "e", "f"];
const pieceBytes = 20_000;
const piecesLimit = 4;
const listingBytes = 65_536;

interface LoadFile {
  contents: Buffer;
  /** How many names it has. */
  links: number;
  /** As it was first seen, in hexadecimal. */
  handle: string | undefined;
}

/**
 * One user with a directory of its own, who knows what the server has acknowledged: all of that is
 * there whenever it looks, and nothing else.
 */
export class Load {
  readonly #client: NfsClient;
  readonly #server: KilledServer;
  readonly #directory: Uint8Array;
  readonly #random: SeededRandom;
  readonly #acknowledged = new Map<string, LoadFile>();
  #verifiedKills = 0;

  constructor(
    client: NfsClient,
    server: KilledServer,
    directory: Uint8Array,
    random: SeededRandom,
  ) {
    this.#client = client;
    this.#server = server;
    this.#directory = directory;
    this.#random = random;
  }

  /** Works on, looking after everything whenever the server was killed. */
  async run(isOver: () => boolean, acknowledged: () => void): Promise<void> {
    while (!isOver()) {
      const { kills } = this.#server;
      if (kills !== this.#verifiedKills) {
        await this.verify();
        this.#verifiedKills = kills;
      }
      await this.#step();
      acknowledged();
    }
  }

  /** Asserts that everything acknowledged is there, with its contents. */
  async verify(): Promise<void> {
    const { names: requests } = this.#client;
    const listed = await requests.readDirectory(
      rootUser,
      this.#directory,
      listingBegin,
      listingBytes,
    );
    assert.ok(listed.end);
    assert.deepEqual(
      listed.entries.map(({ name }) => name).sort(),
      [...this.#acknowledged.keys()].sort(),
      `after ${this.#server.kills} kills`,
    );
    for (const [name, file] of this.#acknowledged) {
      const what = `${name}, after ${this.#server.kills} kills`;
      const { handle, attributes } = await requests.lookup(rootUser, this.#directory, name);
      const seen = keyOf(handle);
      file.handle ??= seen;
      assert.equal(seen, file.handle, `the handle of ${what}`);
      assert.equal(attributes.links, file.links, `the links of ${what}`);
      const { contents } = file;
      assert.equal(attributes.size, contents.length, what);
      const open = await this.#client.open(rootUser, handle, readWrite);
      const actual = Buffer.from(await this.#client.read(open, 0, contents.length + 1));
      await this.#client.closeFile(open);
      const differsAt = actual.findIndex((byte, at) => byte !== contents[at]);
      assert.equal(differsAt, -1, `${what}, at ${differsAt}`);
    }
  }

  async #step(): Promise<void> {
    const { names: requests } = this.#client;
    const directory = this.#directory;
    const [name, other] = [this.#name(), this.#name()];
    const file = this.#acknowledged.get(name);
    if (file === undefined) return this.#write(name);
    switch (this.#random.below(7)) {
      case 0:
        await requests.remove(rootUser, directory, name);
        this.#unname(name);
        return;
      case 1:
        if (name === other) return;
        await requests.rename(
          rootUser,
          { directory, name },
          { directory, name: other },
          (found) => file.handle === undefined || file.handle === keyOf(found),
        );
        // Two names of one file: POSIX lets both be.
        if (this.#acknowledged.get(other) === file) return;
        this.#unname(other);
        this.#acknowledged.delete(name);
        this.#acknowledged.set(other, file);
        return;
      case 2:
        return this.#cut(name, file, this.#random.below(file.contents.length + 1));
      case 3:
        return this.#cut(name, file, 0);
      case 4:
        return this.#link(name, file, other);
      default:
        return this.#write(name);
    }
  }

  #unname(name: string): void {
    const file = this.#acknowledged.get(name);
    if (file !== undefined) file.links -= 1;
    this.#acknowledged.delete(name);
  }

  async #link(name: string, file: LoadFile, other: string): Promise<void> {
    if (this.#acknowledged.has(other)) return;
    const { names: requests } = this.#client;
    const { handle } = await requests.lookup(rootUser, this.#directory, name);
    await requests.link(rootUser, handle, { directory: this.#directory, name: other });
    file.links += 1;
    this.#acknowledged.set(other, file);
  }

  /** Overwrites or appends, in some pieces that are committed together. */
  async #write(name: string): Promise<void> {
    const how = { mode: 0o644, access: readWrite, exclusive: false };
    const { open } = await this.#client.createFile(rootUser, this.#directory, name, how);
    const file: LoadFile = this.#acknowledged.get(name) ?? {
      contents: Buffer.alloc(0),
      links: 1,
      handle: undefined,
    };
    this.#acknowledged.set(name, file);
    let { contents } = file;
    for (let pieces = this.#random.below(piecesLimit); pieces > 0; pieces -= 1) {
      const offset = this.#random.below(contents.length + 1);
      const piece = Buffer.alloc(1 + this.#random.below(pieceBytes), this.#random.below(256));
      const isStable = this.#random.below(4) === 0;
      await this.#client.write(open, offset, piece, isStable);
      const next = Buffer.alloc(Math.max(contents.length, offset + piece.length));
      contents.copy(next);
      piece.copy(next, offset);
      contents = next;
    }
    await this.#client.commit(open);
    file.contents = contents;
    await this.#client.closeFile(open);
  }

  async #cut(name: string, file: LoadFile, size: number): Promise<void> {
    const { names: requests } = this.#client;
    const { handle } = await requests.lookup(rootUser, this.#directory, name);
    await requests.setAttributes(rootUser, handle, { size });
    file.contents = Buffer.from(file.contents.subarray(0, size));
  }

  #name(): string {
    return names[this.#random.below(names.length)]!;
  }
}

function keyOf(handle: Uint8Array): string {
  return Buffer.from(handle).toString("hex");
}
