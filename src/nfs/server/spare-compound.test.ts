import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import v8 from "node:v8";
import vm from "node:vm";

import { XdrReader } from "../../wire/xdr/xdr-reader.ts";
import { XdrWriter } from "../../wire/xdr/xdr-writer.ts";
import { Compound, type CompoundRequest } from "./compound.ts";
import { SpareCompound } from "./spare-compound.ts";
import { emptyState, introduced, requestOn, sessionOf } from "./testing/direct-compound.ts";

v8.setFlagsFromString("--expose-gc --allow-natives-syntax");
const collectGarbage = vm.runInNewContext("gc") as () => void;
const hasFastProperties = vm.runInNewContext("(value) => %HasFastProperties(value)") as (
  value: object,
) => boolean;

function emptyRequest(state = emptyState()): CompoundRequest {
  return requestOn(state, new XdrReader(Buffer.alloc(0)), new XdrWriter());
}

test("compounds are no hash tables where garbage is collected between the first ones", async () => {
  const spare = new SpareCompound();
  const state = emptyState();
  // A function of its own, so that nothing on the stack holds the compounds of earlier rounds.
  const isFast = (): boolean => {
    const [compound, another] = [
      spare.begin(emptyRequest(state)),
      spare.begin(emptyRequest(state)),
    ];
    spare.giveBack(compound);
    return hasFastProperties(compound) && hasFastProperties(another);
  };
  for (let round = 0; round < 12; round += 1) {
    assert.ok(isFast(), `round ${round}`);
    for (let time = 0; time < 6; time += 1) {
      await nextTurn();
      collectGarbage();
    }
  }
});

test("a compound that begins anew has nothing of the request before", () => {
  const state = emptyState();
  const spare = new SpareCompound();
  const request = emptyRequest(state);
  const fresh = new Compound(request);
  const used = spare.begin({ ...request, view: "another", duplicate: "key", requestLength: 9 });
  const client = introduced(state);
  used.operationCount = 3;
  used.seesRootOnly = true;
  used.current = state.files.root;
  used.saved = state.files.root;
  used.session = sessionOf(state, client);
  used.currentStateid = { seqid: 1, other0: 2, other1: 3, other2: 4 };
  used.savedStateid = used.currentStateid;
  used.minorVersion = 0;
  used.keepReply = true;
  used.resultStart = 4;
  used.resultEnd = 5;
  used.tooBig = 6;
  used.commits.push(state.files.root);
  used.grantsState = true;
  used.replay = Buffer.alloc(1);
  used.hangsUp = true;
  for (const [name, value] of Object.entries(used)) {
    assert.ok(value !== undefined || name === "slot", `${name} was not set`);
  }
  spare.giveBack(used);
  const again = spare.begin(request);
  assert.equal(again, used);
  assert.deepEqual(again, fresh);
});
