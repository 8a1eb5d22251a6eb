import { type ByteString, byteString } from "../../store/byte-string.ts";
import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";

export interface LogGroup {
  readonly name: string;
  readonly createdAtMs: number;
  retentionDays?: number;
}

export interface LogStream {
  readonly group: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Events so far; the number of the next one. */
  next: number;
  firstEventMs?: number;
  lastEventMs?: number;
  lastIngestionMs?: number;
}

export interface LogEvent {
  readonly timestampMs: number;
  readonly ingestionMs: number;
  readonly message: string;
}

/** Log groups, streams and their events in order of arrival. */
export class LogStore {
  readonly groups: Table<LogGroup>;
  readonly #streams: Table<LogStream>;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
    this.groups = new Table(store, "logs-groups");
    this.#streams = new Table(store, "logs-streams");
  }

  stream(group: string, name: string): LogStream | undefined {
    return this.#streams.get(streamId(group, name));
  }

  streams(group: string): LogStream[] {
    return this.#streams.list(`${group}\0`);
  }

  putStream(stream: LogStream): void {
    this.#streams.put(streamId(stream.group, stream.name), stream);
  }

  append(stream: LogStream, events: readonly LogEvent[]): void {
    this.#store.write((writer) => {
      for (const event of events) {
        writer.put(eventKey(stream, stream.next), Buffer.from(JSON.stringify(event)));
        stream.next += 1;
        stream.firstEventMs = Math.min(stream.firstEventMs ?? Infinity, event.timestampMs);
        stream.lastEventMs = Math.max(stream.lastEventMs ?? 0, event.timestampMs);
        stream.lastIngestionMs = event.ingestionMs;
      }
      this.#streams.put(streamId(stream.group, stream.name), stream, writer);
    });
  }

  /** Events by number, `from` <= number < `to`. */
  events(stream: LogStream, from: number, to: number): LogEvent[] {
    return this.#store.read((reader) => {
      const range = { from: eventKey(stream, from), to: eventKey(stream, to) };
      return Array.from(reader.scan(range), (entry) => JSON.parse(textOf(entry.value)) as LogEvent);
    });
  }

  removeStream(stream: LogStream): void {
    this.#store.write((writer) => {
      for (let number = 0; number < stream.next; number += 1) {
        writer.remove(eventKey(stream, number));
      }
      this.#streams.remove(streamId(stream.group, stream.name), writer);
    });
  }
}

function streamId(group: string, name: string): string {
  return `${group}\0${name}`;
}

function eventKey(
  stream: Pick<LogStream, "createdAtMs" | "group" | "name">,
  number: number,
): ByteString {
  const id = `logs-events/${streamId(stream.group, stream.name)}\0`;
  const key = Buffer.alloc(Buffer.byteLength(id) + 8);
  key.write(id);
  key.writeBigUInt64BE(BigInt(number), key.length - 8);
  return byteString(key);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
