import { BusyPoll } from "../../base/busy-poll.ts";
import { SpareCompound } from "./spare-compound.ts";
import { SpareWriters } from "./spare-writers.ts";

/** What the connections of a server use in turn. */
export class SharedParts {
  readonly busyPoll = new BusyPoll();
  readonly spareCompound = new SpareCompound();
  readonly spareWriters = new SpareWriters();
}
