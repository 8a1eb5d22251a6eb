import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { decodedOrRefused, hex, mutated, mutationLists } from "../testing.ts";
import { XdrError, XdrReader } from "../xdr/xdr-reader.ts";
import { XdrWriter } from "../xdr/xdr-writer.ts";
import {
  AcceptStatus,
  AuthStatus,
  CredentialMemory,
  decodeCall,
  decodeReply,
  encodeAccepted,
  encodeAuthError,
  encodeCall,
  encodeProgramMismatch,
  encodeRpcMismatch,
} from "./message.ts";

/** xid, CALL, RPC version 2, NFS, version 4, COMPOUND (RFC 5531 §9). */
const callStart = "11223344 00000000 00000002 000186a3 00000004 00000001";
/** AUTH_SYS (appendix A): stamp, machine name "host7", uid 1000, gid 100, gids 10 and 20. */
const sysBody = "0000abcd 00000005 686f7374 37000000 000003e8 00000064 00000002 0000000a 00000014";
const sysCredential = `00000001 00000024 ${sysBody}`;
const none = "00000000 00000000";

const sysCall = hex(callStart, sysCredential, none);
const callFields = {
  xid: 0x1122_3344,
  version: 2,
  program: 100_003,
  programVersion: 4,
  procedure: 1,
};
const credential = { machineName: "host7", uid: 1000, gid: 100, gids: [10, 20] };

function decoded(...lines: string[]): ReturnType<typeof decodeCall> {
  const reader = new XdrReader(hex(...lines, "5555aaaa"));
  const call = decodeCall(reader);
  // The arguments come next.
  if (call !== undefined) assert.equal(reader.uint32(), 0x5555_aaaa, lines.join(" "));
  return call;
}

function encoded(write: (writer: XdrWriter) => void): string {
  const writer = new XdrWriter();
  write(writer);
  return Buffer.from(writer.written()).toString("hex");
}

test("a call with AUTH_SYS is read as the specification lays it out", () => {
  assert.deepEqual(decoded(callStart, sysCredential, none), {
    ...callFields,
    credential,
    credentialRefused: undefined,
  });
});

test("a call with AUTH_NONE is read and has no credential", () => {
  const plain = { ...callFields, credential: undefined, credentialRefused: undefined };
  assert.deepEqual(decoded(callStart, none, none), plain);
});

test("a verifier's body is stepped over with its padding", () => {
  const call = decoded(callStart, sysCredential, "00000000 00000005 01020304 05000000");
  assert.deepEqual(call?.credential, credential);
});

test("calls are written as the specification lays them out", () => {
  const { xid, program, programVersion, procedure } = callFields;
  const fields = { xid, program, programVersion, procedure };
  const plain = hex(callStart, none, none).toString("hex");
  assert.equal(
    encoded((writer) => encodeCall(writer, fields)),
    plain,
  );
  // The stamp is arbitrary; ours is zero.
  const signed = sysCall.toString("hex").replace("0000abcd", "00000000");
  assert.equal(
    encoded((writer) => encodeCall(writer, { ...fields, credential })),
    signed,
  );
});

test("replies are written as the specification lays them out", () => {
  const cases: [string, (writer: XdrWriter) => void, string][] = [
    [
      "accepted, success",
      (writer) => encodeAccepted(writer, 7, AcceptStatus.success),
      "00000007 00000001 00000000 00000000 00000000 00000000",
    ],
    [
      "accepted, garbage arguments",
      (writer) => encodeAccepted(writer, 7, AcceptStatus.garbageArguments),
      "00000007 00000001 00000000 00000000 00000000 00000004",
    ],
    [
      "accepted, PROG_MISMATCH with the lowest and highest version",
      (writer) => encodeProgramMismatch(writer, 7, 4),
      "00000007 00000001 00000000 00000000 00000000 00000002 00000004 00000004",
    ],
    [
      "denied, RPC_MISMATCH with the lowest and highest version",
      (writer) => encodeRpcMismatch(writer, 7),
      "00000007 00000001 00000001 00000000 00000002 00000002",
    ],
    [
      "denied, AUTH_ERROR",
      (writer) => encodeAuthError(writer, 7, AuthStatus.tooWeak),
      "00000007 00000001 00000001 00000001 00000005",
    ],
  ];
  for (const [what, write, expected] of cases) {
    assert.equal(encoded(write), expected.replaceAll(" ", ""), what);
  }
});

test("replies are read: the status of accepted ones, the refusal of denied ones", () => {
  const cases: [string, ReturnType<typeof decodeReply>][] = [
    [
      "00000007 00000001 00000000 00000000 00000000 00000000",
      { kind: "accepted", xid: 7, status: 0 },
    ],
    [
      "00000007 00000001 00000000 00000000 00000003 aabbcc00 00000005",
      { kind: "accepted", xid: 7, status: 5 },
    ],
    ["00000007 00000001 00000001 00000000 00000002 00000002", { kind: "denied", xid: 7 }],
    ["00000007 00000001 00000001 00000001 00000001", { kind: "denied", xid: 7 }],
  ];
  for (const [bytes, expected] of cases) {
    assert.deepEqual(decodeReply(new XdrReader(hex(bytes))), expected, bytes);
  }
});

test("a reply is not a call, and a call is not a reply", () => {
  assert.equal(decodeCall(new XdrReader(hex("00000007 00000001 00000000"))), undefined);
  assert.equal(decodeReply(new XdrReader(sysCall)), undefined);
});

test("a credential that can't be used is refused, and the call's arguments are still found", () => {
  const seventeen = "00000000 ".repeat(17);
  const machineOf = (length: number): string => "61".repeat(length + (-length & 3));
  const cases: [string, string][] = [
    ["AUTH_SHORT", "00000002 00000004 aabbccdd"],
    ["RPCSEC_GSS", "00000006 00000004 aabbccdd"],
    ["an unknown flavor whose body needs padding", "0000abcd 00000005 aabbccdd ee000000"],
    ["AUTH_SYS without a body", "00000001 00000000"],
    ["AUTH_SYS that ends within a group", `00000001 00000020 ${sysBody.slice(0, -8)}`],
    ["AUTH_SYS with 17 groups", `00000001 00000058 ${"00000000 ".repeat(4)} 00000011 ${seventeen}`],
    [
      "AUTH_SYS with 2^32 - 1 groups",
      `00000001 00000018 ${"00000000 ".repeat(4)} ffffffff 00000000`,
    ],
    [
      "AUTH_SYS with a machine name of 256 bytes",
      `00000001 00000114 00000000 00000100 ${machineOf(256)} ${"00000000 ".repeat(3)}`,
    ],
    ["AUTH_SYS longer than 400 bytes", `00000001 00000194 ${sysBody} ${"00".repeat(404 - 36)}`],
    ["AUTH_NONE longer than 400 bytes", `00000000 00000191 ${"00".repeat(404)}`],
  ];
  for (const [what, bytes] of cases) {
    const call = decoded(callStart, bytes, none);
    // RFC 5531 §9: AUTH_BADCRED for what is malformed, AUTH_TOOWEAK for a flavor not served.
    const isMalformed = /^0000000[01]/.test(bytes);
    assert.equal(call?.credentialRefused, isMalformed ? 1 : 5, what);
    assert.equal(call.credential, undefined, what);
  }
});

test("a call that ends before its arguments is refused at every length", () => {
  for (let length = 0; length < sysCall.length; length += 1) {
    const cut = new XdrReader(sysCall.subarray(0, length));
    assert.throws(() => decodeCall(cut), XdrError, `${length} bytes`);
  }
});

test("an accepted reply that ends before its status is refused at every length", () => {
  const reply = hex("00000007 00000001 00000000 00000000 00000003 aabbcc00 00000005");
  for (let length = 0; length < reply.length; length += 1) {
    const cut = new XdrReader(reply.subarray(0, length));
    assert.throws(() => decodeReply(cut), XdrError, `${length} bytes`);
  }
});

test("authentication data longer than the message or than 400 bytes is refused", () => {
  for (const length of ["00000191", "7fffffff", "80000000", "ffffffff"]) {
    const body = "00".repeat(0x194);
    const verifier = hex(callStart, none, `00000000 ${length}`, body);
    assert.throws(() => decodeCall(new XdrReader(verifier)), XdrError, length);
    const reply = hex(`00000007 00000001 00000000 00000000 ${length}`, body);
    assert.throws(() => decodeReply(new XdrReader(reply)), XdrError, length);
  }
  const credential = hex(callStart, "00000001 fffffffe", "00".repeat(64));
  assert.throws(() => decodeCall(new XdrReader(credential)), XdrError);
});

const uint32 = fc.nat(0xffff_ffff);
const machineName = fc.string({ unit: "binary-ascii", maxLength: 255 });
const credentials = fc.record(
  { machineName, uid: uint32, gid: uint32, gids: fc.array(uint32, { maxLength: 16 }) },
  { noNullPrototype: true },
);

test("whatever call is written is read again", () => {
  const calls = fc.record(
    {
      xid: uint32,
      program: uint32,
      programVersion: uint32,
      procedure: uint32,
      credential: credentials,
    },
    { requiredKeys: ["xid", "program", "programVersion", "procedure"] },
  );
  fc.assert(
    fc.property(calls, (call) => {
      const writer = new XdrWriter(16);
      encodeCall(writer, call);
      // A name and groups may be allowed by themselves and too long together.
      const authLength = 20 + Math.ceil((call.credential?.machineName.length ?? 0) / 4) * 4;
      fc.pre(authLength + 4 * (call.credential?.gids.length ?? 0) <= 400);
      const reader = new XdrReader(writer.written());
      const { credential, ...fields } = call;
      const expected = { ...fields, version: 2, credential, credentialRefused: undefined };
      assert.deepEqual(decodeCall(reader), expected);
      assert.equal(reader.remaining, 0);
    }),
    { numRuns: 500 },
  );
});

test("a call is read the same whatever credentials were seen before it", () => {
  const damaged = fc.tuple(fc.constant(sysCall), mutationLists).map((given) => mutated(...given));
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(sysCall), damaged), { maxLength: 6 }), (calls) => {
      const memory = new CredentialMemory();
      for (const bytes of calls) {
        const [remembering, fresh] = [new XdrReader(bytes), new XdrReader(bytes)];
        assert.deepEqual(
          decodedOrRefused<unknown>(XdrError, () => decodeCall(remembering, memory)),
          decodedOrRefused<unknown>(XdrError, () => decodeCall(fresh)),
        );
        assert.equal(remembering.offset, fresh.offset);
      }
    }),
    { numRuns: 1000 },
  );
});

test("whatever accepted reply is written is read again", () => {
  fc.assert(
    fc.property(uint32, fc.nat(5), (xid, status) => {
      const writer = new XdrWriter(16);
      encodeAccepted(writer, xid, status);
      const reader = new XdrReader(writer.written());
      assert.deepEqual(decodeReply(reader), { kind: "accepted", xid, status });
      assert.equal(reader.remaining, 0);
    }),
  );
});

test("damaged calls and replies are read or refused, never read past their end", () => {
  fc.assert(
    fc.property(mutationLists, (mutations) => {
      const bytes = mutated(sysCall, mutations);
      for (const decode of [decodeCall, decodeReply]) {
        const reader = new XdrReader(bytes);
        decodedOrRefused<unknown>(XdrError, () => decode(reader));
        assert.ok(reader.offset <= bytes.length);
      }
    }),
    { numRuns: 3000 },
  );
});
