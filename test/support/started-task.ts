import assert from "node:assert/strict";
import type { Container, ECS, Task } from "@aws-sdk/client-ecs";

import { attachmentDetail, taskAddress } from "../../src/cli/task-lookup.ts";
import { eventually } from "./eventually.ts";

const limitMs = 90_000;
const appPort = 8080;

/** A task that a test started, seen through the API, and its app, through its address. */
export class StartedTask {
  readonly arn: string;
  readonly #ecs: () => ECS;
  #address: string | undefined;

  /** `ecs` is asked each time, as a restarted instance has other clients. */
  constructor(ecs: () => ECS, arn: string) {
    this.#ecs = ecs;
    this.arn = arn;
  }

  get id(): string {
    return this.arn.slice(this.arn.lastIndexOf("/") + 1);
  }

  async describe(): Promise<Task> {
    // An instance that hangs must fail a test, not hold it for ever.
    const abortSignal = AbortSignal.timeout(limitMs);
    const { tasks } = await this.#ecs().describeTasks({ tasks: [this.arn] }, { abortSignal });
    assert.ok(tasks?.[0], `${this.arn} is described`);
    return tasks[0];
  }

  async container(name: string): Promise<Container> {
    const found = (await this.describe()).containers?.find((each) => each.name === name);
    assert.ok(found, `the task has a container ${name}`);
    return found;
  }

  /** Waits; `seen` gets every description on the way. A task that stopped instead throws. */
  async until(status: "RUNNING" | "STOPPED", seen: (task: Task) => void = () => {}): Promise<Task> {
    return resultOf(`${this.id} is ${status}`, async () => {
      const task = await this.describe();
      seen(task);
      if (task.lastStatus === status) return task;
      if (task.lastStatus !== "STOPPED") return undefined;
      throw new Error(`${this.id} stopped: ${task.stopCode}: ${task.stoppedReason}`);
    });
  }

  async stop(reason?: string): Promise<Task> {
    await this.#ecs().stopTask({ task: this.arn, reason });
    return this.until("STOPPED");
  }

  /** Asked once, so that the app can be reached while the API is away. */
  async address(): Promise<string> {
    this.#address ??= taskAddress(await this.describe());
    return this.#address ?? "";
  }

  async attachment(name: string): Promise<string | undefined> {
    return attachmentDetail(await this.describe(), name);
  }

  /**
   * What the function returns where the app runs. It can use nothing of where it is written but
   * the values given, and values and result travel as JSON.
   */
  inside<V extends unknown[], R>(run: (...values: V) => R, ...values: V): Promise<Awaited<R>> {
    return this.insideAt(appPort, run, ...values);
  }

  /** As `inside`, in the container whose app listens on that port. */
  async insideAt<V extends unknown[], R>(
    port: number,
    run: (...values: V) => R,
    ...values: V
  ): Promise<Awaited<R>> {
    const url = `http://${await this.address()}:${port}/`;
    const body = JSON.stringify({ source: String(run), values });
    const answer = await resultOf(`the app of ${this.id} answers`, async () => {
      try {
        return await fetch(url, { method: "POST", body, headers: { connection: "close" } });
      } catch (error) {
        // The container runs a little before its app listens.
        const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
        if (code === "ECONNREFUSED") return undefined;
        throw error;
      }
    });
    const { value, error } = (await answer.json()) as { value: Awaited<R>; error?: string };
    if (error !== undefined) throw new Error(error);
    return value;
  }
}

/** Tries until there is a result. */
export async function resultOf<T>(
  awaited: string,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  let result: T | undefined;
  const succeeds = async (): Promise<boolean> => (result = await attempt()) !== undefined;
  await eventually(awaited, succeeds, limitMs);
  return result!;
}
