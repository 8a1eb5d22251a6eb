import { cp, mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { importNodeImage } from "../image/node-image.ts";
import {
  api,
  definitionFile,
  fileSystemId,
  moorRun,
  moorStop,
  run,
  type RunningTask,
  type Stage,
  uploads,
} from "./stage.ts";
import { damaged, UploadClient, type UploadedFile, uploadRandom } from "./upload-client.ts";

const imageName = "123456789012.dkr.ecr.us-east-1.amazonaws.com/my-efs-app:latest";
const mebibyte = 1 << 20;
const uploadSizes = [1, 4095, 4096, 100_000, mebibyte, 8 * mebibyte + 1, 64 * mebibyte];

export function buildUploadImage({ story, docker, directory }: Stage): Promise<void> {
  return story.step(`2. The upload app as the image ${imageName}`, async () => {
    const application = await mkdtemp(path.join(directory, "app-"));
    await cp(uploads, application, { recursive: true });
    await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: application });
    await importNodeImage(docker, { name: imageName, application, command: ["app.js"] });
    await rm(application, { recursive: true });
    story.holds(true, "made from this machine's Node and its libraries, without a registry");
  });
}

export function runTutorial(stage: Stage): Promise<RunningTask> {
  return stage.story.step("3. The tutorial's task definition, to the letter", async () => {
    const task = await moorRun(stage, [definitionFile]);
    stage.story.holds(task.address !== "", `the task runs in ${task.zone} at ${task.address}`);
    return task;
  });
}

export function uploadAndCheck(stage: Stage, task: RunningTask): Promise<UploadedFile[]> {
  const { story } = stage;
  return story.step("4. Uploads over HTTP, 1 byte to 64 MiB", async () => {
    const client = new UploadClient(task.address);
    await client.ready();
    const files: UploadedFile[] = [];
    for (const size of uploadSizes) files.push(await uploadRandom(client, size));
    const wrong = await damaged(client, files);
    story.holds(wrong.length === 0, `${files.length} files read back with the same SHA-256`);
    const owners = await ownersOnVolume(stage, files);
    story.holds(
      owners.size === 1 && owners.has("1000:1000"),
      "on the volume they belong to 1000:1000, though the app runs as root",
      `They belong to ${[...owners].join(", ")}.`,
    );
    return files;
  });
}

/** Mounts the whole file system on this machine, as `moor mount` does, and asks who owns them. */
async function ownersOnVolume(stage: Stage, files: readonly UploadedFile[]): Promise<Set<string>> {
  const mountPoint = await mkdtemp(path.join(stage.directory, "volume-"));
  const mount = ["mount", `${fileSystemId}:/my-efs-app/uploads`, mountPoint, "-o", "tls,iam"];
  stage.story.say(`$ moor ${mount.join(" ")}`);
  const mounted = await stage.moor.command(mount);
  if (mounted.exitCode !== 0) throw new Error(`moor mount failed: ${mounted.stderr}`);
  try {
    const paths = files.map((file) => path.join(mountPoint, file.name));
    const { stdout } = await run("stat", ["--format=%u:%g", ...paths]);
    return new Set(stdout.trim().split("\n"));
  } finally {
    await stage.moor.command(["umount", mountPoint]);
    await rm(mountPoint, { recursive: false, force: true }).catch(() => {});
  }
}

export function surviveMove(
  stage: Stage,
  first: RunningTask,
  files: readonly UploadedFile[],
): Promise<RunningTask> {
  const { story } = stage;
  return story.step("5. The files outlive the task", async () => {
    await moorStop(stage, first.id);
    story.say(`stopped ${first.id}`);
    const zone = first.zone.endsWith("b") ? first.zone.replace(/b$/, "a") : zoneB(first.zone);
    const task = await moorRun(stage, [definitionFile, "--availability-zone", zone]);
    const client = new UploadClient(task.address);
    await client.ready();
    story.holds(task.zone !== first.zone, `another task runs in ${task.zone}`);
    const wrong = await damaged(client, files);
    story.holds(wrong.length === 0, "all files are there, with the same SHA-256");
    return task;
  });
}

function zoneB(zone: string): string {
  return `${zone.slice(0, -1)}b`;
}

export function surviveKill(
  stage: Stage,
  task: RunningTask,
  files: readonly UploadedFile[],
): Promise<void> {
  const { story, moor } = stage;
  return story.step("   moor up is killed and started again, under load", async () => {
    const client = new UploadClient(task.address);
    const load = new Load(client);
    await delay(500);
    const before = load.files.length;
    await moor.end("SIGKILL");
    story.say("killed with SIGKILL");
    await delay(1000);
    await moor.up();
    story.say("started again");
    await load.until((done) => done.length >= before + 5);
    await load.stop();
    story.holds(
      load.errors.length === 0,
      `the app went on reading and writing without an error: ${load.files.length} uploads`,
      load.errors.join("; "),
    );
    const wrong = await damaged(client, [...files, ...load.files]);
    story.holds(wrong.length === 0, "every file that was acknowledged is there and whole");
  });
}

/** Uploads and reads back, one after the other, until it is told to stop. */
class Load {
  readonly files: UploadedFile[] = [];
  readonly errors: string[] = [];
  #stopped = false;
  readonly #finished: Promise<void>;

  constructor(client: UploadClient) {
    this.#finished = this.#run(client);
  }

  async until(enough: (files: readonly UploadedFile[]) => boolean, limitMs = 180_000) {
    const startedMs = Date.now();
    while (!enough(this.files) && this.errors.length === 0) {
      if (Date.now() - startedMs > limitMs) throw new Error("the app did not go on writing");
      await delay(50);
    }
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#finished;
  }

  async #run(client: UploadClient): Promise<void> {
    while (!this.#stopped) {
      try {
        const file = await uploadRandom(client, 200_000);
        const wrong = await damaged(client, [file]);
        if (wrong.length > 0) this.errors.push(`${file.name} differs`);
        this.files.push(file);
      } catch (error) {
        this.errors.push(describe(error));
      }
      await delay(20);
    }
  }
}

export function readLogs(stage: Stage, task: RunningTask): Promise<void> {
  const { story } = stage;
  return story.step("6. The app's log lines, from CloudWatch Logs", async () => {
    const logStreamName = `ecs/app-container/${task.id}`;
    const { events } = await api(stage).logs.getLogEvents({
      logGroupName: "/ecs/my-efs-app",
      logStreamName,
      startFromHead: true,
    });
    const lines = (events ?? []).map((event) => event.message ?? "");
    for (const line of lines.slice(0, 3)) story.say(line);
    const complete = lines.some((line) => line.includes("App listening at"));
    story.holds(complete, `${lines.length} lines in the stream ${logStreamName}`);
  });
}

/** With what is behind fetch's "fetch failed". */
function describe(error: unknown): string {
  const { cause } = error as Error;
  return cause instanceof Error ? `${String(error)} (${cause.message})` : String(error);
}
