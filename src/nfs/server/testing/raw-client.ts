// For tests: an NFS server of this process over a file system in memory, and clients of it that
// send what they are told.
import { EventEmitter, once } from "node:events";

import { FakeClock } from "../../../base/fake-clock.ts";
import { silentLog } from "../../../base/log.ts";
import { SeededRandom } from "../../../base/random.ts";
import { failed } from "../../../files/failure.ts";
import {
  type FileSystem,
  type Inode,
  type NewNode,
  superuser,
} from "../../../files/file-system.ts";
import { memoryFileSystem } from "../../../files/testing.ts";
import { Status, statusName } from "../../../wire/nfs4/status.ts";
import type { AuthSys } from "../../../wire/rpc/message.ts";
import type { Admission } from "../admission.ts";
import { NfsServer } from "../nfs-server.ts";
import { MemoryClientRecords } from "../state/client-records.ts";
import { type CompoundResult, RawConnection, root } from "./raw-connection.ts";
import { type RawOperation, reclaimComplete } from "./raw-operations.ts";
import { createSession, exchangeId, type RawChannel, sequence } from "./raw-sessions.ts";

/** A server to test, disposed with everything that was connected to it. */
export class TestServer implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly records = new MemoryClientRecords();
  readonly #memory: ReturnType<typeof memoryFileSystem>;
  readonly #connections: RawConnection[] = [];
  files: FileSystem;
  /** What the clients may do, for tests to change. */
  readonly permissions = { mount: true, write: true, root: true };
  /** What the connections to come see the file system through. */
  view: string | undefined;
  readonly #events = new EventEmitter();
  #starts = 0;
  #server: NfsServer | undefined;
  #port = 0;

  static async start(limits: { readonly cachedInodes?: number } = {}): Promise<TestServer> {
    const server = new TestServer(limits);
    await server.#listen();
    return server;
  }

  private constructor(limits: { readonly cachedInodes?: number }) {
    this.#memory = memoryFileSystem({ clock: this.clock, ...limits });
    this.files = this.#memory.files;
  }

  /** Another run of the server over the same file system and the same records of clients. */
  async restart(): Promise<void> {
    await this.#server?.close();
    this.files = this.#memory.reopen();
    await this.#listen();
  }

  async connect(credential: AuthSys | undefined = root): Promise<RawConnection> {
    const connection = await RawConnection.connect(this.#port);
    connection.credential = credential;
    this.#connections.push(connection);
    return connection;
  }

  /** Closes a connection; resolves once the server has noticed. */
  async hangUp(connection: RawConnection): Promise<void> {
    const noticed = once(this.#events, "closed");
    await connection.close();
    await noticed;
  }

  /** A client with a session, which has nothing (more) to reclaim. */
  async client(owner: string, fields: ClientFields = {}): Promise<RawSession> {
    const connection = await this.connect(fields.credential);
    const session = await RawSession.create(connection, owner, fields);
    if (fields.reclaims !== true) await session.value(reclaimComplete());
    return session;
  }

  /** Something in the root directory, made without the protocol. */
  make(name: string, node: Partial<NewNode> = {}): Inode {
    const whole: NewNode = { type: "file", mode: 0o666, ...node };
    const made = this.files.create(superuser, this.files.root, name, whole);
    if (failed(made)) throw new Error(`${name} could not be made: ${made.code}`);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await this.#server?.close();
    await this.files.close();
  }

  async #listen(): Promise<void> {
    this.#starts += 1;
    this.#server = new NfsServer({
      admission: this.#admission(),
      records: this.records,
      clock: this.clock,
      random: new SeededRandom(this.#starts),
      log: silentLog,
    });
    this.#port = await this.#server.listen("127.0.0.1", 0);
  }

  #admission(): Admission {
    return {
      arrives: () => "serve",
      admit: () => ({
        fileSystem: this.files,
        root: () => this.files.root,
        permissions: this.permissions,
        identity: undefined,
        expiresAtMs: undefined,
        ...(this.view !== undefined && { view: this.view }),
        closed: () => this.#events.emit("closed"),
      }),
    };
  }
}

export interface ClientFields {
  readonly credential?: AuthSys;
  readonly verifier?: string;
  readonly fore?: Partial<RawChannel>;
  /** Leaves RECLAIM_COMPLETE to the test. */
  readonly reclaims?: boolean;
}

export interface RunFields {
  readonly slot?: number;
  readonly keep?: boolean;
}

/** A session that counts its slots' sequence numbers; every compound begins with SEQUENCE. */
export class RawSession {
  readonly connection: RawConnection;
  readonly clientId: string;
  readonly id: Buffer;
  readonly fore: RawChannel;
  readonly #sequences = new Map<number, number>();

  static async create(
    connection: RawConnection,
    owner: string,
    fields: ClientFields = {},
  ): Promise<RawSession> {
    const { verifier, fore } = fields;
    const exchanged = await one(connection, exchangeId({ owner, ...(verifier && { verifier }) }));
    const { clientId } = exchanged;
    const created = await one(
      connection,
      createSession({ clientId, sequence: exchanged.sequence, ...(fore && { fore }) }),
    );
    return new RawSession(connection, clientId, created.sessionId, created.fore);
  }

  constructor(connection: RawConnection, clientId: string, id: Buffer, fore: RawChannel) {
    this.connection = connection;
    this.clientId = clientId;
    this.id = id;
    this.fore = fore;
  }

  /** The sequence number of the slot's last request. */
  sequenceOf(slot = 0): number {
    return this.#sequences.get(slot) ?? 0;
  }

  /** Runs the operations after a SEQUENCE. */
  async run(
    operations: readonly RawOperation<unknown>[],
    { slot = 0, keep = false }: RunFields = {},
  ): Promise<CompoundResult> {
    const next = (this.sequenceOf(slot) + 1) >>> 0;
    const first = sequence({ sessionId: this.id, sequence: next, slot, keep });
    const result = await this.connection.compound([first, ...operations]);
    if (result.statuses[0] === Status.OK) this.#sequences.set(slot, next);
    return result;
  }

  /** The compound's status, by name. */
  async status(...operations: readonly RawOperation<unknown>[]): Promise<string> {
    return nameOf((await this.run(operations)).status);
  }

  /** What the last operation answers; throws where one fails. */
  async value<T>(...operations: [...RawOperation<unknown>[], RawOperation<T>]): Promise<T> {
    return lastValue(await this.run(operations), operations.length + 1) as T;
  }
}

/** Sends one operation without a session and gives what it answers; throws where it fails. */
export async function one<T>(connection: RawConnection, operation: RawOperation<T>): Promise<T> {
  return lastValue(await connection.compound([operation]), 1) as T;
}

/** The status of one operation without a session, by name. */
export async function statusOfOne(
  connection: RawConnection,
  operation: RawOperation<unknown>,
): Promise<string> {
  return nameOf((await connection.compound([operation])).status);
}

/** As the RFC writes it. */
export function nameOf(status: number): string {
  return status === Status.OK ? "NFS4_OK" : statusName(status);
}

function lastValue(result: CompoundResult, count: number): unknown {
  if (result.status !== Status.OK || result.values.length !== count) {
    const last = `operation ${result.statuses.length - 1}`;
    throw new Error(`${last} of the compound answered ${nameOf(result.status)}`);
  }
  return result.values.at(-1);
}
