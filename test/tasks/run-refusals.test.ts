import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { RegisterTaskDefinitionRequest } from "@aws-sdk/client-ecs";

import { Instance } from "../support/instance.ts";

let instance: Instance;
let directory: string;
before(async () => {
  instance = await Instance.start();
  directory = await mkdtemp(path.join(tmpdir(), "mooring-test-"));
});
after(async () => {
  await instance.end();
  await rm(directory, { recursive: true });
});

const tutorial = path.resolve(import.meta.dirname, "../../examples/uploads/task-definition.json");

/** The tutorial's definition with a mistake. */
function changed(change: (definition: RegisterTaskDefinitionRequest) => void): string {
  const definition = JSON.parse(readFileSync(tutorial, "utf8")) as RegisterTaskDefinitionRequest;
  change(definition);
  return JSON.stringify(definition);
}

const efs = (definition: RegisterTaskDefinitionRequest) =>
  definition.volumes![0]!.efsVolumeConfiguration!;

const refusals = [
  { given: "no JSON", text: "family: app", message: /is not JSON: / },
  { given: "a list", text: "[]", message: /is not a task definition: it needs "family"/ },
  {
    given: "no containers",
    text: '{"family":"app"}',
    message: /is not a task definition: it needs .*"containerDefinitions"/,
  },
  {
    given: "containers that are no list",
    text: '{"family":"app","containerDefinitions":{"name":"app"}}',
    message: /containerDefinitions.* list/,
  },
  {
    given: "volumes that are no list",
    text: changed((definition) => Object.assign(definition, { volumes: { name: "v" } })),
    message: /volumes.* list/,
  },
  {
    given: "a volume that is nothing",
    text: changed((definition) => Object.assign(definition, { volumes: [null] })),
    message: /volumes.* list of objects/,
  },
  {
    given: "a size that Fargate doesn't have",
    text: changed((definition) => (definition.memory = "1000")),
    message: /No Fargate configuration exists for given values/,
  },
  {
    given: "a mount point of an unknown volume",
    text: changed((definition) => (definition.volumes = [])),
    message: /Unknown volume 'my-efs-volume'/,
  },
  {
    given: "IAM without TLS",
    text: changed((definition) => {
      efs(definition).transitEncryption = "DISABLED";
      efs(definition).authorizationConfig = { iam: "ENABLED" };
    }),
    message: /EFS IAM authorization requires TransitEncryption to be enabled/,
  },
  {
    given: "IAM without a task role",
    text: changed((definition) => delete definition.taskRoleArn),
    message: /EFS IAM authorization requires a task role/,
  },
  {
    given: "an access point and a rootDirectory",
    text: changed((definition) => (efs(definition).rootDirectory = "/somewhere")),
    message: /When using an EFS access point, the root directory must either be set to "\/"/,
  },
  {
    given: "a file system id that can't be one",
    text: changed((definition) => (efs(definition).fileSystemId = "my-volume")),
    message: /my-volume/,
  },
  {
    given: "no file system id",
    text: changed((definition) => Object.assign(efs(definition), { fileSystemId: undefined })),
    message: /file ?system/i,
  },
  {
    given: "a role of another account",
    text: changed((definition) => {
      definition.taskRoleArn = "arn:aws:iam::999999999999:role/other";
    }),
    message: /is of another account than this Mooring, .* `moor up --account 999999999999`/,
  },
  {
    given: "a role that is no ARN",
    text: changed((definition) => (definition.executionRoleArn = "ecsTaskExecutionRole")),
    message: /ecsTaskExecutionRole is not the ARN of a role/,
  },
];
for (const { given, text, message } of refusals) {
  test(`moor run of a file with ${given} says so in one line and makes nothing`, async () => {
    const file = path.join(directory, "definition.json");
    await writeFile(file, text);
    const { exitCode, stdout, stderr } = await instance.moor.command(["run", file]);
    assert.notEqual(exitCode, 0);
    assert.equal(stdout, "");
    // Warnings may come before; what made it give up is one line, without a stack.
    assert.match(stderr.trimEnd().split("\n").at(-1) ?? "", /^moor: /);
    assert.match(stderr, message);
    const { efs, iam, logs, ecs } = instance.api();
    assert.deepEqual((await efs.describeFileSystems({})).FileSystems, []);
    assert.deepEqual((await iam.listRoles({})).Roles, []);
    assert.deepEqual((await logs.describeLogGroups({})).logGroups, []);
    assert.deepEqual((await ecs.listTaskDefinitions({})).taskDefinitionArns, []);
  });
}

test("moor run of a file that isn't there names it", async () => {
  const file = path.join(directory, "nowhere.json");
  const { exitCode, stderr } = await instance.moor.command(["run", file]);
  assert.notEqual(exitCode, 0);
  assert.match(stderr, /^moor: The task definition can't be read: .*nowhere\.json'\n$/);
});
