// What efs-proxy sends beside NFS (facts §1.6), by hand: no distribution packages it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { after, before, test } from "node:test";
import tls from "node:tls";

import { Instance } from "../support/instance.ts";
import { MountCertificates } from "../support/mount-certificates.ts";
import { makeMountTarget, type MountTarget } from "../support/mount-target.ts";
import { Multiplexer } from "../support/multiplexer.ts";
import { nfsClient, readWrite, rootUser } from "../support/nfs.ts";

/** Record mark, xid, CALL, RPC 2, program 400123, version 1, procedure 2, no authentication. */
const bindCall =
  "80000048 0badcafe 00000000 00000002 00061afb 00000001 00000002 00000000 00000000 " +
  "00000000 00000000 " +
  // identifier<16>, a UUID, and incarnation<8>, its number 1.
  "00000010 3f2504e0 4f8941d3 9a0c0305 e82c3301 00000008 00000000 00000001";
/** Record mark, xid, REPLY, accepted, no verifier, success, READY. */
const replyStart = "8000006c 0badcafe 00000001 00000000 00000000 00000000 00000000 00000003";
/** Connections, bytes a second, seconds of breach, seconds of lookback. */
const replyEnd = "00000005 7fffffff 00000001 00000001";
const replyLength = 112;
const partitionStart = 32;
const partitionLength = 64;

/** The proxy waits for 20 seconds, and then does without. */
const promptly = { timeout: 15_000 };

const certificates = new MountCertificates();
let instance: Instance;
let target: MountTarget;
let other: MountTarget;

before(async () => {
  instance = await Instance.start();
  target = await makeMountTarget(instance.api());
  other = await makeMountTarget(instance.api());
});
after(() => instance?.end());

test(
  "the bind call is answered with READY, a partition of 64 bytes and how to scale",
  promptly,
  async () => {
    const connection = await dial(target);
    const reply = await ask(connection, bindCall, replyLength);
    assert.equal(hex(reply.subarray(0, partitionStart)), bare(replyStart));
    assert.equal(hex(reply.subarray(partitionStart + partitionLength)), bare(replyEnd));
    connection.destroy();
  },
);

test(
  "connections of one proxy are all told the same partition, also after a restart",
  promptly,
  async () => {
    const first = await partitionOf(target);
    assert.deepEqual(await partitionOf(target), first);
    assert.notDeepEqual(await partitionOf(other), first);
    await instance.crashAndStart();
    assert.deepEqual(await partitionOf(target), first);
  },
);

const success = "00000000";
const accepted = "0badcafe 00000001 00000000 00000000 00000000";
const otherCalls = [
  {
    call: "procedure 0 of the proxy's program, NULL,",
    program: "00061afb 00000001 00000000",
    answer: success,
  },
  {
    call: "procedure 3 of it, which is for S3 Files,",
    program: "00061afb 00000001 00000003",
    answer: "00000003",
  },
  {
    call: "version 2 of it",
    program: "00061afb 00000002 00000002",
    answer: "00000002 00000001 00000001",
  },
  {
    call: "the program of its callbacks",
    program: "00061afc 00000001 00000000",
    answer: "00000001",
  },
];

for (const { call, program, answer } of otherCalls) {
  test(`${call} is answered at once, not left to the proxy's deadline`, promptly, async () => {
    const connection = await dial(target);
    const request = `80000028 0badcafe 00000000 00000002 ${program} 00000000 00000000 00000000 00000000`;
    const expected = bare(`${accepted} ${answer}`);
    const reply = await ask(connection, request, 4 + expected.length / 2);
    assert.equal(hex(reply.subarray(4)), expected);
    connection.destroy();
  });
}

test("NFS follows the bind call on the same connection", promptly, async () => {
  const client = nfsClient(() => dialAndBind(target));
  try {
    const root = await client.connect(rootUser, "/");
    assert.equal(root.attributes.type, 2);
    await client.disconnect(1000);
  } finally {
    client.close();
  }
});

test(
  "one session's calls spread over five connections are each answered on their own",
  promptly,
  async () => {
    let multiplexer: Multiplexer | undefined;
    const client = nfsClient(async () => {
      const dials = Array.from({ length: 5 }, () => dialAndBind(target));
      multiplexer = new Multiplexer(await Promise.all(dials));
      return multiplexer;
    });
    try {
      const root = await client.connect(rootUser, "/");
      const how = { mode: 0o644, access: readWrite, exclusive: true };
      const write = async (index: number): Promise<void> => {
        const { open } = await client.createFile(rootUser, root.handle, `file-${index}`, how);
        const bytes = Buffer.alloc(100_000, `contents of ${index} `);
        await client.write(open, 0, bytes, index % 2 === 0);
        await client.commit(open);
        assert.deepEqual(Buffer.from(await client.read(open, 0, 200_000)), bytes);
        await client.closeFile(open);
      };
      await Promise.all(Array.from({ length: 100 }, (_, index) => write(index)));
      assert.equal(multiplexer?.misrouted, 0);
      const calls = multiplexer?.calls ?? [];
      assert.ok(Math.min(...calls) >= 80, `calls on each connection: ${calls.join(", ")}`);
      await client.disconnect(1000);
    } finally {
      client.close();
    }
  },
);

test(
  "a proxy that lost all its connections dials again and its client goes on",
  promptly,
  async () => {
    const made: Multiplexer[] = [];
    const client = nfsClient(async () => {
      const dials = [dialAndBind(target), dialAndBind(target), dialAndBind(target)];
      made.push(new Multiplexer(await Promise.all(dials)));
      return made.at(-1)!;
    });
    try {
      const root = await client.connect(rootUser, "/");
      const how = { mode: 0o644, access: readWrite, exclusive: true };
      const { open } = await client.createFile(rootUser, root.handle, "survivor", how);
      made[0]!.destroy();
      await client.write(open, 0, Buffer.from("after"), true);
      assert.equal(made.length, 2);
      assert.equal(Buffer.from(await client.read(open, 0, 10)).toString(), "after");
      await client.disconnect(1000);
    } finally {
      client.close();
    }
  },
);

/** TLS as efs-proxy has it: SNI, the CA and the name are checked, 1.3 is taken where it is there. */
function dial({ fileSystemId, address }: MountTarget): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: address,
      port: instance.nfsPort,
      servername: `${fileSystemId}.efs.us-east-1.amazonaws.com`,
      ca: readFileSync(instance.api().session.caFile),
      cert: certificates.make(fileSystemId),
      key: certificates.keyPem,
    });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

async function dialAndBind(where: MountTarget): Promise<Duplex> {
  const connection = await dial(where);
  await ask(connection, bindCall, replyLength);
  return connection;
}

async function partitionOf(where: MountTarget): Promise<Buffer> {
  const connection = await dial(where);
  const reply = await ask(connection, bindCall, replyLength);
  connection.destroy();
  return reply.subarray(partitionStart, partitionStart + partitionLength);
}

/** Sends what the hexadecimal digits say and resolves with the reply, which has that length. */
function ask(connection: Duplex, digits: string, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (received.length < length) return;
      connection.off("data", onData);
      assert.equal(received.length, length);
      resolve(received);
    };
    connection.on("data", onData);
    connection.once("error", reject);
    connection.once("close", () => reject(new Error("the server closed the connection")));
    connection.write(Buffer.from(bare(digits), "hex"));
  });
}

function bare(digits: string): string {
  return digits.replaceAll(" ", "");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
