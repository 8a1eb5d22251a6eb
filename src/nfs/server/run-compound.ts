import { NotResident } from "../../files/failure.ts";
import { Operation } from "../../wire/nfs4/operations.ts";
import { Status, type StatusCode } from "../../wire/nfs4/status.ts";
import { XdrError, type XdrReader } from "../../wire/xdr/xdr-reader.ts";
import type { Compound, Outcome } from "./compound.ts";
import { operationsLimit, tagLimit } from "./limits.ts";
import {
  bodyOnError,
  errorsWithBody,
  largestResults,
  lowestOperation,
  sessionless,
  showingRoot,
  versions,
} from "./operations/table.ts";

/** Where the driver is in a compound: what it needs to go on after a wait. */
interface Progress {
  readonly compound: Compound;
  readonly countAt: number;
  done: number;
}

/**
 * Runs COMPOUND's operations one after the other until one fails (RFC 8881 §2.3, §16.2) and
 * writes the whole result. At once where nothing has to be waited for.
 */
export function runCompound(compound: Compound): void | Promise<void> {
  const { reader, writer } = compound;
  const tag = reader.opaque(tagLimit);
  const minorVersion = reader.uint32();
  compound.operationCount = reader.uint32();
  compound.resultStart = writer.length;
  writer.uint32(Status.OK);
  writer.opaque(tag);
  const countAt = writer.length;
  writer.uint32(0);
  const progress = { compound, countAt, done: 0 };
  if (minorVersion !== 0 && minorVersion !== 1) {
    return finish(progress, Status.MINOR_VERS_MISMATCH);
  }
  compound.minorVersion = minorVersion;
  // NFSv4.1 has no NFS4ERR_RESOURCE: there SEQUENCE counts (RFC 8881 §15.1.16, §18.46.3).
  if (minorVersion === 0 && compound.operationCount > operationsLimit) {
    return finish(progress, Status.RESOURCE);
  }
  return proceed(progress);
}

/** The minor version of the compound that the reader stands at; 1 where there isn't any. */
export function peekMinorVersion(reader: XdrReader): number {
  const { offset } = reader;
  try {
    reader.skipOpaque(tagLimit);
    return reader.uint32();
  } catch {
    return 1;
  } finally {
    reader.offset = offset;
  }
}

function proceed(progress: Progress): void | Promise<void> {
  const { compound } = progress;
  while (progress.done < compound.operationCount) {
    const operation = startOperation(compound);
    const { length: bodyStart } = compound.writer;
    const outcome = perform(compound, operation, progress.done);
    if (typeof outcome !== "number") {
      return proceedLater(progress, operation, bodyStart, outcome);
    }
    if (!endOperation(progress, operation, bodyStart, outcome)) return undefined;
  }
  return finish(progress, Status.OK);
}

/** Goes on when what the operation waits for is there. */
async function proceedLater(
  progress: Progress,
  operation: number,
  bodyStart: number,
  outcome: Promise<StatusCode>,
): Promise<void> {
  const { compound } = progress;
  const { current, saved, files } = compound;
  if (current !== undefined) files.pin(current);
  if (saved !== undefined) files.pin(saved);
  try {
    const status = await outcome.catch((error: unknown) => failure(error));
    if (status instanceof NotResident) {
      await status.loaded;
      compound.writer.length = bodyStart - 8;
    } else if (!endOperation(progress, operation, bodyStart, status)) return;
  } finally {
    if (current !== undefined) files.unpin(current);
    if (saved !== undefined) files.unpin(saved);
  }
  await proceed(progress);
}

/** There are fewer operations than the compound said. */
const missingOperation = -1;

function startOperation({ reader, writer, minorVersion }: Compound): number {
  const number = reader.remaining >= 4 ? reader.uint32() : missingOperation;
  const known = number >= lowestOperation && number <= versions[minorVersion].highest;
  const operation = known ? number : Operation.ILLEGAL;
  writer.uint32(operation);
  writer.uint32(Status.OK);
  return number === missingOperation ? number : operation;
}

function perform(compound: Compound, operation: number, index: number): Outcome {
  if (operation === missingOperation) return Status.BADXDR;
  if (operation === Operation.ILLEGAL) return Status.OP_ILLEGAL;
  if (compound.minorVersion === 1) {
    const misplaced = placement(compound, operation, index);
    if (misplaced !== undefined) return misplaced;
  }
  const handler = versions[compound.minorVersion].handlers[operation];
  if (handler === undefined) return Status.NOTSUPP;
  if (compound.seesRootOnly && !showingRoot.has(operation)) return Status.ACCESS;
  const largest = largestResults[operation];
  if (largest !== undefined) {
    const refused = compound.refuseLength(largest, index === compound.operationCount - 1);
    if (refused !== undefined) return refused;
  }
  const { offset } = compound.reader;
  try {
    return handler(compound);
  } catch (error) {
    const status = failure(error);
    if (typeof status === "number") return status;
    // Back to the operation's number: it runs again from the start.
    compound.reader.offset = offset - 4;
    return Promise.reject(status);
  }
}

/** What an operation's throwing means: malformed arguments, or a wait; else it is a defect. */
function failure(error: unknown): StatusCode | NotResident {
  if (error instanceof XdrError) return Status.BADXDR;
  if (error instanceof NotResident) return error;
  throw error;
}

/** SEQUENCE comes first; few operations may do without it, and then alone (RFC 8881 §2.10.6.4). */
function placement(compound: Compound, operation: number, index: number): StatusCode | undefined {
  if (operation === Operation.SEQUENCE) return index === 0 ? undefined : Status.SEQUENCE_POS;
  if (index > 0 && compound.session !== undefined) return undefined;
  if (!sessionless.has(operation)) return Status.OP_NOT_IN_SESSION;
  return compound.operationCount > 1 ? Status.NOT_ONLY_OP : undefined;
}

/** Whether the next operation is to be run. */
function endOperation(
  progress: Progress,
  operation: number,
  bodyStart: number,
  outcome: StatusCode,
): boolean {
  const { compound } = progress;
  const { writer } = compound;
  if (compound.replay !== undefined) {
    writer.length = compound.resultStart;
    writer.room(compound.replay.length).set(compound.replay);
    return false;
  }
  progress.done += 1;
  const isLast = outcome !== Status.OK || progress.done === compound.operationCount;
  const status = compound.refuseLength(0, isLast) ?? outcome;
  const keepsBody =
    status === Status.OK ||
    (bodyOnError.has(operation) && status !== Status.BADXDR) ||
    errorsWithBody.get(operation) === status;
  if (!keepsBody) writer.length = bodyStart;
  if (status !== Status.OK && bodyOnError.has(operation) && writer.length === bodyStart) {
    writer.uint32(0);
  }
  if (status === Status.OK) return true;
  writer.patchUint32(bodyStart - 4, status);
  finish(progress, status);
  return false;
}

function finish({ compound, countAt, done }: Progress, status: StatusCode): void {
  const { writer, slot, resultStart } = compound;
  writer.patchUint32(resultStart, status);
  writer.patchUint32(countAt, done);
  if (slot !== undefined && compound.keepReply) {
    slot.reply = Uint8Array.prototype.slice.call(writer.written(resultStart));
  }
}
