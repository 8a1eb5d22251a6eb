import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import * as fc from "fast-check";

import { FakeClock } from "../base/fake-clock.ts";
import { OpenFile } from "../nfs/client/open-file.ts";
import { gatherMs, transferBytes, writesInFlight, writesInFlightBytes } from "./limits.ts";
import { type OutgoingWrite, type Sender, WriteBehind, WriteBudget } from "./write-behind.ts";

const root = { machineName: "test", uid: 0, gid: 0, gids: [] };
const mebibyte = Buffer.alloc(transferBytes);

/** What was sent and has no answer yet. */
interface Sent extends OutgoingWrite {
  readonly durably: boolean;
  answer(error?: Error): void;
}

let clock: FakeClock;
let sent: Sent[];
let budget: WriteBudget;
let behind: WriteBehind;
let open: OpenFile;
let isClean: boolean;
let failures: Error[];
const failed = (error: Error): unknown => failures.push(error);

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
  budget = new WriteBudget();
  isClean = true;
  failures = [];
  behind = new WriteBehind({ send, failed, isClean: () => isClean, budget, clock });
  open = newFile();
});

function newFile(): OpenFile {
  return new OpenFile("owner", root, Buffer.from("handle"), 3);
}

const send: Sender = (write, durably) =>
  new Promise((resolve, reject) => {
    const answer = (error?: Error): void => (error ? reject(error) : resolve(undefined));
    sent.push({ ...write, durably, answer });
  });

/** Lets what was resolved take effect. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Offset and text of each that was sent. */
function texts(): [number, string][] {
  return sent.map(({ offset, bytes }) => [offset, Buffer.from(bytes).toString()]);
}

test("small writes that follow on each other go out as one, when their time is up", () => {
  behind.add(open, 0, Buffer.from("one "));
  behind.add(open, 4, Buffer.from("two "));
  behind.add(open, 8, Buffer.from("three"));
  assert.deepEqual(texts(), []);
  clock.advance(gatherMs);
  assert.deepEqual(texts(), [[0, "one two three"]]);
});

test("a gap, another open file or the largest size begins another write", () => {
  const other = newFile();
  behind.add(open, 0, Buffer.from("a"));
  behind.add(open, 2, Buffer.from("c"));
  behind.add(other, 3, Buffer.from("d"));
  behind.add(other, 4, mebibyte);
  const lengths = sent.map(({ bytes }) => bytes.length);
  assert.deepEqual(lengths, [1, 1, 1, transferBytes]);
});

test("settle sends what waits, and resolves when all is answered", async () => {
  behind.add(open, 0, Buffer.from("waits"));
  let isSettled = false;
  const settling = behind.settle().then(() => (isSettled = true));
  await turn();
  assert.deepEqual(texts(), [[0, "waits"]]);
  assert.equal(isSettled, false);
  sent[0]!.answer();
  await settling;
  assert.equal(behind.isEmpty, true);
});

test("a write over one that is on the way waits for its answer", async () => {
  behind.add(open, 0, mebibyte);
  behind.add(open, 10, Buffer.from("later"));
  const settling = behind.settle();
  await turn();
  assert.equal(sent.length, 1);
  sent[0]!.answer();
  await turn();
  assert.deepEqual(texts()[1], [10, "later"]);
  sent[1]!.answer();
  await settling;
});

test("what was refused is told, and settles with the rest", async () => {
  behind.add(open, 0, Buffer.from("a"));
  behind.add(newFile(), 5, Buffer.from("b"));
  const settling = behind.settle();
  await turn();
  const error = new Error("no space");
  sent[0]!.answer(error);
  sent[1]!.answer();
  await settling;
  assert.deepEqual(failures, [error]);
});

test("a few writes before a commit are made durable by themselves", async () => {
  behind.add(open, 4, Buffer.from("later"));
  behind.add(open, 0, Buffer.from("1234"));
  const settling = behind.settleDurably();
  const durable = sent.map(({ offset, durably }) => [offset, durably]);
  assert.deepEqual(durable, [
    [4, true],
    [0, true],
  ]);
  for (const { answer } of sent) answer();
  await settling;
  assert.equal(behind.isEmpty, true);
});

const notDurable: Record<string, () => void> = {
  "that overlap": () => {
    behind.add(open, 4, Buffer.from("later"));
    behind.add(open, 0, Buffer.from("12345"));
  },
  "of which one is on the way": () => {
    behind.add(open, 0, Buffer.from("a"));
    clock.advance(gatherMs);
    behind.add(open, 5, Buffer.from("b"));
  },
  "that are many": () => {
    for (let at = 0; at <= writesInFlight; at += 1) behind.add(open, at * 2, Buffer.from("a"));
  },
  "beside others that are not committed": () => {
    isClean = false;
    behind.add(open, 0, Buffer.from("a"));
  },
};
for (const [which, add] of Object.entries(notDurable)) {
  test(`writes ${which} are left to be committed`, async () => {
    add();
    const settling = behind.settleDurably();
    for (let answered = 0; !behind.isEmpty; answered += 1) {
      await turn();
      assert.equal(sent[answered]!.durably, false);
      sent[answered]!.answer();
      await turn();
    }
    await settling;
  });
}

test("the only write that waits can be sent with something else", async () => {
  behind.add(open, 0, Buffer.from("one "));
  behind.add(open, 4, Buffer.from("two"));
  assert.equal(behind.single(true), open);
  let answer: (value: string) => void = () => {};
  const answering = new Promise<string>((resolve) => (answer = resolve));
  let together: OutgoingWrite | undefined;
  const sending = behind.sendSingle((write) => {
    together = write;
    return answering;
  });
  assert.equal(Buffer.from(together!.bytes).toString(), "one two");
  // It is on its way as any other.
  assert.equal(behind.single(false), undefined);
  assert.ok(behind.overlaps(6, 1));
  behind.add(open, 6, Buffer.from("later"));
  const settling = behind.settle();
  await turn();
  assert.deepEqual(texts(), []);
  answer("done");
  assert.equal(await sending, "done");
  await turn();
  assert.deepEqual(texts(), [[6, "later"]]);
  sent[0]!.answer();
  await settling;
});

test("a write that is refused with what it was sent with is told as any other", async () => {
  behind.add(open, 0, Buffer.from("a"));
  const error = new Error("no space");
  assert.equal(await behind.sendSingle(() => Promise.reject(error)), undefined);
  assert.deepEqual(failures, [error]);
  assert.equal(behind.isEmpty, true);
});

const notSingle: Record<string, () => void> = {
  "there is none": () => {},
  "there are two": () => {
    behind.add(open, 0, Buffer.from("a"));
    behind.add(open, 5, Buffer.from("b"));
  },
  "another is on its way": () => {
    behind.add(open, 0, Buffer.from("a"));
    clock.advance(gatherMs);
    behind.add(open, 5, Buffer.from("b"));
  },
};
for (const [why, add] of Object.entries(notSingle)) {
  test(`no write is sent with something else where ${why}`, () => {
    add();
    assert.equal(behind.single(false), undefined);
  });
}

test("a write is not sent durably by itself where others are not committed", () => {
  behind.add(open, 0, Buffer.from("a"));
  isClean = false;
  assert.equal(behind.single(true), undefined);
  assert.equal(behind.single(false), open);
});

test("the bytes are given back when the sender is done with all of a write", () => {
  const released: string[] = [];
  behind.add(open, 0, Buffer.from("a"), () => released.push("a"));
  behind.add(open, 1, Buffer.from("b"), () => released.push("b"));
  clock.advance(gatherMs);
  assert.deepEqual(released, []);
  sent[0]!.release();
  assert.deepEqual(released, ["a", "b"]);
});

test("writers wait while too much is on the way", async () => {
  for (let at = 0; at < writesInFlightBytes; at += transferBytes) behind.add(open, at, mebibyte);
  let hasRoom = false;
  const waiting = budget.room()?.then(() => (hasRoom = true));
  await turn();
  assert.equal(hasRoom, false);
  sent[0]!.answer();
  await waiting;
  assert.equal(hasRoom, true);
  assert.equal(budget.room(), undefined);
});

test("however writes come and are answered, the server ends up with the last bytes", async () => {
  const write = fc.record({ offset: fc.nat(30), length: fc.integer({ min: 1, max: 10 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 30 }), fc.infiniteStream(fc.nat()), runOne),
    { numRuns: 200 },
  );
});

async function runOne(
  writes: readonly { offset: number; length: number }[],
  choices: Iterator<number>,
): Promise<void> {
  sent = [];
  const isClean = (): boolean => choices.next().value % 2 === 0;
  behind = new WriteBehind({ send, failed, isClean, budget: new WriteBudget(), clock });
  const wanted = Buffer.alloc(50);
  const server = Buffer.alloc(50);
  const answerOne = async (): Promise<void> => {
    const choice = choices.next().value % (sent.length + 1);
    const [one] = sent.splice(choice, 1);
    if (one === undefined) return;
    server.set(one.bytes, one.offset);
    one.answer();
    await turn();
  };
  for (const [index, { offset, length }] of writes.entries()) {
    const bytes = Buffer.alloc(length, index + 1);
    wanted.set(bytes, offset);
    behind.add(open, offset, bytes);
    await answerOne();
  }
  const settling = behind.settle();
  while (!behind.isEmpty) await answerOne();
  await settling;
  assert.deepEqual(server, wanted);
}
