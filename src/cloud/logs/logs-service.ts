import * as logs from "@aws-sdk/client-cloudwatch-logs";

import type { Store } from "../../store/store.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { page, type PageRules } from "../contracts/page.ts";
import { type Call, type Operation, operation, type Service } from "../contracts/service.ts";
import { type LogEvent, type LogGroup, type LogStream, LogStore } from "./log-store.ts";

const groupPattern = /^[.\-_/#A-Za-z0-9]{1,512}$/;
const streamPattern = /^[^:*]{1,512}$/;
const batchEventsLimit = 10_000;
const batchBytesLimit = 1_048_576;
const batchSpanMs = 86_400_000;
const eventOverheadBytes = 26;
const pageEventsLimit = 10_000;
const describePages: PageRules = {
  least: 1,
  usual: 50,
  most: 50,
  errorCode: "InvalidParameterException",
};
/** Days that PutRetentionPolicy knows (CloudWatch Logs API reference). */
const retentionDays: ReadonlySet<number> = new Set([
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
  3653,
]);
const futureLimitMs = 2 * 3_600_000;
const pastLimitMs = 14 * 86_400_000;

/** CloudWatch Logs: groups, streams, events (facts §3.8). */
export function logsService(store: Store): Service {
  const logStore = new LogStore(store);
  return {
    prefix: "logs",
    signingName: "logs",
    protocol: { kind: "awsJson1_1", targetPrefix: "Logs_20140328" },
    schemas: logs,
    operations: {
      ...groupOperations(logStore),
      ...streamOperations(logStore),
      PutLogEvents: putLogEvents(logStore),
      GetLogEvents: getLogEvents(logStore),
    },
  };
}

function onGroup(action: string) {
  return (
    input: { logGroupName?: string | undefined; logStreamName?: string | undefined },
    call: Call,
  ) => {
    const stream = input.logStreamName === undefined ? "*" : `log-stream:${input.logStreamName}`;
    const group = groupArn(input.logGroupName ?? "", call);
    return { action, resource: `${group}:${stream}` };
  };
}

function groupArn(name: string, { region, accountId }: Call): string {
  return `arn:aws:logs:${region}:${accountId}:log-group:${name}`;
}

function groupOperations(store: LogStore): Record<string, Operation> {
  return {
    CreateLogGroup: operation({
      authorize: onGroup("CreateLogGroup"),
      handle: (input: logs.CreateLogGroupRequest, { nowMs }) => {
        const name = input.logGroupName ?? "";
        if (!groupPattern.test(name)) {
          throw invalid(`The log group name "${name}" is not valid.`);
        }
        if (store.groups.get(name) !== undefined) {
          throw new ApiError(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
          );
        }
        store.groups.put(name, { name, createdAtMs: nowMs });
      },
    }),
    DeleteLogGroup: operation({
      authorize: onGroup("DeleteLogGroup"),
      handle: (input: logs.DeleteLogGroupRequest) => {
        const group = needGroup(store, input.logGroupName);
        for (const stream of store.streams(group.name)) store.removeStream(stream);
        store.groups.remove(group.name);
      },
    }),
    DescribeLogGroups: operation({
      authorize: (_input: logs.DescribeLogGroupsRequest, call) => ({
        action: "DescribeLogGroups",
        resource: `${groupArn("", call)}*`,
      }),
      handle: (input: logs.DescribeLogGroupsRequest, call) => {
        const groups = store.groups.list(input.logGroupNamePrefix ?? "");
        const { items, next } = page(groups, input.nextToken, input.limit, describePages);
        return {
          nextToken: next,
          logGroups: items.map((group) => ({
            logGroupName: group.name,
            creationTime: Math.floor(group.createdAtMs),
            retentionInDays: group.retentionDays,
            metricFilterCount: 0,
            arn: `${groupArn(group.name, call)}:*`,
            logGroupArn: groupArn(group.name, call),
            storedBytes: 0,
          })),
        };
      },
    }),
    PutRetentionPolicy: operation({
      authorize: onGroup("PutRetentionPolicy"),
      handle: (input: logs.PutRetentionPolicyRequest) => {
        const group = needGroup(store, input.logGroupName);
        const days = input.retentionInDays ?? 0;
        if (!retentionDays.has(days)) throw invalid(`Events can't be kept for ${days} days.`);
        store.groups.put(group.name, { ...group, retentionDays: days });
      },
    }),
  };
}

function streamOperations(store: LogStore): Record<string, Operation> {
  return {
    CreateLogStream: operation({
      authorize: onGroup("CreateLogStream"),
      handle: (input: logs.CreateLogStreamRequest, { nowMs }) => {
        const group = needGroup(store, input.logGroupName);
        const name = input.logStreamName ?? "";
        if (!streamPattern.test(name)) {
          throw invalid(`The log stream name "${name}" is not valid.`);
        }
        if (store.stream(group.name, name) !== undefined) {
          throw new ApiError(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
          );
        }
        store.putStream({ group: group.name, name, createdAtMs: nowMs, next: 0 });
      },
    }),
    DescribeLogStreams: operation({
      authorize: onGroup("DescribeLogStreams"),
      handle: (input: logs.DescribeLogStreamsRequest, call) => {
        const group = needGroup(store, input.logGroupName);
        const prefix = input.logStreamNamePrefix ?? "";
        const streams = store.streams(group.name).filter(({ name }) => name.startsWith(prefix));
        const { items, next } = page(streams, input.nextToken, input.limit, describePages);
        return {
          nextToken: next,
          logStreams: items.map((stream) => ({
            logStreamName: stream.name,
            creationTime: Math.floor(stream.createdAtMs),
            firstEventTimestamp: stream.firstEventMs,
            lastEventTimestamp: stream.lastEventMs,
            lastIngestionTime: stream.lastIngestionMs,
            uploadSequenceToken: String(stream.next),
            arn: `${groupArn(group.name, call)}:log-stream:${stream.name}`,
            storedBytes: 0,
          })),
        };
      },
    }),
    DeleteLogStream: operation({
      authorize: onGroup("DeleteLogStream"),
      handle: (input: logs.DeleteLogStreamRequest) => {
        store.removeStream(needStream(store, input.logGroupName, input.logStreamName));
      },
    }),
  };
}

function putLogEvents(store: LogStore): Operation {
  return operation({
    authorize: onGroup("PutLogEvents"),
    handle: (input: logs.PutLogEventsRequest, { nowMs }) => {
      const stream = needStream(store, input.logGroupName, input.logStreamName);
      const given = input.logEvents ?? [];
      checkBatch(given);
      const events: LogEvent[] = [];
      let tooNew: number | undefined;
      let tooOld: number | undefined;
      for (const [index, { timestamp = 0, message = "" }] of given.entries()) {
        if (timestamp > nowMs + futureLimitMs) tooNew ??= index;
        else if (timestamp < nowMs - pastLimitMs) tooOld = index + 1;
        else {
          const ingestionMs = Math.floor(nowMs);
          events.push({ timestampMs: timestamp, ingestionMs, message });
        }
      }
      store.append(stream, events);
      const rejected = tooNew !== undefined || tooOld !== undefined;
      return {
        nextSequenceToken: String(stream.next),
        ...(rejected && {
          rejectedLogEventsInfo: {
            tooNewLogEventStartIndex: tooNew,
            tooOldLogEventEndIndex: tooOld,
          },
        }),
      };
    },
  });
}

function checkBatch(events: readonly logs.InputLogEvent[]): void {
  if (events.length === 0) throw invalid("A batch has at least one event.");
  if (events.length > batchEventsLimit) throw invalid("A batch has at most 10,000 events.");
  const [first] = events;
  if ((events.at(-1)?.timestamp ?? 0) - (first?.timestamp ?? 0) > batchSpanMs) {
    throw invalid("The batch of log events cannot span more than 24 hours.");
  }
  let bytes = 0;
  let last = 0;
  for (const { message = "", timestamp = 0 } of events) {
    bytes += Buffer.byteLength(message) + eventOverheadBytes;
    if (timestamp < last) {
      throw invalid("Log events in a single PutLogEvents request must be in chronological order.");
    }
    last = timestamp;
  }
  if (bytes > batchBytesLimit) throw invalid("A batch has at most 1,048,576 bytes.");
}

function getLogEvents(store: LogStore): Operation {
  return operation({
    authorize: onGroup("GetLogEvents"),
    handle: (input: logs.GetLogEventsRequest) => {
      const stream = needStream(store, input.logGroupName, input.logStreamName);
      const limit = Math.min(input.limit ?? pageEventsLimit, pageEventsLimit);
      const { from, to } = pageOf(input, stream, limit);
      const start = input.startTime ?? -Infinity;
      const end = input.endTime ?? Infinity;
      const events = store
        .events(stream, from, to)
        .filter(({ timestampMs }) => timestampMs >= start && timestampMs < end);
      return {
        events: events.map(({ timestampMs, ingestionMs, message }) => ({
          timestamp: timestampMs,
          ingestionTime: ingestionMs,
          message,
        })),
        nextForwardToken: token("f", to),
        nextBackwardToken: token("b", from),
      };
    },
  });
}

/** Which events, by number: after a token, from the start, or the last ones. */
function pageOf(
  input: logs.GetLogEventsRequest,
  stream: LogStream,
  limit: number,
): { from: number; to: number } {
  if (input.nextToken !== undefined) {
    const found = /^([fb])\/(\d{56})\/s$/.exec(input.nextToken);
    if (found === null) throw invalid("The specified nextToken is invalid.");
    const at = Number(found[2]);
    if (found[1] === "b") return { from: Math.max(0, at - limit), to: at };
    return { from: at, to: Math.min(stream.next, at + limit) };
  }
  if (input.startFromHead) return { from: 0, to: Math.min(stream.next, limit) };
  return { from: Math.max(0, stream.next - limit), to: stream.next };
}

/** A token that doesn't change is how the end of a stream is told. */
function token(direction: "b" | "f", position: number): string {
  return `${direction}/${String(position).padStart(56, "0")}/s`;
}

function needGroup(store: LogStore, name: string | undefined): LogGroup {
  const group = store.groups.get(name ?? "");
  if (group !== undefined) return group;
  throw new ApiError("ResourceNotFoundException", "The specified log group does not exist.");
}

function needStream(
  store: LogStore,
  groupName: string | undefined,
  name: string | undefined,
): LogStream {
  const group = needGroup(store, groupName);
  const stream = store.stream(group.name, name ?? "");
  if (stream !== undefined) return stream;
  throw new ApiError("ResourceNotFoundException", "The specified log stream does not exist.");
}

function invalid(message: string): ApiError {
  return new ApiError("InvalidParameterException", message);
}
