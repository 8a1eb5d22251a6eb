import type { CloudWatchLogs, InputLogEvent } from "@aws-sdk/client-cloudwatch-logs";

import type { Log } from "../base/log.ts";
import { type Output, outputEvents } from "./container-output.ts";
import {
  logBatchBytes,
  logBatchEvents,
  logEventOverheadBytes,
  logFlushMs,
  logWaitingBytes,
  retryMs,
} from "./limits.ts";

export interface LogDestination {
  readonly group: string;
  readonly stream: string;
}

/** How far a container's output was sent: the last millisecond, and how many of its events. */
export interface LogPosition {
  readonly atMs: number;
  readonly count: number;
}

/**
 * Sends a container's output to CloudWatch Logs as it comes, a line an event. The engine keeps the
 * output too, so that nothing is lost while the API is away.
 */
export class LogShipper {
  readonly #logs: CloudWatchLogs;
  readonly #destination: LogDestination;
  readonly #log: Log;
  readonly #waiting: InputLogEvent[] = [];
  #waitingBytes = 0;
  #sending: Promise<void> | undefined;
  /** How far the output was read. */
  #position: LogPosition;

  /** `after` is where the stream ended before a restart. */
  constructor(
    logs: CloudWatchLogs,
    destination: LogDestination,
    log: Log,
    after: LogPosition = { atMs: 0, count: 0 },
  ) {
    this.#position = after;
    this.#logs = logs;
    this.#destination = destination;
    this.#log = log;
  }

  /** Makes the stream; throws what the API says, as Fargate validates its logger first. */
  async prepare(): Promise<void> {
    const { group: logGroupName, stream: logStreamName } = this.#destination;
    try {
      await this.#logs.createLogStream({ logGroupName, logStreamName });
    } catch (error) {
      if ((error as Error).name !== "ResourceAlreadyExistsException") throw error;
    }
  }

  get position(): LogPosition {
    return this.#position;
  }

  /** Ships what the output has beyond what was shipped; resolves when all of it has arrived. */
  async ship(output: Output): Promise<void> {
    const isShipped = shippedBefore(this.#position);
    for await (const event of outputEvents(output)) {
      if (isShipped(event)) continue;
      this.#position = advanced(this.#position, event);
      this.#waiting.push(event);
      this.#waitingBytes += bytesOf(event);
      this.#sending ??= this.#send();
      if (this.#waitingBytes > logWaitingBytes) await this.#sending;
    }
    await this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const isFull = this.#waitingBytes >= logBatchBytes || this.#waiting.length >= logBatchEvents;
      if (!isFull) await new Promise((resolve) => setTimeout(resolve, logFlushMs));
      const batch = this.#takeBatch();
      batch.sort((a, b) => a.timestamp! - b.timestamp!);
      await this.#put(batch);
    }
    this.#sending = undefined;
  }

  #takeBatch(): InputLogEvent[] {
    let bytes = 0;
    let count = 0;
    for (const event of this.#waiting) {
      bytes += bytesOf(event);
      if (bytes > logBatchBytes || count === logBatchEvents) break;
      count += 1;
    }
    const batch = this.#waiting.splice(0, count);
    for (const event of batch) this.#waitingBytes -= bytesOf(event);
    return batch;
  }

  async #put(logEvents: InputLogEvent[]): Promise<void> {
    const { group: logGroupName, stream: logStreamName } = this.#destination;
    for (;;) {
      try {
        await this.#logs.putLogEvents({ logGroupName, logStreamName, logEvents });
        return;
      } catch (error) {
        const refused = "$fault" in (error as object) && (error as { $fault: string }).$fault;
        this.#log.warn({ error: String(error), logStreamName }, "log lines could not be sent");
        // What the API refuses it refuses again; everything else is worth another try.
        if (refused === "client") return;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }
}

/**
 * Where a stream ends. Only what the stream itself has tells what arrived before a crash, so this
 * needs rights that the execution role lacks.
 */
export async function endOfStream(
  logs: CloudWatchLogs,
  { group: logGroupName, stream: logStreamName }: LogDestination,
): Promise<LogPosition> {
  const { events = [] } = await logs.getLogEvents({ logGroupName, logStreamName });
  return events.reduce(advanced, { atMs: 0, count: 0 });
}

/** The latest millisecond counts: the two streams' lines may come a little out of order. */
function advanced(position: LogPosition, { timestamp = 0 }: { timestamp?: number | undefined }) {
  if (timestamp < position.atMs) return position;
  return { atMs: timestamp, count: timestamp === position.atMs ? position.count + 1 : 1 };
}

/** Whether an event comes up to the position; asked of every event, in order. */
function shippedBefore(position: LogPosition): (event: InputLogEvent) => boolean {
  let passed = 0;
  return ({ timestamp = 0 }) => {
    if (timestamp !== position.atMs) return timestamp < position.atMs;
    passed += 1;
    return passed <= position.count;
  };
}

function bytesOf({ message = "" }: InputLogEvent): number {
  return Buffer.byteLength(message) + logEventOverheadBytes;
}
