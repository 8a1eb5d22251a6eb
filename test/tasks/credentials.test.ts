import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { allowing, Clients } from "../support/clients.ts";
import { TaskStage } from "../support/tasks.ts";

let stage: TaskStage;
before(async () => {
  stage = await TaskStage.start();
});
after(() => stage.end());

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** GET from 169.254.170.2, as the app would. */
async function ask(path: string): Promise<Answer> {
  const response = await fetch(`http://169.254.170.2${path}`);
  return { status: response.status, body: await response.json() };
}

/** The SDK's clients with what the task was given. */
function clientsFor(answer: Answer): Clients {
  const { AccessKeyId, SecretAccessKey, Token } = answer.body as Record<string, string>;
  return new Clients(stage.instance, {
    accessKeyId: AccessKeyId!,
    secretAccessKey: SecretAccessKey!,
    sessionToken: Token!,
  });
}

test("a task gets its role's credentials, which the API takes as that role's", async () => {
  const taskRoleArn = await stage.role("reader", allowing(["ecs:ListClusters"]));
  const task = await stage.run([{}], { definition: { taskRoleArn } });
  const path = await task.inside(() => process.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]);
  assert.match(path ?? "", /^\/v2\/credentials\/[0-9a-f-]{36}$/);
  const answer = await task.inside(ask, path!);
  const { RoleArn, Expiration } = answer.body as Record<string, string>;
  assert.equal(answer.status, 200);
  assert.equal(RoleArn, taskRoleArn);
  assert.ok(Date.parse(Expiration!) > Date.now(), `they hold until ${Expiration}`);

  const { sts, ecs } = clientsFor(answer);
  const { Arn, Account } = await sts.getCallerIdentity({});
  assert.equal(Account, stage.api.session.accountId);
  assert.equal(Arn, `arn:aws:sts::${Account}:assumed-role/reader/${task.id}`);
  assert.ok((await ecs.listClusters({})).clusterArns);
  await assert.rejects(ecs.listTaskDefinitions({}), { name: "AccessDeniedException" });
  assert.deepEqual(await task.inside(ask, path!), answer, "they are kept until they run out");
});

test("another task doesn't get them from a path that it guesses", async () => {
  const taskRoleArn = await stage.role("secret");
  const task = await stage.run([{}], { definition: { taskRoleArn } });
  const guess = "/v2/credentials/00000000-0000-4000-8000-000000000000";
  const refused = { message: "CredentialsV2Request: Credentials not found", HTTPErrorCode: 400 };
  assert.deepEqual(await task.inside(ask, guess), {
    status: 400,
    body: { code: "InvalidIdInRequest", ...refused },
  });
  const none = {
    message: "CredentialsV2Request: No Credential ID in the request",
    HTTPErrorCode: 400,
  };
  assert.deepEqual(await task.inside(ask, "/v2/credentials/"), {
    status: 400,
    body: { code: "NoIdInRequest", ...none },
  });
});

test("a task role that RunTask gives replaces the definition's", async () => {
  const taskRoleArn = await stage.role("replaced");
  const other = await stage.role("replacing");
  const run = { overrides: { taskRoleArn: other } };
  const task = await stage.run([{}], { definition: { taskRoleArn }, run });
  const path = await task.inside(() => process.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]);
  const { body } = await task.inside(ask, path!);
  assert.equal((body as Record<string, string>)["RoleArn"], other);
});

test("a task without a role has no credentials", async () => {
  const task = await stage.run([{}]);
  const names = await task.inside(() => Object.keys(process.env));
  assert.deepEqual(
    names.filter((name) => /CREDENTIALS|ACCESS_KEY|SESSION_TOKEN/.test(name)),
    [],
  );
});

test("each container finds its own metadata, and the task's", async () => {
  const task = await stage.run([
    { cpu: 64, memory: 128 },
    { name: "beside", environment: [{ name: "APP_PORT", value: "8081" }] },
  ]);
  const described = await task.describe();
  for (const [port, index] of [
    [8080, 0],
    [8081, 1],
  ] as const) {
    const { name, runtimeId, image } = described.containers![index]!;
    const { uri, own, whole } = await task.insideAt(port, async () => {
      const uri = process.env["ECS_CONTAINER_METADATA_URI_V4"]!;
      const get = async (path: string) => (await (await fetch(uri + path)).json()) as Metadata;
      return { uri, own: await get(""), whole: await get("/task") };
    });
    assert.equal(uri, `http://169.254.170.2/v4/${runtimeId}`);
    assert.deepEqual([own.DockerId, own.Name, own.Image], [runtimeId, name, image]);
    assert.equal(own.Networks?.[0]?.IPv4Addresses[0], await task.address());
    assert.deepEqual([whole.TaskARN, whole.Family], [task.arn, family(described)]);
    assert.equal(whole.AvailabilityZone, described.availabilityZone);
    assert.deepEqual(whole.Limits, { CPU: 0.25, Memory: 512 });
    assert.deepEqual(
      whole.Containers?.map((each) => [each.DockerId, each.Name]),
      described.containers!.map((each) => [each.runtimeId, each.name]),
    );
  }
  const unknown = await task.inside(ask, `/v4/${task.id}-0000000000`);
  assert.equal(unknown.status, 404);
});

interface Metadata {
  readonly DockerId?: string;
  readonly Name?: string;
  readonly Image?: string;
  readonly Networks?: readonly { IPv4Addresses: readonly string[] }[];
  readonly TaskARN?: string;
  readonly Family?: string;
  readonly AvailabilityZone?: string;
  readonly Limits?: object;
  readonly Containers?: readonly Metadata[];
}

function family({ taskDefinitionArn = "" }: { taskDefinitionArn?: string | undefined }) {
  return /task-definition\/([^:]+):/.exec(taskDefinitionArn)?.[1];
}
