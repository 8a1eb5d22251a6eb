import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

import type { SeededRandom } from "../../src/base/random.ts";
import { type DiskEvent, LoggedDisk } from "./logged-disk.ts";

const source = path.join(import.meta.dirname, "fault-disk.c");
const headerBytes = 40;
const flags = { created: 1, emptied: 2, eachWriteFlushed: 4, zeros: 8 } as const;

/** The disk below one process's directory, which forgets what was not flushed. */
export class FaultDisk {
  readonly #directory: string;
  /** The library, the log and the boot's id. */
  readonly #own: string;
  #before = new Map<string, Buffer>();
  #boots = 0;

  /** `own` is another directory, for this one's use. */
  constructor(directory: string, own: string) {
    this.#directory = directory;
    this.#own = own;
    mkdirSync(own, { recursive: true });
    const library = ["-O2", "-shared", "-fPIC", "-o", path.join(own, "disk.so")];
    execFileSync("gcc", [...library, source, "-ldl", "-lpthread"]);
  }

  /**
   * Before the process starts: what is there now is on the disk. Returns its environment. The flush
   * of contents with that number fails, counted from 1; 0 for none.
   */
  powerOn(failingFlush: number): NodeJS.ProcessEnv {
    this.#before = filesIn(this.#directory);
    this.#boots += 1;
    const at = (name: string): string => path.join(this.#own, name);
    rmSync(at("log"), { force: true });
    writeFileSync(
      at("boot"),
      `${String(this.#boots).padStart(8, "0")}-0000-4000-8000-000000000000`,
    );
    return {
      LD_PRELOAD: at("disk.so"),
      MOORING_DISK_ROOT: this.#directory,
      MOORING_DISK_LOG: at("log"),
      MOORING_DISK_FAILS: String(failingFlush),
      MOORING_BOOT_ID: at("boot"),
    };
  }

  /** After the process was killed: the directory is as the loss of power leaves it. */
  losePower(random: SeededRandom): void {
    const disk = new LoggedDisk(this.#before);
    for (const event of eventsIn(readFileSync(path.join(this.#own, "log")))) disk.apply(event);
    const found = disk.afterLoss(random);
    for (const name of filesIn(this.#directory).keys()) rmSync(name);
    for (const name of globSync("**/*-lock", { cwd: this.#directory })) {
      rmSync(path.join(this.#directory, name));
    }
    for (const [name, bytes] of found) if (!isLock(name)) writeFileSync(name, bytes);
  }
}

function filesIn(directory: string): Map<string, Buffer> {
  const names = globSync("**", { cwd: directory }).map((name) => path.join(directory, name));
  const files = names.filter((name) => !isLock(name) && statSync(name).isFile());
  return new Map(files.map((name) => [name, readFileSync(name)]));
}

/** LMDB's lock file means nothing to a machine that starts anew. */
function isLock(name: string): boolean {
  return name.endsWith("-lock");
}

/** The last record may be cut off. */
function* eventsIn(log: Buffer): Generator<DiskEvent> {
  for (let at = 0; log.length - at >= headerBytes;) {
    const [kind, descriptor, offset, length, told] = [0, 8, 16, 24, 32].map((field) =>
      Number(log.readBigUInt64LE(at + field)),
    ) as [number, number, number, number, number];
    const end = at + headerBytes + length;
    if (end > log.length) return;
    const decode = decoders[kind - 1];
    if (decode === undefined) throw new Error(`a record of kind ${kind}`);
    yield decode({ descriptor, offset, told, payload: log.subarray(at + headerBytes, end) });
    at = end;
  }
}

interface DiskRecord {
  readonly descriptor: number;
  readonly offset: number;
  readonly told: number;
  readonly payload: Buffer;
}

/** By kind, from 1. */
const decoders: readonly ((record: DiskRecord) => DiskEvent)[] = [
  ({ descriptor, told, payload }) => ({
    kind: "open",
    descriptor,
    path: pathsIn(payload)[0]!,
    flags: { created: (told & flags.created) !== 0, emptied: (told & flags.emptied) !== 0 },
  }),
  ({ descriptor }) => ({ kind: "close", descriptor }),
  ({ descriptor, offset, told, payload }) => ({
    kind: "write",
    descriptor,
    offset,
    bytes:
      told & flags.zeros ? Buffer.alloc(Number(payload.readBigUInt64LE())) : payload.subarray(8),
    isFlushed: (told & flags.eachWriteFlushed) !== 0,
  }),
  ({ descriptor, offset }) => ({ kind: "truncate", descriptor, length: offset }),
  ({ descriptor, offset }) => ({ kind: "flushBegins", descriptor, thread: offset }),
  ({ descriptor, offset }) => ({ kind: "flushed", descriptor, thread: offset }),
  ({ payload }) => ({ kind: "unlink", path: pathsIn(payload)[0]! }),
  ({ payload }) => ({ kind: "rename", path: pathsIn(payload)[0]!, to: pathsIn(payload)[1]! }),
  ({ payload }) => ({ kind: "makeDirectory", path: pathsIn(payload)[0]! }),
  ({ descriptor, offset }) => ({ kind: "flushFailed", descriptor, thread: offset }),
];

function pathsIn(payload: Buffer): string[] {
  return payload.toString().split("\0");
}
