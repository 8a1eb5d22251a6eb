// EXCHANGE_ID, CREATE_SESSION and DESTROY_CLIENTID (RFC 8881 §18.35, §18.36, §18.50).
import assert from "node:assert/strict";
import { test } from "node:test";

import { ExchangeFlag, ShareAccess } from "../../wire/nfs4/operations.ts";
import { Status } from "../../wire/nfs4/status.ts";
import { nameOf, one, RawSession, statusOfOne, TestServer } from "./testing/raw-client.ts";
import { type RawConnection, user } from "./testing/raw-connection.ts";
import { putRoot, reclaimComplete } from "./testing/raw-operations.ts";
import { open } from "./testing/raw-opens.ts";
import {
  createSession,
  destroyClientId,
  destroySession,
  type ExchangedId,
  exchangeId,
  type ExchangeIdFields,
} from "./testing/raw-sessions.ts";
import { Version0 } from "./testing/raw-version0.ts";

const { updateConfirmed, confirmed } = ExchangeFlag;

/** What the server knows of the owner before the request (RFC 8881 §18.35.4's records). */
type Known = "nothing" | "unconfirmed" | "confirmed" | "session" | "open";

/** An owner introduced by user 1000 with the verifier "verifier". */
async function know(connection: RawConnection, known: Known): Promise<ExchangedId | undefined> {
  if (known === "nothing") return undefined;
  const id = await one(connection, exchangeId({ owner: "c" }));
  if (known === "unconfirmed") return id;
  const { clientId } = id;
  const created = await one(connection, createSession({ clientId, sequence: id.sequence }));
  if (known === "confirmed") await one(connection, destroySession(created.sessionId));
  if (known !== "open") return id;
  const session = new RawSession(connection, clientId, created.sessionId, created.fore);
  await session.value(reclaimComplete());
  await session.value(putRoot, open("file", { access: ShareAccess.read }));
  return id;
}

interface ExchangeCase {
  readonly name: string;
  readonly known: Known;
  readonly verifier?: string;
  readonly uid?: number;
  readonly update?: true;
  readonly awayMs?: number;
  readonly expected: string;
  /** Whether the answer is the client id of before, and whether it is confirmed. */
  readonly same?: boolean;
  readonly confirmed?: boolean;
}

const exchangeCases: readonly ExchangeCase[] = [
  { name: "1: new owner", known: "nothing", expected: "NFS4_OK", confirmed: false },
  {
    name: "2: the confirmed client again",
    known: "confirmed",
    expected: "NFS4_OK",
    same: true,
    confirmed: true,
  },
  {
    name: "2: the client with a session again",
    known: "session",
    expected: "NFS4_OK",
    same: true,
    confirmed: true,
  },
  {
    name: "3: collision, nothing is held",
    known: "confirmed",
    uid: 1001,
    expected: "NFS4_OK",
    same: false,
    confirmed: false,
  },
  {
    name: "3: collision, files are open",
    known: "open",
    uid: 1001,
    expected: "NFS4ERR_CLID_INUSE",
  },
  {
    name: "3: collision with another verifier, files are open",
    known: "open",
    uid: 1001,
    verifier: "restart!",
    expected: "NFS4ERR_CLID_INUSE",
  },
  {
    name: "3: collision, files are open but the lease ran out",
    known: "open",
    uid: 1001,
    awayMs: 91_000,
    expected: "NFS4_OK",
    same: false,
    confirmed: false,
  },
  {
    name: "4: unconfirmed, asked again",
    known: "unconfirmed",
    expected: "NFS4_OK",
    same: false,
    confirmed: false,
  },
  {
    name: "4: unconfirmed, by somebody else",
    known: "unconfirmed",
    uid: 1001,
    expected: "NFS4_OK",
    same: false,
    confirmed: false,
  },
  {
    name: "5: client restart",
    known: "open",
    verifier: "restart!",
    expected: "NFS4_OK",
    same: false,
    confirmed: false,
  },
  {
    name: "6: update",
    known: "session",
    update: true,
    expected: "NFS4_OK",
    same: true,
    confirmed: true,
  },
  { name: "7: update of nothing", known: "nothing", update: true, expected: "NFS4ERR_NOENT" },
  {
    name: "7: update of what isn't confirmed",
    known: "unconfirmed",
    update: true,
    expected: "NFS4ERR_NOENT",
  },
  {
    name: "8: update with another verifier",
    known: "session",
    update: true,
    verifier: "restart!",
    expected: "NFS4ERR_NOT_SAME",
  },
  {
    name: "9: update by somebody else",
    known: "session",
    update: true,
    uid: 1001,
    expected: "NFS4ERR_PERM",
  },
];

for (const given of exchangeCases) {
  test(`EXCHANGE_ID, case ${given.name}: ${given.expected} (§18.35.4)`, async () => {
    await using server = await TestServer.start();
    server.make("file");
    const connection = await server.connect(user(1000));
    const before = await know(connection, given.known);
    server.clock.advance(given.awayMs ?? 0);
    connection.credential = user(given.uid ?? 1000);
    const fields: ExchangeIdFields = {
      owner: "c",
      verifier: given.verifier ?? "verifier",
      flags: given.update === true ? updateConfirmed : 0,
    };
    const result = await connection.compound([exchangeId(fields)]);
    assert.equal(nameOf(result.status), given.expected);
    if (result.status !== Status.OK) return;
    const answer = result.values[0] as ExchangedId;
    if (given.same !== undefined) assert.equal(answer.clientId === before?.clientId, given.same);
    assert.equal((answer.flags & confirmed) !== 0, given.confirmed);
    assert.equal(answer.protection, 0);
  });
}

test("EXCHANGE_ID, flags that no client may set, is refused (§18.35.3)", async () => {
  await using server = await TestServer.start();
  const connection = await server.connect();
  for (const flags of [confirmed, 0x8, 0x200]) {
    const asked = exchangeId({ owner: "c", flags });
    assert.equal(await statusOfOne(connection, asked), "NFS4ERR_INVAL", flags.toString(16));
  }
});

test("EXCHANGE_ID, state protection without RPCSEC_GSS, is refused (§18.35.3)", async () => {
  await using server = await TestServer.start();
  const machineCredential = exchangeId({
    owner: "c",
    encodeProtection: (writer) => {
      writer.uint32(1);
      // Operations that must and that may be protected: none.
      writer.uint32(0);
      writer.uint32(0);
    },
  });
  assert.equal(await statusOfOne(await server.connect(), machineCredential), "NFS4ERR_INVAL");
});

test("EXCHANGE_ID, whichever role is asked for, answers that there is no pNFS", async () => {
  await using server = await TestServer.start();
  const connection = await server.connect();
  const { useNonPnfs, usePnfsMds, usePnfsDs } = ExchangeFlag;
  for (const flags of [0, useNonPnfs, usePnfsMds, usePnfsDs]) {
    const { flags: answered } = await one(connection, exchangeId({ owner: "c", flags }));
    assert.equal(answered & (useNonPnfs | usePnfsMds | usePnfsDs), useNonPnfs);
  }
});

test("CREATE_SESSION, the same again, gives the same session and makes no other", async () => {
  // RFC 8881 §18.36.4, sequence id processing: a replay has the cached result.
  await using server = await TestServer.start();
  const connection = await server.connect();
  const { clientId, sequence: first } = await one(connection, exchangeId({ owner: "c" }));
  const asked = createSession({ clientId, sequence: first });
  const original = await connection.compound([asked]);
  const again = await connection.compound([asked]);
  assert.deepEqual(again.bytes, original.bytes);
  const next = await one(connection, createSession({ clientId, sequence: first + 1 }));
  const { sessionId } = original.values[0] as { sessionId: Buffer };
  assert.notDeepEqual(next.sessionId, sessionId);
  await one(connection, destroySession(sessionId));
  await one(connection, destroySession(next.sessionId));
  assert.equal(await statusOfOne(connection, destroyClientId(clientId)), "NFS4_OK");
});

test("CREATE_SESSION, out of sequence, is refused and changes nothing (§18.36.4)", async () => {
  await using server = await TestServer.start();
  const connection = await server.connect();
  const { clientId, sequence: first } = await one(connection, exchangeId({ owner: "c" }));
  // The one before the first was never answered: there is nothing to replay.
  for (const wrong of [first + 1, first - 1, first + 100]) {
    const asked = createSession({ clientId, sequence: wrong });
    assert.equal(await statusOfOne(connection, asked), "NFS4ERR_SEQ_MISORDERED");
  }
  await one(connection, createSession({ clientId, sequence: first }));
  const later = createSession({ clientId, sequence: first + 2 });
  assert.equal(await statusOfOne(connection, later), "NFS4ERR_SEQ_MISORDERED");
});

test("CREATE_SESSION, refused in sequence, has used its number up and made nothing", async () => {
  // RFC 8881 §18.36.4: what comes next has the next number. Something else with the same number
  // is no retransmission; common clients and test suites send that too.
  await using server = await TestServer.start();
  const connection = await server.connect();
  const { clientId, sequence: first } = await one(connection, exchangeId({ owner: "c" }));
  const small = createSession({ clientId, sequence: first, fore: { maximumReply: 16 } });
  assert.equal(await statusOfOne(connection, small), "NFS4ERR_TOOSMALL");
  assert.equal(await statusOfOne(connection, small), "NFS4ERR_TOOSMALL", "again");
  const smaller = createSession({ clientId, sequence: first + 1, fore: { maximumReply: 8 } });
  assert.equal(await statusOfOne(connection, smaller), "NFS4ERR_TOOSMALL");
  const large = createSession({ clientId, sequence: first + 1 });
  const { sessionId } = await one(connection, large);
  assert.deepEqual((await one(connection, large)).sessionId, sessionId);
  assert.equal(await statusOfOne(connection, small), "NFS4ERR_SEQ_MISORDERED");
});

test("CREATE_SESSION and DESTROY_CLIENTID, a client id of NFSv4.0, are stale", async () => {
  await using server = await TestServer.start();
  const connection = await server.connect();
  const clientId = await new Version0(connection).introduce("c");
  const asked = createSession({ clientId, sequence: 1 });
  assert.equal(await statusOfOne(connection, asked), "NFS4ERR_STALE_CLIENTID");
  const gone = destroyClientId(clientId);
  assert.equal(await statusOfOne(connection, gone), "NFS4ERR_STALE_CLIENTID");
});

test("CREATE_SESSION, by somebody else before it is confirmed, is refused (§18.36.4)", async () => {
  await using server = await TestServer.start();
  const own = await server.connect(user(1000));
  const other = await server.connect(user(1001));
  const { clientId, sequence: first } = await one(own, exchangeId({ owner: "c" }));
  const asked = createSession({ clientId, sequence: first });
  assert.equal(await statusOfOne(other, asked), "NFS4ERR_CLID_INUSE");
});

test("CREATE_SESSION, a client id of nobody, is stale", async () => {
  await using server = await TestServer.start();
  const connection = await server.connect();
  const { clientId } = await one(connection, exchangeId({ owner: "c" }));
  const replaced = await one(connection, exchangeId({ owner: "c" }));
  const otherRun = `ffff${replaced.clientId.slice(4)}`;
  for (const stale of [clientId, "0000000000000000", otherRun]) {
    const asked = createSession({ clientId: stale, sequence: 1 });
    assert.equal(await statusOfOne(connection, asked), "NFS4ERR_STALE_CLIENTID", stale);
  }
});

test("CREATE_SESSION, unknown flags, is refused (§18.36.3)", async () => {
  await using server = await TestServer.start();
  const connection = await server.connect();
  const { clientId, sequence: first } = await one(connection, exchangeId({ owner: "c" }));
  const asked = createSession({ clientId, sequence: first, flags: 8 });
  assert.equal(await statusOfOne(connection, asked), "NFS4ERR_INVAL");
});

test("CREATE_SESSION, of a client that restarted, lets go of what it held before", async () => {
  // RFC 8881 §18.35.4, case 5: only the confirmation ends the former incarnation.
  await using server = await TestServer.start();
  const former = await server.client("c");
  await former.value(putRoot, open("f", { create: { mode: 0 } }));
  const again = await one(former.connection, exchangeId({ owner: "c", verifier: "restart!" }));
  assert.equal(await former.status(putRoot), "NFS4_OK");
  const { clientId, sequence: first } = again;
  await one(former.connection, createSession({ clientId, sequence: first }));
  assert.equal(await former.status(putRoot), "NFS4ERR_BADSESSION");
  const gone = destroyClientId(former.clientId);
  assert.equal(await statusOfOne(former.connection, gone), "NFS4ERR_STALE_CLIENTID");
});

test("CREATE_SESSION, wishes past the server's, are cut to what it grants", async () => {
  await using server = await TestServer.start();
  const { fore } = await server.client("c");
  assert.ok(fore.maximumRequest >= 1_048_576 && fore.maximumRequest < 0xffff_ffff);
  assert.ok(fore.maximumReply >= 1_048_576 && fore.maximumReply < 0xffff_ffff);
  assert.ok(fore.slots >= 1 && fore.slots < 0xffff_ffff);
  // §18.36.3: what the client asks for is the most that it may get.
  const narrow = { maximumRequest: 4096, maximumReply: 2048, maximumCached: 512, slots: 2 };
  const wished = { ...narrow, maximumOperations: 8 };
  const session = await server.client("narrow", { fore: wished });
  assert.deepEqual(session.fore, wished);
});

test("DESTROY_CLIENTID, by what the client still has, is allowed or busy (§18.50.3)", async () => {
  const cases: readonly (readonly [Known, string])[] = [
    ["unconfirmed", "NFS4_OK"],
    ["confirmed", "NFS4_OK"],
    ["session", "NFS4ERR_CLIENTID_BUSY"],
    ["open", "NFS4ERR_CLIENTID_BUSY"],
  ];
  for (const [known, expected] of cases) {
    await using server = await TestServer.start();
    server.make("file");
    const connection = await server.connect(user(1000));
    const { clientId } = (await know(connection, known))!;
    assert.equal(await statusOfOne(connection, destroyClientId(clientId)), expected, known);
    const again = expected === "NFS4_OK" ? "NFS4ERR_STALE_CLIENTID" : expected;
    assert.equal(await statusOfOne(connection, destroyClientId(clientId)), again, known);
  }
});

test("DESTROY_CLIENTID, in a session of that client, is busy (§18.50.3)", async () => {
  await using server = await TestServer.start();
  const session = await server.client("c");
  const own = destroyClientId(session.clientId);
  assert.equal(await session.status(own), "NFS4ERR_CLIENTID_BUSY");
  const other = await one(session.connection, exchangeId({ owner: "other" }));
  assert.equal(await session.status(destroyClientId(other.clientId)), "NFS4_OK");
});
