import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Instance } from "../support/instance.ts";

let instance: Instance;
before(async () => {
  instance = await Instance.start();
});
after(() => instance.end());

test("a file system made before a crash is described after it", async () => {
  const { efs } = instance.api();
  const { FileSystemId } = await efs.createFileSystem({ CreationToken: "before" });
  await instance.crashAndStart();
  const { FileSystems } = await instance.api().efs.describeFileSystems({ FileSystemId });
  assert.equal(FileSystems?.[0]?.CreationToken, "before");
});
