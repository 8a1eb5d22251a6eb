import assert from "node:assert/strict";
import { test } from "node:test";

import { SeededRandom } from "../../base/random.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { PosixFileSystem } from "../../files/posix-file-system.ts";
import { FileTypeNumber } from "../../wire/nfs4/operations.ts";
import { statusName } from "../../wire/nfs4/status.ts";
import type { AuthSys } from "../../wire/rpc/message.ts";
import { RestartedServer } from "../server/testing/restarted-server.ts";
import type { FileHandle } from "./compound.ts";
import { type DirectoryEntry, listingBegin, type NamesClient } from "./names-client.ts";
import type { NfsClient } from "./nfs-client.ts";
import { NfsError } from "./nfs-error.ts";
import type { OpenFile } from "./open-file.ts";
import { testClient } from "./testing.ts";

const root = user(0, []);
const users = [root, user(1001, [1500]), user(1002, [1500]), user(1003, [])];
const owners = ["0", "1001", "1002", "1003"];
const fileNames = ["a", "b", "c"];
const modes = [0o755, 0o777, 0o700, 0o000, 0o1777, 0o2775, 0o644, 0o4755];
const readWrite = 3;
/** Files that are kept open. */
const openFiles = 4;
const changes = ["create", "link", "remove", "rename", "setAttributes", "write"] as const;

function user(uid: number, gids: number[]): AuthSys {
  return { machineName: "test", uid, gid: uid, gids };
}

/** A file system with its server and its client. */
class Side {
  readonly client: NfsClient;
  root: FileHandle = Buffer.alloc(0);
  readonly opened: (OpenFile | undefined)[] = [];
  readonly #server = new RestartedServer((files) => this.#watch(files));
  #isToRestart = false;
  #restarting: Promise<void> | undefined;

  constructor() {
    this.client = testClient(() => this.#server.dial());
  }

  get names(): NamesClient {
    return this.client.names;
  }

  async start(): Promise<void> {
    await this.#server.start();
    this.root = (await this.client.connect(root, "/")).handle;
    await this.names.setAttributes(root, this.root, { mode: 0o777 });
  }

  async end(): Promise<void> {
    this.client.close();
    await this.#server.stop();
  }

  /** The server restarts when it has changed something next, and can't say so any more. */
  restartAtChange(): void {
    this.#isToRestart = true;
  }

  /** The restart is over, or not to be any more. */
  async restarted(): Promise<void> {
    this.#isToRestart = false;
    await this.#restarting;
  }

  async walk(path: readonly string[]): Promise<FileHandle> {
    let handle = this.root;
    for (const name of path) handle = (await this.names.lookup(root, handle, name)).handle;
    return handle;
  }

  async entry(path: readonly string[]): Promise<DirectoryEntry> {
    return { directory: await this.walk(path.slice(0, -1)), name: path.at(-1)! };
  }

  async keep(at: number, open: OpenFile): Promise<void> {
    const former = this.opened[at];
    this.opened[at] = open;
    if (former === undefined) return;
    await this.client.commit(former);
    await this.client.closeFile(former);
  }

  async facts(handle: FileHandle): Promise<unknown> {
    const { type, mode, links, owner, size } = await this.names.getAttributes(root, handle);
    return { type, mode, links, owner, size };
  }

  #watch(files: PosixFileSystem): FileSystem {
    for (const method of changes) {
      const original = files[method].bind(files) as (...given: unknown[]) => unknown;
      const watched = (...given: unknown[]): unknown => {
        const result = original(...given);
        if (this.#isToRestart) this.#restarting = this.#server.restart();
        this.#isToRestart = false;
        return result;
      };
      Object.assign(files, { [method]: watched });
    }
    return files;
  }
}

type Action = (side: Side) => Promise<unknown>;

interface Step {
  readonly what: string;
  readonly action: Action;
}

/** Random steps of several users, which have to come to the same on both sides. */
class Exercise {
  readonly #random: SeededRandom;
  readonly #plain = new Side();
  readonly #restarted = new Side();
  readonly #steps: string[] = [];

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  async run(count: number): Promise<void> {
    const sides = [this.#plain, this.#restarted];
    for (const side of sides) await side.start();
    try {
      for (let step = 0; step < count; step += 1) await this.#step();
      assert.deepEqual(await tree(this.#restarted), await tree(this.#plain));
    } catch (error) {
      const last = this.#steps.slice(-30).join("\n  ");
      throw new Error(`${String(error)}\nafter\n  ${last}`, { cause: error });
    } finally {
      for (const side of sides) await side.end();
    }
  }

  async #step(): Promise<void> {
    const who = this.#one(users);
    const { what, action } = this.#any(who);
    this.#steps.push(`as ${who.uid}: ${what}`);
    const wanted = await outcome(this.#plain, action);
    const isRestart = this.#random.below(5) === 0;
    if (isRestart) {
      this.#steps.push("with a restart");
      this.#restarted.restartAtChange();
    }
    const found = await outcome(this.#restarted, action);
    await this.#restarted.restarted();
    // Nothing tells it from one that somebody else made.
    const isMadeBefore = isRestart && what.startsWith("mkdir") && found === "NFS4ERR_EXIST";
    if (!isMadeBefore || wanted !== undefined) assert.deepEqual(found, wanted);
  }

  #any(who: AuthSys): Step {
    const steps = [
      () => this.#makeDirectory(who),
      () => this.#makeDirectory(who),
      () => this.#rename(who),
      () => this.#rename(who),
      () => this.#link(who),
      () => this.#remove(who),
      () => this.#setAttributes(who),
      () => this.#create(who),
      () => this.#create(who),
      () => this.#create(who),
      () => this.#useOpen(),
      () => this.#useOpen(),
      () => this.#useOpen(),
      () => this.#look(),
    ];
    return this.#one(steps)();
  }

  #makeDirectory(who: AuthSys): Step {
    const [path, mode] = [this.#path(), this.#one(modes)];
    const action: Action = async (side) => {
      const { directory, name } = await side.entry(path);
      await side.names.create(who, directory, name, "directory", mode);
    };
    return { what: `mkdir ${path.join("/")}`, action };
  }

  #rename(who: AuthSys): Step {
    const [path, other] = [this.#path(), this.#path()];
    const action: Action = async (side) => {
      const [from, to] = [await side.entry(path), await side.entry(other)];
      const moved = await side.names.lookup(root, from.directory, from.name);
      const wasThere = (file: FileHandle): boolean => Buffer.compare(file, moved.handle) === 0;
      await side.names.rename(who, from, to, wasThere);
    };
    return { what: `rename ${path.join("/")} to ${other.join("/")}`, action };
  }

  #link(who: AuthSys): Step {
    const [path, other] = [this.#path(), this.#path()];
    const action: Action = async (side) => {
      const file = await side.walk(path);
      const to = await side.entry(other);
      // As a kernel does, which doesn't ask where it knows that there is something.
      const isThere = await outcome(side, () => side.walk(other));
      if (isThere !== "NFS4ERR_NOENT") return;
      await side.names.link(who, file, to);
    };
    return { what: `link ${path.join("/")} to ${other.join("/")}`, action };
  }

  #remove(who: AuthSys): Step {
    const path = this.#path();
    const action: Action = async (side) => {
      const { directory, name } = await side.entry(path);
      await side.names.lookup(root, directory, name);
      await side.names.remove(who, directory, name);
    };
    return { what: `remove ${path.join("/")}`, action };
  }

  #setAttributes(who: AuthSys): Step {
    const path = this.#path();
    const change = this.#one([{ mode: this.#one(modes) }, { owner: this.#one(owners) }]);
    const action: Action = async (side) => {
      await side.names.setAttributes(who, await side.walk(path), change);
    };
    return { what: `set ${JSON.stringify(change)} of ${path.join("/")}`, action };
  }

  /** Only root goes on using it: others may lose the right to, and a restarted server asks for it. */
  #create(who: AuthSys): Step {
    const path = this.#path();
    const at = this.#random.below(openFiles);
    const how = {
      mode: this.#one(modes),
      access: readWrite,
      exclusive: this.#one([true, false]),
      truncate: this.#one([true, false]),
    };
    const action: Action = async (side) => {
      const { directory, name } = await side.entry(path);
      const { open } = await side.client.createFile(who, directory, name, how);
      if (who === root) await side.keep(at, open);
      else await side.client.closeFile(open);
    };
    return { what: `create ${path.join("/")} as ${at}, ${JSON.stringify(how)}`, action };
  }

  #useOpen(): Step {
    const at = this.#random.below(openFiles);
    const text = this.#one(["x", "some text", "y".repeat(9000)]);
    const isStable = this.#one([true, false]);
    const uses: Record<string, (client: NfsClient, open: OpenFile) => Promise<unknown>> = {
      [`write ${text.length} bytes${isStable ? " for good" : ""} to`]: async (client, open) => {
        await client.write(open, text.length, Buffer.from(text), isStable);
      },
      "read from": async (client, open) => String(Buffer.from(await client.read(open, 0, 20_000))),
      commit: (client, open) => client.commit(open),
      cut: async (client, open) => {
        await client.commit(open);
        await client.names.setAttributes(root, open.handle, { size: 3 }, open);
      },
    };
    const [what, use] = this.#one(Object.entries(uses));
    const action: Action = async ({ client, opened }) => {
      const open = opened[at];
      return open && use(client, open);
    };
    return { what: `${what} ${at}`, action };
  }

  #look(): Step {
    const path = this.#path();
    const action: Action = async (side) => side.facts(await side.walk(path));
    return { what: `look at ${path.join("/")}`, action };
  }

  #path(): string[] {
    return Array.from({ length: 1 + this.#random.below(3) }, () => this.#one(fileNames));
  }

  #one<T>(choices: readonly T[]): T {
    return choices[this.#random.below(choices.length)]!;
  }
}

/** What came of it, or the status that it was refused with. */
async function outcome(side: Side, action: Action): Promise<unknown> {
  try {
    return await action(side);
  } catch (error) {
    if (!(error instanceof NfsError)) throw error;
    return statusName(error.status);
  }
}

async function tree(side: Side, directory = side.root, prefix = ""): Promise<unknown[]> {
  const found: unknown[] = [];
  const { entries } = await side.names.readDirectory(root, directory, listingBegin, 100_000);
  for (const { name } of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    const { handle, attributes } = await side.names.lookup(root, directory, name);
    found.push([prefix + name, await side.facts(handle)]);
    if (attributes.type !== FileTypeNumber.directory) continue;
    found.push(...(await tree(side, handle, `${prefix}${name}/`)));
  }
  return found;
}

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  test(`nfs client: what it does comes to the same on a server that restarts, ${seed}`, async () => {
    await new Exercise(seed).run(200);
  });
}
