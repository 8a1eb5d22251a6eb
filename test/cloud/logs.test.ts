import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { InputLogEvent } from "@aws-sdk/client-cloudwatch-logs";

import { denied, fails } from "../support/api-failure.ts";
import { allowing, Clients, userWith } from "../support/clients.ts";
import { Instance } from "../support/instance.ts";
import { operationsOf } from "../support/services.ts";

let instance: Instance;
let root: Clients;

before(async () => {
  instance = await Instance.start();
  root = new Clients(instance);
});
after(() => instance?.end());

let made = 0;
const newName = (kind: string): string => `/test/${kind}-${(made += 1)}`;
const hourMs = 3_600_000;
const invalid = { code: "InvalidParameterException", status: 400 };
const noGroup = {
  code: "ResourceNotFoundException",
  status: 400,
  message: "The specified log group does not exist.",
};
const noStream = { ...noGroup, message: "The specified log stream does not exist." };

async function newGroup(): Promise<string> {
  const logGroupName = newName("group");
  await root.logs.createLogGroup({ logGroupName });
  return logGroupName;
}

async function newStream(): Promise<{ logGroupName: string; logStreamName: string }> {
  const stream = { logGroupName: await newGroup(), logStreamName: "ecs/app/1" };
  await root.logs.createLogStream(stream);
  return stream;
}

/** Events a millisecond apart that ended just now. */
function events(count: number): Required<InputLogEvent>[] {
  const start = Date.now() - count;
  return Array.from({ length: count }, (_, index) => ({
    timestamp: start + index,
    message: `line ${index}`,
  }));
}

test("log groups: made once, described, kept for some days, deleted", async () => {
  const logGroupName = newName("group");
  await root.logs.createLogGroup({ logGroupName });
  await fails(root.logs.createLogGroup({ logGroupName }), {
    code: "ResourceAlreadyExistsException",
    status: 400,
    message: "The specified log group already exists",
  });
  const described = async () =>
    (await root.logs.describeLogGroups({ logGroupNamePrefix: logGroupName })).logGroups;
  const [group] = (await described()) ?? [];
  const arn = `arn:aws:logs:us-east-1:123456789012:log-group:${logGroupName}`;
  assert.equal(group?.logGroupName, logGroupName);
  assert.equal(group.arn, `${arn}:*`);
  assert.equal(group.logGroupArn, arn);
  assert.ok(Number.isInteger(group.creationTime));
  assert.equal(group.retentionInDays, undefined);
  await root.logs.putRetentionPolicy({ logGroupName, retentionInDays: 7 });
  assert.equal((await described())?.[0]?.retentionInDays, 7);
  await root.logs.deleteLogGroup({ logGroupName });
  assert.deepEqual(await described(), []);
  await fails(root.logs.deleteLogGroup({ logGroupName }), noGroup);
});

test("DescribeLogGroups: by prefix, in pages of at most 50", async () => {
  const prefix = newName("page");
  const names = Array.from({ length: 52 }, (_, index) => `${prefix}/${100 + index}`);
  await Promise.all(names.map((logGroupName) => root.logs.createLogGroup({ logGroupName })));
  const sizes: number[] = [];
  const found: (string | undefined)[] = [];
  let nextToken: string | undefined;
  do {
    const page = await root.logs.describeLogGroups({ logGroupNamePrefix: prefix, nextToken });
    sizes.push(page.logGroups?.length ?? 0);
    found.push(...(page.logGroups ?? []).map((group) => group.logGroupName));
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  assert.deepEqual(sizes, [50, 2]);
  assert.deepEqual(found, names);
});

test("log streams: made once, described by prefix and in pages, deleted", async () => {
  const logGroupName = await newGroup();
  for (const logStreamName of ["a/1", "a/2", "b/1"]) {
    await root.logs.createLogStream({ logGroupName, logStreamName });
  }
  await fails(root.logs.createLogStream({ logGroupName, logStreamName: "a/1" }), {
    code: "ResourceAlreadyExistsException",
    status: 400,
    message: "The specified log stream already exists",
  });
  const names = async (input: object): Promise<unknown> => {
    const { logStreams } = await root.logs.describeLogStreams({ logGroupName, ...input });
    return logStreams?.map(({ logStreamName }) => logStreamName);
  };
  assert.deepEqual(await names({}), ["a/1", "a/2", "b/1"]);
  assert.deepEqual(await names({ logStreamNamePrefix: "a/" }), ["a/1", "a/2"]);
  const { nextToken } = await root.logs.describeLogStreams({ logGroupName, limit: 2 });
  assert.deepEqual(await names({ nextToken }), ["b/1"]);
  await root.logs.deleteLogStream({ logGroupName, logStreamName: "a/1" });
  assert.deepEqual(await names({}), ["a/2", "b/1"]);
  await fails(root.logs.deleteLogStream({ logGroupName, logStreamName: "a/1" }), noStream);
});

test("DeleteLogGroup: a new group of the name has none of the old events", async () => {
  const stream = await newStream();
  await root.logs.putLogEvents({ ...stream, logEvents: events(3) });
  const { logGroupName } = stream;
  await root.logs.deleteLogGroup({ logGroupName });
  await root.logs.createLogGroup({ logGroupName });
  await fails(root.logs.getLogEvents(stream), noStream);
  await root.logs.createLogStream(stream);
  assert.deepEqual((await root.logs.getLogEvents(stream)).events, []);
});

test("events: put in batches, read as they were, told of by the stream", async () => {
  const stream = await newStream();
  const [first, second] = [events(2), [{ timestamp: Date.now(), message: "äöü €\n🙂" }]];
  await root.logs.putLogEvents({ ...stream, logEvents: first });
  await root.logs.putLogEvents({ ...stream, logEvents: second });
  const read = await root.logs.getLogEvents({ ...stream, startFromHead: true });
  assert.deepEqual(
    read.events?.map(({ timestamp, message }) => ({ timestamp, message })),
    [...first, ...second],
  );
  for (const { ingestionTime } of read.events ?? []) assert.ok(Number.isInteger(ingestionTime));
  const { logStreams } = await root.logs.describeLogStreams({ logGroupName: stream.logGroupName });
  assert.equal(logStreams?.[0]?.firstEventTimestamp, first[0]?.timestamp);
  assert.equal(logStreams?.[0]?.lastEventTimestamp, second[0]?.timestamp);
});

test("GetLogEvents: forward to an end that repeats its token, and on when more comes", async () => {
  const stream = await newStream();
  const all = events(5);
  await root.logs.putLogEvents({ ...stream, logEvents: all });
  const found: (string | undefined)[] = [];
  let nextToken: string | undefined;
  for (;;) {
    const page = await root.logs.getLogEvents({
      ...stream,
      startFromHead: true,
      limit: 2,
      nextToken,
    });
    found.push(...(page.events ?? []).map(({ message }) => message));
    assert.match(page.nextForwardToken ?? "", /^f\/\d{56}\/s$/);
    if (page.nextForwardToken === nextToken) break;
    nextToken = page.nextForwardToken;
  }
  assert.deepEqual(
    found,
    all.map(({ message }) => message),
  );
  const later = [{ timestamp: Date.now(), message: "later" }];
  await root.logs.putLogEvents({ ...stream, logEvents: later });
  const more = await root.logs.getLogEvents({ ...stream, nextToken });
  assert.deepEqual(
    more.events?.map(({ message }) => message),
    ["later"],
  );
});

test("GetLogEvents: backward from the newest, and between two times", async () => {
  const stream = await newStream();
  const all = events(5);
  await root.logs.putLogEvents({ ...stream, logEvents: all });
  const messages = async (input: object): Promise<[unknown, string | undefined]> => {
    const page = await root.logs.getLogEvents({ ...stream, ...input });
    return [page.events?.map(({ message }) => message), page.nextBackwardToken];
  };
  const [newest, token] = await messages({ limit: 2 });
  assert.deepEqual(newest, ["line 3", "line 4"]);
  const [older] = await messages({ limit: 2, nextToken: token });
  assert.deepEqual(older, ["line 1", "line 2"]);
  const [startTime, endTime] = [all[1]!.timestamp, all[3]!.timestamp];
  const [between] = await messages({ startTime, endTime, startFromHead: true });
  assert.deepEqual(between, ["line 1", "line 2"]);
});

test("PutLogEvents: what is too old or too new is left out and told of", async () => {
  const stream = await newStream();
  const now = Date.now();
  const old = now - 15 * 24 * hourMs;
  const tooOld = await root.logs.putLogEvents({
    ...stream,
    logEvents: [
      { timestamp: old, message: "old" },
      { timestamp: old + 1, message: "old" },
    ],
  });
  assert.deepEqual(tooOld.rejectedLogEventsInfo, { tooOldLogEventEndIndex: 2 });
  const tooNew = await root.logs.putLogEvents({
    ...stream,
    logEvents: [
      { timestamp: now, message: "now" },
      { timestamp: now + 3 * hourMs, message: "new" },
    ],
  });
  assert.deepEqual(tooNew.rejectedLogEventsInfo, { tooNewLogEventStartIndex: 1 });
  const kept = await root.logs.getLogEvents({ ...stream, startFromHead: true });
  assert.deepEqual(
    kept.events?.map(({ message }) => message),
    ["now"],
  );
});

const badBatches: Record<string, () => InputLogEvent[]> = {
  "without events": () => [],
  "out of order": () => events(2).toReversed(),
  "over more than a day": () => [
    { timestamp: Date.now() - 25 * hourMs, message: "a" },
    { timestamp: Date.now(), message: "b" },
  ],
  "of 10,001 events": () => events(10_001),
  "of more than a mebibyte": () =>
    events(5).map((event) => ({ ...event, message: "x".repeat(209_700) })),
};
for (const [what, batch] of Object.entries(badBatches)) {
  test(`PutLogEvents: a batch ${what} is refused as a whole`, async () => {
    const stream = await newStream();
    await fails(root.logs.putLogEvents({ ...stream, logEvents: batch() }), invalid);
    assert.deepEqual((await root.logs.getLogEvents(stream)).events, []);
  });
}

const refused: Record<string, [() => Promise<unknown>, typeof invalid]> = {
  "CreateLogGroup with a blank in the name": [
    () => root.logs.createLogGroup({ logGroupName: "my group" }),
    invalid,
  ],
  "CreateLogGroup with a name of 513 characters": [
    () => root.logs.createLogGroup({ logGroupName: "g".repeat(513) }),
    invalid,
  ],
  "CreateLogStream with a colon in the name": [
    async () => root.logs.createLogStream({ logGroupName: await newGroup(), logStreamName: "a:b" }),
    invalid,
  ],
  "CreateLogStream in an unknown group": [
    () => root.logs.createLogStream({ logGroupName: "nobodys", logStreamName: "a" }),
    noGroup,
  ],
  "DescribeLogStreams of an unknown group": [
    () => root.logs.describeLogStreams({ logGroupName: "nobodys" }),
    noGroup,
  ],
  "PutLogEvents to an unknown stream": [
    async () =>
      root.logs.putLogEvents({
        logGroupName: await newGroup(),
        logStreamName: "a",
        logEvents: events(1),
      }),
    noStream,
  ],
  "GetLogEvents with a token of its own making": [
    async () => root.logs.getLogEvents({ ...(await newStream()), nextToken: "nonsense" }),
    invalid,
  ],
  "DescribeLogGroups with 51 on a page": [
    () => root.logs.describeLogGroups({ limit: 51 }),
    invalid,
  ],
  "PutRetentionPolicy for two days": [
    async () =>
      root.logs.putRetentionPolicy({ logGroupName: await newGroup(), retentionInDays: 2 }),
    invalid,
  ],
  "PutRetentionPolicy of an unknown group": [
    () => root.logs.putRetentionPolicy({ logGroupName: "nobodys", retentionInDays: 7 }),
    noGroup,
  ],
};
for (const [what, [call, expected]] of Object.entries(refused)) {
  test(`${what}: ${expected.code}`, () => fails(call(), expected));
}

test("a user without permissions is denied every operation", async () => {
  const nobody = await userWith(instance, "nobody");
  const stream = await newStream();
  const { logGroupName } = stream;
  const calls: Record<string, (logs: Clients["logs"]) => Promise<unknown>> = {
    CreateLogGroup: (logs) => logs.createLogGroup({ logGroupName: "theirs" }),
    CreateLogStream: (logs) => logs.createLogStream({ logGroupName, logStreamName: "theirs" }),
    DeleteLogGroup: (logs) => logs.deleteLogGroup({ logGroupName }),
    DeleteLogStream: (logs) => logs.deleteLogStream(stream),
    DescribeLogGroups: (logs) => logs.describeLogGroups({}),
    DescribeLogStreams: (logs) => logs.describeLogStreams({ logGroupName }),
    GetLogEvents: (logs) => logs.getLogEvents(stream),
    PutLogEvents: (logs) => logs.putLogEvents({ ...stream, logEvents: events(1) }),
    PutRetentionPolicy: (logs) => logs.putRetentionPolicy({ logGroupName, retentionInDays: 1 }),
  };
  assert.deepEqual(Object.keys(calls).sort(), operationsOf("logs"));
  for (const [name, call] of Object.entries(calls)) {
    await fails(call(nobody.logs), { ...denied(`logs:${name}`), status: 400 });
  }
});

test("a permission on one group's streams doesn't reach another group", async () => {
  const [own, other] = [await newStream(), await newStream()];
  const arn = `arn:aws:logs:us-east-1:123456789012:log-group:${own.logGroupName}:*`;
  const { logs } = await userWith(instance, "one-group", allowing(["logs:PutLogEvents"], arn));
  await logs.putLogEvents({ ...own, logEvents: events(1) });
  const refusal = denied("logs:PutLogEvents");
  await fails(logs.putLogEvents({ ...other, logEvents: events(1) }), refusal);
});
