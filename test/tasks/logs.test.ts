import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ContainerDefinition } from "@aws-sdk/client-ecs";

import { eventually } from "../support/eventually.ts";
import type { StartedTask } from "../support/started-task.ts";
import { logGroup, program, TaskStage, toLogGroup } from "../support/tasks.ts";

let stage: TaskStage;
before(async () => {
  stage = await TaskStage.start();
});
after(() => stage.end());

/** Everything that the stream has, read page by page from its start. */
async function messagesOf(task: StartedTask, container = "app"): Promise<string[]> {
  const messages: string[] = [];
  let last = 0;
  let token: string | undefined;
  for (;;) {
    const page = await stage.api.logs.getLogEvents({
      logGroupName: logGroup,
      logStreamName: `test/${container}/${task.id}`,
      startFromHead: true,
      nextToken: token,
    });
    for (const { timestamp = 0, message = "" } of page.events ?? []) {
      assert.ok(timestamp >= last, "events come in the order of their times");
      last = timestamp;
      messages.push(message);
    }
    if (page.nextForwardToken === token) return messages;
    token = page.nextForwardToken;
  }
}

/** The messages of a task that only runs this program. */
async function messagesAfter(
  source: string,
  settings: Partial<ContainerDefinition> = {},
): Promise<string[]> {
  const task = await stage.place([{ ...toLogGroup, ...program(source), ...settings }]);
  const { containers, stopCode } = await task.until("STOPPED");
  assert.deepEqual([stopCode, containers?.[0]?.exitCode], ["EssentialContainerExited", 0]);
  return messagesOf(task);
}

test("each container's lines are in its own stream while the task runs", async () => {
  const task = await stage.run([
    toLogGroup,
    { ...toLogGroup, name: "beside", environment: [{ name: "APP_PORT", value: "8081" }] },
  ]);
  for (const [port, container] of [
    [8080, "app"],
    [8081, "beside"],
  ] as const) {
    await task.insideAt(port, (line) => console.log(line), `from ${container}`);
    await eventually(`the line of ${container}`, async () => {
      const messages = await messagesOf(task, container);
      return messages.length > 0;
    });
    assert.deepEqual(await messagesOf(task, container), [`from ${container}`]);
  }
  assert.equal((await task.describe()).lastStatus, "RUNNING");
});

// The awslogs driver's events have at most 256 KiB, of which 26 bytes are its own.
const eventBytes = 262_144 - 26;
const outputs = [
  {
    given: "several lines at once",
    source: `console.log("first\\n  second\\n\\nthird")`,
    expected: ["first", "  second", "third"],
  },
  {
    given: "no newline at the end",
    source: `process.stdout.write("line\\nhalf")`,
    expected: ["line", "half"],
  },
  {
    given: "letters beyond ASCII",
    source: `console.log("größer – 日本 🚀")`,
    expected: ["größer – 日本 🚀"],
  },
  {
    given: "a line longer than the engine's buffer",
    source: `console.log("a".repeat(100_000))`,
    expected: ["a".repeat(100_000)],
  },
  {
    given: "a line longer than an event",
    source: `console.log("b".repeat(300_000))`,
    expected: ["b".repeat(eventBytes), "b".repeat(300_000 - eventBytes)],
  },
  {
    given: "a long line of three-byte letters",
    source: `console.log("日".repeat(50_000))`,
    expected: ["日".repeat(50_000)],
  },
];
for (const { given, source, expected } of outputs) {
  test(`an app that writes ${given} has these events`, async () => {
    const messages = await messagesAfter(source);
    // Lengths first: long messages would make an unreadable report.
    const lengthsOf = (lines: readonly string[]) => lines.map((line) => line.length);
    assert.deepEqual(lengthsOf(messages), lengthsOf(expected));
    assert.deepEqual(messages, expected);
  });
}

test("an app on a terminal has an event for each line", async () => {
  const settings = { pseudoTerminal: true };
  assert.deepEqual(await messagesAfter(`console.log("one\\n\\ntwo")`, settings), ["one", "two"]);
});

test("a burst of more than one request can carry arrives whole and in order", async () => {
  const messages = await messagesAfter(`
    for (let line = 0; line < 3000; line += 1) console.log(String(line).padEnd(1500, "."));
  `);
  const numbers = messages.map((message) => message.replace(/\.+$/, ""));
  const expected = Array.from({ length: 3000 }, (_each, line) => String(line));
  assert.deepEqual(firstDifference(numbers, expected), undefined);
});

test("no line is lost or repeated when moor up is killed again and again", async () => {
  const task = await stage.run([toLogGroup]);
  await task.inside(() => {
    let line = 0;
    const write = () => {
      process.stdout.write(`out ${line}\n`);
      process.stderr.write(`err ${line}\n`);
      line += 1;
    };
    const timer = setInterval(write, 2);
    process.removeAllListeners("SIGTERM");
    process.once("SIGTERM", () => {
      clearInterval(timer);
      process.stdout.write(`end ${line}\n`, () => process.exit(0));
    });
  });
  for (let crash = 0; crash < 4; crash += 1) {
    const before = (await messagesOf(task)).length;
    const moreLines = async () => (await messagesOf(task)).length > before + 100;
    await eventually("a hundred lines more", moreLines);
    await stage.instance.crashAndStart();
  }
  await task.stop();
  const messages = await messagesOf(task);
  const end = Number(messages.find((line) => line.startsWith("end "))?.slice("end ".length));
  for (const kind of ["out", "err"]) {
    const lines = messages.filter((line) => line.startsWith(kind));
    const expected = Array.from({ length: end }, (_each, line) => `${kind} ${line}`);
    assert.deepEqual(firstDifference(lines, expected), undefined);
  }
});

function firstDifference(actual: readonly string[], expected: readonly string[]) {
  const length = Math.max(actual.length, expected.length);
  for (let index = 0; index < length; index += 1) {
    if (actual[index] !== expected[index]) {
      return { actual: actual.slice(index, index + 3), expected: expected.slice(index, index + 3) };
    }
  }
  return undefined;
}

test("a log group that doesn't exist fails the task", async () => {
  const { logConfiguration } = toLogGroup;
  const options = { ...logConfiguration!.options, "awslogs-group": "/no/such/group" };
  const container = { logConfiguration: { ...logConfiguration!, options } };
  const { stopCode, stoppedReason } = await (await stage.place([container])).until("STOPPED");
  assert.equal(stopCode, "TaskFailedToStart");
  assert.equal(
    stoppedReason,
    "ResourceInitializationError: failed to validate logger args: create stream has been " +
      "retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: " +
      "The specified log group does not exist. : exit status 1",
  );
});

test("an execution role that may not write logs fails the task", async () => {
  const executionRoleArn = await stage.role("mute");
  const task = await stage.place([toLogGroup], { definition: { executionRoleArn } });
  const { stopCode, stoppedReason = "" } = await task.until("STOPPED");
  assert.equal(stopCode, "TaskFailedToStart");
  assert.match(
    stoppedReason,
    /^ResourceInitializationError: .*AccessDeniedException: .*assumed-role\/mute\/.*logs:CreateLogStream/,
  );
});
