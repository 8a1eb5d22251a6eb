import { readFileSync } from "node:fs";

import type { Clock } from "../base/clock.ts";
import { authSysGroups, groupsLimit, groupsMs } from "./limits.ts";

export interface CallingProcess {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The supplementary groups of processes: the kernel tells uid and gid only. */
export class CallerGroups {
  readonly #clock: Clock;
  readonly #known = new Map<
    string,
    { readonly groups: readonly number[]; readonly atMs: number }
  >();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Empty where the process is gone already, or none of ours to see. */
  of({ pid, uid, gid }: CallingProcess): readonly number[] {
    const nowMs = this.#clock.nowMs();
    // A process that becomes another user has changed its groups before.
    const key = `${pid} ${uid} ${gid}`;
    const known = this.#known.get(key);
    if (known !== undefined && nowMs - known.atMs < groupsMs) return known.groups;
    if (this.#known.size >= groupsLimit) this.#known.clear();
    const groups = readGroups(pid);
    this.#known.set(key, { groups, atMs: nowMs });
    return groups;
  }
}

function readGroups(pid: number): readonly number[] {
  if (pid === 0) return [];
  try {
    return groupsIn(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return [];
  }
}

/** What /proc/<pid>/status says (proc_pid_status(5)), as many as AUTH_SYS has room for. */
export function groupsIn(status: string): readonly number[] {
  const line = /^Groups:(.*)$/m.exec(status)?.[1] ?? "";
  return line.split(/\s/).filter(Boolean).map(Number).slice(0, authSysGroups);
}
