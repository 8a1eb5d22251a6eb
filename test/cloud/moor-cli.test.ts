import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { type CommandResult, Moor } from "../../tools/moor.ts";
import { Instance } from "../support/instance.ts";

const commands = {
  up: /--listen[\s\S]*--vpc-cidr[\s\S]*--network/,
  env: /eval "\$\(moor env\)"/,
  run: /<file>[\s\S]*--subnet/,
  ps: /--all/,
  logs: /<task>[\s\S]*--follow/,
  stop: /<task>[\s\S]*--reason/,
  explain: /<task>/,
  connections: /mount targets/,
  fs: /check/,
  mount: /<source> <directory>[\s\S]*accesspoint=/,
  umount: /<directory>[\s\S]*--lazy/,
};

let instance: Instance;
let directory: string;

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "mooring-test-"));
  instance = await Instance.start();
});
after(async () => {
  await instance?.end();
  await rm(directory, { recursive: true, force: true });
});

/** With a data directory that nothing was ever started with, or another one. */
const moor = (
  args: readonly string[],
  data = path.join(directory, "never"),
): Promise<CommandResult> => new Moor(data, "127.0.0.1:1").command(args);

/** One line of advice on stderr, no stack, nothing on stdout. */
function assertAdvice(result: CommandResult, advice: RegExp): void {
  assert.equal(result.stdout, "");
  assert.match(result.stderr, advice);
  assert.doesNotMatch(result.stderr, /^ +at /m);
  assert.equal(result.exitCode, 1);
}

test("moor --help: every command with what it is for", async () => {
  const { exitCode, stdout, stderr } = await moor(["--help"]);
  assert.equal(exitCode, 0);
  assert.equal(stderr, "");
  const listed = Array.from(stdout.matchAll(/^ {2}([a-z]+) .*$/gm), ([, name]) => name);
  assert.deepEqual(new Set(listed), new Set([...Object.keys(commands), "help"]));
});

for (const [name, content] of Object.entries(commands)) {
  test(`moor ${name} --help: its arguments and options`, async () => {
    const { exitCode, stdout } = await moor([name, "--help"]);
    assert.equal(exitCode, 0);
    assert.match(stdout, new RegExp(`^Usage: moor ${name} `));
    assert.match(stdout, content);
    assert.equal((await moor(["help", name])).stdout, stdout);
  });
}

test("moor --version: the package's", async () => {
  const { stdout } = await moor(["--version"]);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

const misused: Record<string, [string[], RegExp]> = {
  "an unknown command": [
    ["frobnicate"],
    /^error: unknown command 'frobnicate'\n\(moor --help shows the commands\)\n$/,
  ],
  "an unknown option": [
    ["run", "--frob"],
    /^error: unknown option '--frob'\n\(moor run --help says more\)\n$/,
  ],
  "a missing argument": [["stop"], /^error: missing required argument 'task'\n/],
  "an argument too many": [["ps", "extra"], /^error: too many arguments for 'ps'/],
};
for (const [what, [args, advice]] of Object.entries(misused)) {
  test(`moor: ${what} is told with where to read on`, async () => {
    assertAdvice(await moor(args), advice);
  });
}

for (const args of [
  ["env"],
  ["run", "file"],
  ["ps"],
  ["logs", "1"],
  ["stop", "1"],
  ["explain", "1"],
  ["connections"],
  ["mount", "fs-01234567", "/mnt"],
]) {
  test(`moor ${args.join(" ")}: where nothing was started it says how to start`, async () => {
    const data = path.join(directory, "never");
    const advice = `No Mooring has been started with the data directory ${data}. Start one with \`moor up\``;
    const result = await moor(args, data);
    assertAdvice(result, new RegExp(`^moor: ${advice.replaceAll(".", "\\.")}`));
  });
}

test("moor ps: a data directory that is a file, or broken, is told so", async () => {
  const file = path.join(directory, "file");
  await writeFile(file, "");
  assertAdvice(await moor(["ps"], file), /^moor: No Mooring has been started .*\/file\./);
  for (const text of ["", "{", "{}"]) {
    await writeFile(path.join(directory, "session.json"), text);
    const advice = /session\.json is not what `moor up` writes; run `moor up` again to renew it\./;
    assertAdvice(await moor(["ps"], directory), advice);
  }
});

const refusedSettings: Record<string, [string[], RegExp]> = {
  "a VPC range too large": [["--vpc-cidr", "10.0.0.0/8"], /vpcCidr: must be .* \/16 to \/24/],
  "a VPC range too small": [["--vpc-cidr", "127.1.0.0/28"], /vpcCidr: must be/],
  "a VPC range with host bits": [["--vpc-cidr", "10.0.0.1/16"], /vpcCidr: must be/],
  "a VPC range that is none": [["--vpc-cidr", "nonsense"], /vpcCidr: must be/],
  "a port beyond the last": [["--listen", "127.0.0.1:65536"], /port: /],
  "a region that is none": [["--region", "moon"], /region: must be like us-east-1/],
  "an account of two digits": [["--account", "12"], /accountId: must have 12 digits/],
  "an unknown network": [["--network", "token-ring"], /network: .*docker.*loopback/],
  "two at once": [
    ["--account", "12", "--region", "moon"],
    /region: must be like us-east-1; accountId: must have 12 digits/,
  ],
};
for (const [what, [args, advice]] of Object.entries(refusedSettings)) {
  test(`moor up: ${what} is refused and makes nothing`, async () => {
    const data = path.join(directory, "refused");
    const result = await moor(["up", "--network=loopback", ...args], data);
    assertAdvice(result, /^moor: moor up can't start so: /);
    assert.match(result.stderr, advice);
    await assert.rejects(rm(data, { recursive: true }), { code: "ENOENT" });
  });
}

test("moor up: a data directory that can't be made is told so", async () => {
  const file = path.join(directory, "occupied");
  await writeFile(file, "");
  for (const data of [file, path.join(file, "below")]) {
    const result = await moor(["up", "--network=loopback"], data);
    assertAdvice(result, /^moor: The data directory can't be made: .*--data\.\n$/);
  }
});

test("moor up: a second one with the same data directory leaves the first alone", async () => {
  const result = await moor(["up", "--network=loopback"], instance.dataDirectory);
  assertAdvice(result, /^moor: moor up runs already with .*, as process \d+\.\n$/);
  const { exitCode } = await instance.moor.command(["ps"]);
  assert.equal(exitCode, 0);
});

test("moor up: a port that is taken is told, and it ends although it has mount targets", async () => {
  const other = await Instance.start();
  const taken = createServer();
  try {
    const { efs, ec2 } = other.api();
    const { FileSystemId } = await efs.createFileSystem({ CreationToken: "one" });
    const { Subnets = [] } = await ec2.describeSubnets({});
    await efs.createMountTarget({ FileSystemId, SubnetId: Subnets[0]?.SubnetId });
    await other.moor.end("SIGTERM");
    const { host, port } = new URL(other.endpoint);
    await new Promise<void>((resolve) => taken.listen(Number(port), "127.0.0.1", resolve));
    const args = ["up", "--network=loopback", `--nfs-port=${other.nfsPort}`, "--listen", host];
    assertAdvice(await moor(args, other.dataDirectory), /EADDRINUSE.*--listen/);
  } finally {
    taken.close();
    await other.end();
  }
});

test("moor ps: where what was started has ended it says so", async () => {
  const other = await Instance.start();
  try {
    await other.moor.end("SIGTERM");
    assertAdvice(await other.moor.command(["ps"]), /is `moor up` running\?/);
  } finally {
    await other.end();
  }
});

for (const args of [["logs"], ["stop"], ["explain"]]) {
  test(`moor ${args.join(" ")}: an unknown task is told with how to find one`, async () => {
    const result = await instance.moor.command([...args, "abc"]);
    assertAdvice(result, /^moor: There is no task abc\. `moor ps --all` lists them\.\n$/);
  });
}

const refusedFiles: Record<string, [text: string | undefined, RegExp]> = {
  "that isn't there": [undefined, /^moor: The task definition can't be read: ENOENT/],
  "that isn't JSON": ["{", /is not JSON: /],
  "that isn't a definition": ["{}", /is not a task definition: it needs "family"/],
  "that isn't an object": ["null", /is not a task definition/],
};
for (const [what, [text, advice]] of Object.entries(refusedFiles)) {
  test(`moor run: a file ${what} is refused`, async () => {
    const file = path.join(directory, `definition-${text?.length}.json`);
    if (text !== undefined) await writeFile(file, text);
    assertAdvice(await instance.moor.command(["run", file]), advice);
  });
}

const refusedMounts: Record<string, [args: () => string[], RegExp]> = {
  "a source that is no file system": [
    () => ["server:/export", directory],
    /^moor: "server:\/export" is not like fs-0123456789abcdef0/,
  ],
  "a directory that isn't there": [
    () => ["fs-01234567", path.join(directory, "nowhere")],
    /nowhere is not a directory; make it first\./,
  ],
  "an unknown option": [() => ["fs-01234567", directory, "-o", "frob"], /"frob"/],
  "an unknown file system": [
    () => ["fs-01234567", directory],
    /^moor: FileSystemNotFound: File system 'fs-01234567' does not exist\.\n$/,
  ],
};
for (const [what, [args, advice]] of Object.entries(refusedMounts)) {
  test(`moor mount: ${what} is refused`, async () => {
    assertAdvice(await instance.moor.command(["mount", ...args()]), advice);
  });
}

test("moor umount: what isn't mounted is told so", async () => {
  assertAdvice(await moor(["umount", directory]), /^moor: Nothing is mounted on /);
});

test("moor ps: an unknown cluster is told as the API says it", async () => {
  const result = await instance.moor.command(["ps", "--cluster", "nobodys"]);
  assertAdvice(result, /^moor: ClusterNotFoundException: Cluster not found\.\n$/);
});

test("moor env: what it prints is for a shell, and with --json for a program", async () => {
  const printed = await instance.moor.json<Record<string, string>>(["env"]);
  assert.deepEqual(Object.keys(printed), [
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
  ]);
  assert.equal(printed["AWS_ENDPOINT_URL"], instance.endpoint);
  const { stdout } = await instance.moor.command(["env"]);
  const script = `${stdout}\nenv`;
  const shell = await promisify(execFile)("/bin/sh", ["-c", script], { env: {} });
  for (const [name, value] of Object.entries(printed)) {
    assert.ok(shell.stdout.split("\n").includes(`${name}=${value}`), name);
  }
});

test("--json: every list is JSON on stdout, before and after the command's name", async () => {
  for (const command of ["ps", "connections"]) {
    for (const args of [
      ["--json", command],
      [command, "--json"],
    ]) {
      const { stdout, stderr, exitCode } = await instance.moor.command(args);
      assert.deepEqual(JSON.parse(stdout), []);
      assert.equal(stderr, "");
      assert.equal(exitCode, 0);
    }
  }
});

test("moor ps: tasks as lines, with --json as the API has them", async () => {
  const { ecs, ec2 } = instance.api();
  await ecs.registerTaskDefinition({
    family: "listed",
    networkMode: "awsvpc",
    requiresCompatibilities: ["FARGATE"],
    cpu: "256",
    memory: "512",
    containerDefinitions: [{ name: "app", image: "busybox" }],
  });
  const { Subnets = [] } = await ec2.describeSubnets({});
  const subnets = [Subnets[0]!.SubnetId!];
  const { tasks } = await ecs.runTask({
    taskDefinition: "listed",
    networkConfiguration: { awsvpcConfiguration: { subnets } },
  });
  const { taskArn } = tasks![0]!;
  const { stdout } = await instance.moor.command(["ps"]);
  const [heading, line] = stdout.split("\n");
  assert.match(heading ?? "", /^TASK +DEFINITION +STATUS +ADDRESS +ZONE +REASON$/);
  const id = taskArn!.split("/").at(-1)!;
  assert.match(line ?? "", new RegExp(`^${id} +listed:1 +PROVISIONING +127\\.\\S+ +us-east-1\\w`));
  const listed = await instance.moor.json<{ taskArn: string }[]>(["ps"]);
  assert.deepEqual(
    listed.map((task) => task.taskArn),
    [taskArn],
  );
  const explained = await instance.moor.json<{ task: string; lastStatus: string }>([
    "explain",
    id.slice(0, 8),
  ]);
  assert.equal(explained.task, id);
  assert.equal(explained.lastStatus, "PROVISIONING");
});
