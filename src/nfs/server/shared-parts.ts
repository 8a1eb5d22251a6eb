import { BusyPoll } from "../../base/busy-poll.ts";
import { SharedLongBuffers } from "../../wire/rpc/shared-long-buffers.ts";
import { longReadBytes, longReadsLimit } from "./limits.ts";
import { SpareCompound } from "./spare-compound.ts";
import { SpareWriters } from "./spare-writers.ts";

/** What the connections of a server use in turn. */
export class SharedParts {
  readonly busyPoll = new BusyPoll();
  readonly spareCompound = new SpareCompound();
  readonly spareWriters = new SpareWriters();
  readonly longBuffers = new SharedLongBuffers(longReadBytes, longReadsLimit);
}
