// Mooring's NFS server beside nfs-ganesha, on this machine: operations a second, and the CPU time
// that one takes.
import { statfsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { type BenchCase, cases } from "./cases.ts";
import { startGanesha } from "./ganesha.ts";
import { LoadGenerator } from "./load.ts";
import { startMooring } from "./mooring.ts";
import { type Row, rowOf, summaryOf, tableOf } from "./report.ts";
import { Rounds } from "./rounds.ts";
import { benchScale } from "./scale.ts";

const usage = `npm run bench -- [OPTION...]
  --json           one JSON object a line instead of a table
  --rounds N       how often each case is measured; medians are shown (3)
  --seconds S      how long each time (2)
  --only TEXT      the cases with TEXT in their name; may be given several times
  --disk DIR|tmpfs where both servers keep their files (the directory for temporary files)
  --scale          instead, a file system with very many files beside a small one
  --entries N      of one directory of it (1,000,000)
  --files N        in directories of a thousand (1,000,000)
  --bytes N        of each file (0)`;

/** What statfs(2) gives as the type of tmpfs. */
const tmpfsMagic = 0x01021994;

const options = readOptions();
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)));
}
try {
  await (options.scale ? benchScale(options, interrupted.signal) : bench());
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}

async function bench(): Promise<void> {
  const { signal } = interrupted;
  const { only } = options;
  const wanted = cases.filter(({ name }) => only.some((text) => name.includes(text)));
  if (wanted.length === 0) throw new Error(`no case has ${only.join(" or ")} in its name`);
  await using cleanUp = new AsyncDisposableStack();
  const generator = new LoadGenerator(signal);
  const directory = await mkdtemp(path.join(options.disk, "mooring-bench-"));
  cleanUp.defer(() => rm(directory, { recursive: true, force: true }));
  const mooring = await startMooring(path.join(directory, "mooring"), signal);
  cleanUp.defer(() => mooring.stop());
  const peer = await startGanesha(path.join(directory, "ganesha"), signal);
  cleanUp.defer(() => peer.stop());
  const rounds = new Rounds({ mooring, peer }, generator, { ...options, directory });
  const samples = await rounds.measure(wanted, (line) => console.error(`bench: ${line}`));
  const rows = wanted.map(({ name, goal, onlyOnDisk }, index) => {
    const hasGoal = !(onlyOnDisk && options.inMemory);
    return rowOf({ name, goal: hasGoal ? goal : undefined, ...samples[index]! });
  });
  if (options.json) for (const row of rows) console.log(JSON.stringify(row));
  else for (const line of tablesOf(wanted, rows)) console.log(line);
}

function tablesOf(wanted: readonly BenchCase[], rows: readonly Row[]): string[] {
  const besidePeer = rows.filter((_, index) => !wanted[index]?.secure);
  const besidePlain = rows.filter((_, index) => wanted[index]?.secure);
  return [
    ...(besidePeer.length > 0 ? tableOf(besidePeer) : []),
    ...(besidePlain.length > 0 ? tableOf(besidePlain, ["TLS", "plain"]) : []),
    summaryOf(rows),
  ];
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: "boolean", default: false },
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "2" },
        only: { type: "string", multiple: true, default: [""] },
        disk: { type: "string", default: tmpdir() },
        scale: { type: "boolean", default: false },
        entries: { type: "string", default: "1000000" },
        files: { type: "string", default: "1000000" },
        bytes: { type: "string", default: "0" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    const rounds = Number(values.rounds);
    const seconds = Number(values.seconds);
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds}`);
    if (!(seconds > 0 && seconds <= 600)) throw new Error(`--seconds ${values.seconds}`);
    const [entries, files, bytes] = [values.entries, values.files, values.bytes].map((text) => {
      if (!/^\d+$/.test(text)) throw new Error(`${text} is no number`);
      return Number(text);
    }) as [number, number, number];
    const disk = values.disk === "tmpfs" ? "/dev/shm" : values.disk;
    return {
      ...values,
      rounds,
      seconds,
      entries,
      files,
      bytes,
      disk,
      inMemory: statfsSync(disk).type === tmpfsMagic,
    };
  } catch (error) {
    console.error(`bench: ${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}
