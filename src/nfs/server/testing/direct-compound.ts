// For tests: compounds run on a state at hand, without a server around it, so that they can begin
// where no test could come to by requests: at numbers that are about to wrap.
import assert from "node:assert/strict";

import { FakeClock } from "../../../base/fake-clock.ts";
import { memoryFileSystem } from "../../../files/testing.ts";
import { XdrReader } from "../../../wire/xdr/xdr-reader.ts";
import { XdrWriter } from "../../../wire/xdr/xdr-writer.ts";
import { Compound, type CompoundRequest } from "../compound.ts";
import { runCompound } from "../run-compound.ts";
import type { Client, Introduction } from "../state/client.ts";
import { MemoryClientRecords } from "../state/client-records.ts";
import { FileSystemState } from "../state/file-system-state.ts";
import type { Session } from "../state/session.ts";
import { type CompoundResult, decodeResults, encodeCompound, root } from "./raw-connection.ts";
import type { RawOperation } from "./raw-operations.ts";

const channel = {
  maximumRequest: 1_048_576,
  maximumReply: 1_048_576,
  maximumCached: 4096,
  maximumOperations: 64,
  slots: 4,
};

/** All that is run directly comes over one connection. */
const speaker = { isOpen: true };

export function emptyState(clock = new FakeClock()): FileSystemState {
  const { files } = memoryFileSystem({ clock });
  return new FileSystemState(files, 7, clock, new MemoryClientRecords());
}

export function introduction(fields: Partial<Introduction> = {}): Introduction {
  const { view, owner, minorVersion } = {
    view: "",
    owner: "c",
    minorVersion: 1 as const,
    ...fields,
  };
  return { view, owner, minorVersion, verifier: "verifier", principal: "0" };
}

/** A confirmed NFSv4.1 client that has nothing to reclaim. */
export function introduced(state: FileSystemState, owner = "c"): Client {
  const client = state.introduce(introduction({ owner }));
  assert.ok(client !== undefined);
  state.confirm(client);
  state.reclaimComplete(client);
  return client;
}

export function sessionOf(state: FileSystemState, client: Client): Session {
  return state.createSession(client, channel);
}

export function requestOn(
  state: FileSystemState,
  reader: XdrReader,
  writer: XdrWriter,
): CompoundRequest {
  return {
    reader,
    writer,
    grant: {
      fileSystem: state.files,
      root: () => state.files.root,
      permissions: { mount: true, write: true, root: true },
      identity: undefined,
      expiresAtMs: undefined,
      closed: () => {},
    },
    view: "",
    speaker,
    state,
    credential: root,
    bootVerifier: Buffer.alloc(8),
    requestLength: reader.remaining,
    duplicate: undefined,
  };
}

/** Nothing in it may wait. */
export function runDirectly(
  state: FileSystemState,
  operations: readonly RawOperation<unknown>[],
): CompoundResult {
  const asked = new XdrWriter();
  encodeCompound(asked, operations);
  const writer = new XdrWriter();
  const compound = new Compound(requestOn(state, new XdrReader(asked.written()), writer));
  assert.equal(runCompound(compound), undefined);
  if (compound.slot !== undefined) compound.slot.busy = false;
  return decodeResults(Buffer.from(writer.written()), operations);
}
