// PostgreSQL with its data on a mount. MOORING_LONG=1 kills many times, and later.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { eventually } from "../support/eventually.ts";
import { Instance } from "../support/instance.ts";
import { endAll, type Mount, MountedFileSystem } from "../support/mounted.ts";
import { type Client, Postgresql, postgresqlUser } from "../support/postgresql.ts";

const rounds = process.env["MOORING_LONG"] ? 20 : 1;
/** Commits of each writer before a kill, and after one that PostgreSQL has to live through. */
const commits = 40;

let instance: Instance;
let fileSystem: MountedFileSystem;
let mount: Mount;
/** Through an access point, as a task would. */
let mountAgain: () => Promise<Mount>;
let postgresql: Postgresql;
const clients: Client[] = [];

before(async () => {
  instance = await Instance.start();
  fileSystem = await MountedFileSystem.create(instance);
  const { uid: OwnerUid, gid: OwnerGid } = postgresqlUser();
  const accessPointId = await fileSystem.accessPoint({
    PosixUser: { Uid: OwnerUid, Gid: OwnerGid },
    RootDirectory: { Path: "/db", CreationInfo: { OwnerUid, OwnerGid, Permissions: "0755" } },
  });
  mountAgain = () => fileSystem.mount({ accessPointId });
  mount = await mountAgain();
  postgresql = await Postgresql.create(mount.at("data"));
  await postgresql.start();
  await postgresql.run("pgbench", "--initialize", "--scale=1", "--quiet", "postgres");
  await postgresql.query(
    "create table commits (writer text, number int, primary key (writer, number))",
  );
});
after(() => endAll(...clients, postgresql, fileSystem, instance));

/** What a program inserts row by row, and which of them it was told are committed. */
class Writer {
  readonly name: string;
  readonly #client: Client;
  committed = 0;
  #isEnough = false;
  readonly ended: Promise<void>;

  constructor(name: string) {
    this.name = name;
    this.#client = postgresql.startClient("psql");
    clients.push(this.#client);
    this.ended = this.#write();
  }

  async committedAtLeast(count: number): Promise<void> {
    const { committed } = this;
    const made = eventually(`${count} commits of ${this.name}`, () => this.committed >= count);
    const early = this.ended.then(() => {
      assert.ok(this.committed >= count, `${committed} commits: ${this.#client.complained}`);
    });
    await Promise.race([made, early]);
  }

  /** Lets it finish what it is at. */
  async end(): Promise<void> {
    this.#isEnough = true;
    await this.ended;
  }

  async #write(): Promise<void> {
    while (!this.#isEnough) {
      const number = this.committed;
      const values = `('${this.name}', ${number})`;
      const answer = await this.#client.ask(
        `insert into commits values ${values} returning number;`,
      );
      if (answer === undefined) return;
      assert.equal(answer, String(number));
      this.committed += 1;
    }
  }
}

/** Load of which some is under way at every moment. */
function startLoad(name: string): { pgbench: Client; writers: Writer[] } {
  const pgbench = postgresql.startClient(
    "pgbench",
    "--client=4",
    "--no-vacuum",
    "--time=3600",
    "postgres",
  );
  clients.push(pgbench);
  return { pgbench, writers: [new Writer(`${name} a`), new Writer(`${name} b`)] };
}

/** What PostgreSQL itself finds, and that it has all that the writers were told. */
async function examine(writers: readonly Writer[]): Promise<void> {
  for (const { name, committed } of writers) {
    const found = await postgresql.query(
      `select count(*), max(number) from commits where writer = '${name}'`,
    );
    const [count = 0, last = -1] = found.split("|").map(Number);
    assert.equal(count, last + 1, `${name}: rows are missing below ${last}`);
    const one = committed + 1;
    assert.ok(count === committed || count === one, `${count} rows of ${committed} commits`);
  }
  const sums = await postgresql.query(`
    select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches),
      (select sum(tbalance) from pgbench_tellers), coalesce((select sum(delta) from pgbench_history), 0)
  `);
  assert.equal(new Set(sums.split("|")).size, 1, `transactions in part: ${sums}`);
  const flags = ["--heapallindexed", "--rootdescend", "--install-missing", "--database=postgres"];
  assert.equal((await postgresql.run("pg_amcheck", ...flags)).trim(), "");
}

async function examinePages(): Promise<void> {
  await postgresql.stop();
  await postgresql.checkPages();
}

test("PostgreSQL goes on over kills of the file system's server, and its clients don't notice", async () => {
  for (let round = 0; round < rounds; round += 1) {
    const { pgbench, writers } = startLoad(`server ${round}`);
    for (const at of [1, 2, 3]) {
      for (const writer of writers) await writer.committedAtLeast(commits * at);
      await instance.crashAndStart();
    }
    for (const writer of writers) await writer.committedAtLeast(commits * 4);
    for (const writer of writers) await writer.end();
    assert.ok(pgbench.isRunning, pgbench.complained);
    await pgbench.end();
    await examine(writers);
    await examinePages();
    await postgresql.start();
  }
});

// The mount's last: a server that is restarted waits for a killed mount to come back.
const kills: readonly (readonly [string, () => Promise<void>])[] = [
  [
    "PostgreSQL",
    async () => {
      await postgresql.kill();
    },
  ],
  [
    "the mount's process",
    async () => {
      await mount.kill();
      await postgresql.kill();
      await mount.end();
      mount = await mountAgain();
      postgresql.movedTo(mount.at("data"));
    },
  ],
];
for (const [index, [what, kill]] of kills.entries()) {
  test(`what PostgreSQL has committed is there after a kill of ${what}`, async () => {
    for (let round = 0; round < rounds; round += 1) {
      const { pgbench, writers } = startLoad(`${index} ${round}`);
      for (const writer of writers) await writer.committedAtLeast(commits * (round + 1));
      await kill();
      for (const writer of writers) await writer.ended;
      await pgbench.end();
      await postgresql.start();
      await examine(writers);
      await examinePages();
      await postgresql.start();
    }
  });
}
