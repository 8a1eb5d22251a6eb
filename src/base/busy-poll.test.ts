import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { BusyPoll } from "./busy-poll.ts";

let nowMs: number;
let turns: (() => void)[];
let poll: BusyPoll;

beforeEach(() => {
  nowMs = 1000;
  turns = [];
  poll = new BusyPoll({ nowMs: () => nowMs, next: (call) => turns.push(call) });
});

/** Turns of the event loop, 0.01 ms each, as long as the poll asks for one; how many there were. */
function turnUntilQuiet(): number {
  let count = 0;
  for (; turns.length > 0; count += 1) {
    nowMs += 0.01;
    turnOnce();
  }
  return count;
}

function turnOnce(): void {
  for (const turn of turns.splice(0)) turn();
}

function workEvery(ms: number, times: number): void {
  for (let time = 0; time < times; time += 1) {
    nowMs += ms;
    poll.worked();
    turnOnce();
  }
}

test("work that comes now and then is slept for", () => {
  workEvery(5, 100);
  assert.equal(turns.length, 0);
});

test("after some pieces in close succession the next one is looked for, not for long", () => {
  workEvery(0.05, 20);
  assert.equal(turns.length, 1);
  const count = turnUntilQuiet();
  assert.ok(count >= 5 && count <= 8, `${count} turns`);
});

test("work that comes while it is looked for prolongs the look", () => {
  workEvery(0.05, 20);
  let count = 0;
  for (let time = 0; time < 50; time += 1) {
    for (let turn = 0; turn < 3; turn += 1, count += 1) {
      nowMs += 0.01;
      turnOnce();
    }
    poll.worked();
    assert.equal(turns.length, 1, `after ${count} turns`);
  }
});

test("looks that are always in vain become rare", () => {
  let wasted = 0;
  for (let time = 0; time < 10_000; time += 1) {
    // Each piece comes a little too late for the look.
    wasted += turnUntilQuiet();
    nowMs += 0.1;
    poll.worked();
  }
  assert.ok(wasted < 200, `${wasted} turns of 10,000 pieces of work`);
  assert.ok(wasted > 10, `${wasted} turns: it never looked`);
});

test("a look that succeeds makes up for vain ones", () => {
  for (let time = 0; time < 2000; time += 1) {
    turnUntilQuiet();
    workEvery(0.1, 1);
  }
  workEvery(0.02, 2000);
  turnUntilQuiet();
  workEvery(0.05, 20);
  assert.equal(turns.length, 1);
});

test("a loop that is busy anyway is left alone", () => {
  workEvery(0.05, 20);
  for (let piece = 0; piece < 5; piece += 1) poll.worked();
  assert.equal(turnUntilQuiet(), 1);
});
