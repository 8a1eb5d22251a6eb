// Opens, locks and closes of two clients in any order: what is counted is what is held, and at the
// end nothing is left (RFC 8881 §9, §18.2, §18.10, §18.12, §18.16, §18.18, §18.38).
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import type { Stateid } from "../../wire/nfs4/stateid.ts";
import type { Client } from "./state/client.ts";
import type { FileSystemState } from "./state/file-system-state.ts";
import type { Session } from "./state/session.ts";
import { emptyState, introduced, runDirectly, sessionOf } from "./testing/direct-compound.ts";
import { nameOf } from "./testing/raw-client.ts";
import { close, downgrade, open } from "./testing/raw-opens.ts";
import {
  freeStateid,
  getHandle,
  lock,
  putHandle,
  putRoot,
  type RawOperation,
  remove,
  unlock,
} from "./testing/raw-operations.ts";
import { sequence } from "./testing/raw-sessions.ts";

const names = ["f", "g"] as const;

const step = fc.record(
  {
    who: fc.nat(1),
    kind: fc.constantFrom("open", "lock", "unlock", "downgrade", "free", "close", "remove"),
    name: fc.constantFrom(...names),
    owner: fc.constantFrom("o", "p"),
    access: fc.integer({ min: 1, max: 3 }),
    start: fc.bigInt({ min: 0n, max: 9n }),
    length: fc.bigInt({ min: 1n, max: 9n }),
    /** Which of the stateids that the client has. */
    which: fc.nat(20),
  },
  { noNullPrototype: true },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Mount {
  readonly client: Client;
  readonly #state: FileSystemState;
  readonly #session: Session;
  /** Of the files that it has opened, by the last word of the stateid. */
  readonly #handles = new Map<number, Buffer>();

  constructor(state: FileSystemState, owner: string) {
    this.#state = state;
    this.client = introduced(state, owner);
    this.#session = sessionOf(state, this.client);
  }

  run(operations: readonly RawOperation<unknown>[]): {
    readonly status: string;
    readonly values: readonly unknown[];
  } {
    const { sequence: last } = this.#session.slots[0]!;
    const first = sequence({ sessionId: this.#session.id, sequence: last + 1 });
    const { status, values } = runDirectly(this.#state, [first, ...operations]);
    return { status: nameOf(status), values };
  }

  take(given: Step): void {
    const { kind, name, owner, access } = given;
    if (kind === "remove") this.run([putRoot, remove(name)]);
    else if (kind === "open") {
      const asked = open(name, { owner, access, create: { mode: 0 } });
      const { values } = this.run([putRoot, asked, getHandle]);
      const { stateid } = values[2] as { stateid: Stateid };
      this.#handles.set(stateid.other2, values[3] as Buffer);
    } else this.#use(given);
  }

  #use({ kind, owner, access, start: offset, length, which }: Step): void {
    const held = [...this.client.states.values()];
    if (held.length === 0) return;
    const chosen = held[which % held.length]!;
    const { number } = chosen.kind === "open" ? chosen : chosen.open;
    const stateid = this.#of(chosen.number);
    const type = (which % 4) + 1;
    const newOwner = chosen.kind === "open" ? { newOwner: owner } : {};
    const asked = {
      lock: () => lock({ type, offset, length, stateid, ...newOwner }),
      unlock: () => unlock(stateid, offset, length),
      downgrade: () => downgrade(stateid, access),
      free: () => freeStateid(stateid),
      close: () => close(stateid),
    }[kind as "lock"]();
    this.run([putHandle(this.#handles.get(number)!), asked]);
  }

  /** Unlocks and closes all. */
  leave(): void {
    for (const held of this.client.states.values()) {
      const open = held.kind === "open" ? held : held.open;
      const handle = putHandle(this.#handles.get(open.number)!);
      for (const owned of open.locks ?? []) {
        assert.equal(this.run([handle, unlock(this.#of(owned.number))]).status, "NFS4_OK");
      }
      assert.equal(this.run([handle, close(this.#of(open.number))]).status, "NFS4_OK");
    }
  }

  #of(number: number): Stateid {
    return {
      seqid: 0,
      other0: this.#state.instance,
      other1: this.client.number,
      other2: number,
    };
  }
}

/** What is counted is what there is. */
function check(state: FileSystemState, { states, opens, lockedRanges }: Client): void {
  const locks = [...opens.values()].flatMap((open) => [...(open.locks ?? [])]);
  assert.equal(states.size, opens.size + locks.length);
  for (const held of locks) {
    const { inode } = held.open;
    assert.equal(held.ranges, state.files.locks.count(inode.number, held.owner));
  }
  const ranges = locks.reduce((sum, held) => sum + held.ranges, 0);
  assert.equal(lockedRanges, ranges);
}

test("in whatever order files are opened, locked and closed, nothing is lost or left", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80, size: "max" }), (steps) => {
      const state = emptyState();
      const mounts = [new Mount(state, "a"), new Mount(state, "b")];
      for (const given of steps) {
        mounts[given.who]!.take(given);
        for (const { client } of mounts) check(state, client);
      }
      for (const mount of mounts) {
        mount.leave();
        assert.deepEqual([mount.client.states.size, mount.client.lockedRanges], [0, 0]);
      }
      for (const name of names) mounts[0]!.run([putRoot, remove(name)]);
      // What was removed while it was open is gone by now, the root is left.
      assert.equal(state.files.meteredBytes().total, emptyState().files.meteredBytes().total);
    }),
    { numRuns: 200 },
  );
});
