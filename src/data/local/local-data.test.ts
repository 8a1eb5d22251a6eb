import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { dataContract } from "../data.contract.ts";
import { openFilesLimit } from "./limits.ts";
import { LocalData } from "./local-data.ts";

const scratch = mkdtempSync(path.join(tmpdir(), "mooring-data-"));
after(() => rmSync(scratch, { recursive: true }));

let directories = 0;
const open = () => new LocalData(path.join(scratch, String((directories += 1))));

dataContract("local data", open);

test("local data: more files than may be open at once all keep their contents", async () => {
  const data = open();
  const files = Array.from({ length: openFilesLimit + 50 }, (_, index) => index + 1);
  for (const file of files) data.write(file, 0, Buffer.from(String(file)));
  for (const file of files) {
    const target = Buffer.alloc(String(file).length);
    data.read(file, 0, target);
    assert.equal(target.toString(), String(file));
  }
  await data.close();
});
