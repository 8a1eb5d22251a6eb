import type { Readable } from "node:stream";
import type { CloudWatchLogs, InputLogEvent } from "@aws-sdk/client-cloudwatch-logs";

import type { Log } from "../base/log.ts";
import { logBatchEvents, logFlushMs, logLineLimit, retryMs } from "./limits.ts";
import type { LogPosition } from "./task-directory.ts";

export interface LogDestination {
  readonly group: string;
  readonly stream: string;
}

/**
 * Sends a container's output to CloudWatch Logs as it comes, a line an event. The engine keeps the
 * output too, so that nothing is lost while the API is away.
 */
export class LogShipper {
  readonly #logs: CloudWatchLogs;
  readonly #destination: LogDestination;
  readonly #log: Log;
  #waiting: InputLogEvent[] = [];
  #sending: Promise<void> | undefined;
  #ended = false;
  #position: LogPosition = { atMs: 0, count: 0 };
  readonly #sent: (position: LogPosition) => void;

  /** `sent` is told how far the output has arrived, to go on from there after a restart. */
  constructor(
    logs: CloudWatchLogs,
    destination: LogDestination,
    sent: (position: LogPosition) => void,
    log: Log,
  ) {
    this.#sent = sent;
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

  /** Ships until the output ends; lines carry the engine's timestamps. */
  async ship(output: readonly Readable[], after: LogPosition | undefined): Promise<void> {
    this.#position = after ?? this.#position;
    let skipped = 0;
    const take = (line: string): void => {
      const event = parseLine(line);
      if (event === undefined) return;
      if (after !== undefined && event.timestamp! < after.atMs) return;
      if (after !== undefined && event.timestamp === after.atMs && skipped < after.count) {
        skipped += 1;
        return;
      }
      this.#waiting.push(event);
      this.#sending ??= this.#send();
    };
    await Promise.all(output.map((stream) => readLines(stream, take)));
    this.#ended = true;
    while (this.#sending !== undefined) await this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (!this.#ended) await new Promise((resolve) => setTimeout(resolve, logFlushMs));
      const batch = this.#waiting.splice(0, logBatchEvents);
      batch.sort((a, b) => a.timestamp! - b.timestamp!);
      await this.#put(batch);
    }
    this.#sending = undefined;
  }

  #advance(sent: readonly InputLogEvent[]): void {
    const atMs = sent.at(-1)!.timestamp!;
    const count = sent.filter(({ timestamp }) => timestamp === atMs).length;
    const same = this.#position.atMs === atMs ? this.#position.count : 0;
    this.#position = { atMs, count: count + same };
    this.#sent(this.#position);
  }

  async #put(logEvents: InputLogEvent[]): Promise<void> {
    const { group: logGroupName, stream: logStreamName } = this.#destination;
    for (;;) {
      try {
        await this.#logs.putLogEvents({ logGroupName, logStreamName, logEvents });
        this.#advance(logEvents);
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

/** `2026-11-24T10:00:00.123456789Z text`, as Docker writes it; empty lines are no events. */
function parseLine(line: string): InputLogEvent | undefined {
  const space = line.indexOf(" ");
  const timestamp = Date.parse(line.slice(0, space));
  const message = line.slice(space + 1).slice(0, logLineLimit);
  return Number.isNaN(timestamp) || message === "" ? undefined : { timestamp, message };
}

async function readLines(stream: Readable, take: (line: string) => void): Promise<void> {
  let partial = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (partial + chunk).split("\n");
    partial = lines.pop()!;
    for (const line of lines) take(line.replace(/\r$/, ""));
  }
  if (partial !== "") take(partial);
}
