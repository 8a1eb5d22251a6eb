import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type {
  ContainerDefinition,
  RegisterTaskDefinitionRequest,
  RunTaskRequest,
} from "@aws-sdk/client-ecs";
import Docker from "dockerode";

import type { Api } from "../../src/cli/api.ts";
import { allTasks } from "../../src/cli/task-lookup.ts";
import { allowing, trusting } from "./clients.ts";
import { Instance } from "./instance.ts";
import { StartedTask } from "./started-task.ts";
import { ensureTaskImage, taskImage } from "./task-image.ts";
import { noRemains, remainsOf, removeRemains } from "./task-remains.ts";

export const logGroup = "/ecs/test";

export interface Subnet {
  readonly id: string;
  readonly zone: string;
  readonly cidrBlock: string;
}

export interface TaskWish {
  /** Beside what every definition of these tests has. */
  readonly definition?: Partial<RegisterTaskDefinitionRequest>;
  readonly run?: Partial<RunTaskRequest>;
  /** The first subnet where none is given. */
  readonly subnet?: Subnet;
}

/** An instance that runs tasks in containers, with what tasks need: an image, roles, a log group. */
export class TaskStage {
  readonly instance: Instance;
  readonly docker: Docker;
  #definitions = 0;
  subnets: readonly Subnet[] = [];
  executionRoleArn = "";

  private constructor(instance: Instance, docker: Docker) {
    this.instance = instance;
    this.docker = docker;
  }

  /** `end` has to be called, also when the test failed. */
  static async start(): Promise<TaskStage> {
    const docker = new Docker();
    await ensureTaskImage(docker);
    const stage = new TaskStage(await Instance.start({ network: "docker" }), docker);
    try {
      await stage.#prepare();
    } catch (error) {
      await stage.end();
      throw error;
    }
    return stage;
  }

  get api(): Api {
    return this.instance.api();
  }

  async #prepare(): Promise<void> {
    const { ec2, logs } = this.api;
    const { Subnets = [] } = await ec2.describeSubnets({});
    this.subnets = Subnets.map((subnet) => ({
      id: subnet.SubnetId!,
      zone: subnet.AvailabilityZone!,
      cidrBlock: subnet.CidrBlock!,
    })).sort((a, b) => a.zone.localeCompare(b.zone));
    const writeLogs = allowing(["logs:CreateLogStream", "logs:PutLogEvents"]);
    this.executionRoleArn = await this.role("execution", writeLogs);
    await logs.createLogGroup({ logGroupName: logGroup });
  }

  /** Makes a role that tasks may have, with that policy or none; returns its ARN. */
  async role(RoleName: string, PolicyDocument?: string): Promise<string> {
    const { iam } = this.api;
    const AssumeRolePolicyDocument = trusting({ Service: "ecs-tasks.amazonaws.com" });
    const { Role } = await iam.createRole({ RoleName, AssumeRolePolicyDocument });
    if (PolicyDocument !== undefined) {
      await iam.putRolePolicy({ RoleName, PolicyName: "own", PolicyDocument });
    }
    return Role!.Arn!;
  }

  /** RunTask of a definition with those containers; the task is only just placed. */
  async place(
    containers: readonly Partial<ContainerDefinition>[],
    wish: TaskWish = {},
  ): Promise<StartedTask> {
    const { ecs } = this.api;
    this.#definitions += 1;
    const { taskDefinition } = await ecs.registerTaskDefinition({
      family: `test-${this.#definitions}`,
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      cpu: "256",
      memory: "512",
      executionRoleArn: this.executionRoleArn,
      containerDefinitions: containers.map(withUsual),
      ...wish.definition,
    });
    const subnet = wish.subnet ?? this.subnets[0]!;
    const { tasks, failures } = await ecs.runTask({
      taskDefinition: taskDefinition?.taskDefinitionArn,
      networkConfiguration: { awsvpcConfiguration: { subnets: [subnet.id] } },
      ...wish.run,
    });
    assert.deepEqual(failures, []);
    assert.equal(tasks?.[0]?.lastStatus, "PROVISIONING");
    return new StartedTask(() => this.api.ecs, tasks[0].taskArn!);
  }

  /** As `place`, and waits until it is RUNNING. */
  async run(
    containers: readonly Partial<ContainerDefinition>[],
    wish: TaskWish = {},
  ): Promise<StartedTask> {
    const task = await this.place(containers, wish);
    await task.until("RUNNING");
    return task;
  }

  /** Ends everything, by force if need be; throws where something had to be forced. */
  async end(): Promise<void> {
    const { instance, docker } = this;
    const [tasks, moor] = [
      await settled(this.#stopTasks(), stopLimitMs),
      await settled(instance.moor.end("SIGTERM"), stopLimitMs),
    ];
    const remains = await remainsOf(docker, instance.dataDirectory);
    await removeRemains(docker, remains);
    await instance.end();
    assert.deepEqual(remains, noRemains, "nothing of the instance is left on the machine");
    assert.deepEqual({ tasks, moor }, { tasks: undefined, moor: undefined });
  }

  async #stopTasks(): Promise<void> {
    const tasks = await allTasks(this.api, "default");
    const alive = tasks.filter(({ lastStatus }) => lastStatus !== "STOPPED");
    const started = alive.map(({ taskArn }) => new StartedTask(() => this.api.ecs, taskArn!));
    await Promise.all(started.map((task) => task.stop("the test is over")));
  }
}

const stopLimitMs = 60_000;

/** What went wrong with it; being late is wrong too. */
async function settled(work: Promise<unknown>, limitMs: number): Promise<unknown> {
  const stop = new AbortController();
  const late = delay(limitMs, "late", { signal: stop.signal }).catch(() => undefined);
  const outcome = work.then(
    () => undefined,
    (error: unknown) => error,
  );
  const first = await Promise.race([outcome, late]);
  stop.abort();
  return first;
}

/** The container definition that sends its output to the stage's log group. */
export const toLogGroup: Partial<ContainerDefinition> = {
  logConfiguration: {
    logDriver: "awslogs",
    options: {
      "awslogs-group": logGroup,
      "awslogs-region": "us-east-1",
      "awslogs-stream-prefix": "test",
    },
  },
};

/** A container's command that is a program instead of the app. */
export function program(source: string): Partial<ContainerDefinition> {
  return { command: ["--input-type=module", "--eval", source] };
}

function withUsual(container: Partial<ContainerDefinition>): ContainerDefinition {
  return { name: "app", image: taskImage, stopTimeout: 5, ...container };
}
