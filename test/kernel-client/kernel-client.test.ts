// The Linux kernel's own NFS client uses Mooring's server, on machines whose kernel has none.
//
// A guest, Debian's user-mode Linux, is a kernel that runs as a process of the host. Its root is a
// tree that tools/setup/kernel-client.ts makes once. It and the server (serve.ts) meet in a network
// namespace (network.ts): the guest's link is a tap device, on whose host's address the server
// listens. The guest's process 1 (guest.ts) runs program/checks.py, which mounts the file system as
// Fargate does, twice, and writes a line of JSON to the console for each check. Where a check asks
// for it, the host (run.ts) kills the server, starts it on the same directory, and leaves a file
// that the guest sees. The tests here are the checks by their sentences, and what the host finds on
// the disk when all is over. NFSv4.0 waits for a whole lease after the crash, so it takes minutes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";

import { checksProgram, Run } from "./run.ts";

const sentences = Array.from(
  readFileSync(checksProgram, "utf8").matchAll(/^@check\("(.+)"\)$/gm),
  ([, sentence]) => sentence!,
);

const runs = [
  ["with NFSv4.1", "4.1", "plain"],
  ["through the mount helper's TLS tunnel", "4.1", "tunnel"],
  ["with NFSv4.0", "4.0", "plain"],
] as const;

for (const [what, version, how] of runs) {
  describe(`the kernel's client ${what}`, () => {
    const run = new Run();
    before(() => run.run(version, how));

    for (const sentence of ["the kernel mounts the file system", ...sentences]) {
      test(sentence, () => {
        const failure = run.results.get(sentence);
        if (failure === null) return;
        const reason = failure ?? "the guest did not get there";
        assert.fail(`${reason}\nIts console ends with:\n${run.console.tail}`);
      });
    }

    test("the file system on disk is sound when all is over", () => {
      assert.deepEqual(run.problems, []);
    });
  });
}
