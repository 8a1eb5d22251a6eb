import type { AssignedTask, TaskFeed, TaskReport } from "../../agent/task-feed.ts";
import { Changes } from "../../base/changes.ts";
import type { Clock } from "../../base/clock.ts";
import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";
import type { Network } from "../contracts/network.ts";
import { stoppedTasksMs } from "./limits.ts";
import { afterReport, afterStopRequest, type TaskRecord } from "./task-record.ts";

/** All tasks, and the agent's view of those that still have to run or to end. */
export class Tasks implements TaskFeed {
  readonly #table: Table<TaskRecord>;
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #changes = new Changes();

  constructor(store: Store, network: Network, clock: Clock) {
    this.#table = new Table(store, "ecs-tasks");
    this.#network = network;
    this.#clock = clock;
  }

  get(taskId: string): TaskRecord | undefined {
    return this.#table.get(taskId);
  }

  /** Also forgets tasks that stopped long ago. */
  list(): TaskRecord[] {
    const nowMs = this.#clock.nowMs();
    return this.#table.list().filter((task) => {
      const { stoppedAtMs } = task.times;
      const old = stoppedAtMs !== undefined && nowMs - stoppedAtMs > stoppedTasksMs;
      if (old) this.#table.remove(task.taskId);
      return !old;
    });
  }

  add(task: TaskRecord): void {
    this.#table.put(task.taskId, task);
    this.#changes.announce();
  }

  stop(task: TaskRecord, reason: string, stopCode: string): TaskRecord {
    const stopping = afterStopRequest(task, reason, stopCode);
    this.#table.put(task.taskId, stopping);
    this.#changes.announce();
    return stopping;
  }

  tasks(): readonly AssignedTask[] {
    return this.list()
      .filter((task) => task.lastStatus !== "STOPPED")
      .map((task) => ({
        taskId: task.taskId,
        taskArn: task.taskArn,
        clusterArn: task.clusterArn,
        desiredStatus: task.desiredStatus,
        lastStatus: task.lastStatus,
        definition: task.definition,
        overrides: task.overrides,
        availabilityZone: task.availabilityZone,
        interface: {
          networkInterfaceId: task.networkInterfaceId,
          address: task.address,
          macAddress: task.macAddress,
          subnetCidrBlock: task.subnetCidrBlock,
          privateDnsName: task.privateDnsName,
          vpcId: task.vpcId,
        },
        createdAtMs: task.createdAtMs,
        launchType: task.launchType,
        group: task.group,
      }));
  }

  onChange(call: () => void): () => void {
    return this.#changes.listen(call);
  }

  report(taskId: string, report: TaskReport): void {
    const task = this.#table.get(taskId);
    if (task === undefined) return;
    const next = afterReport(task, report);
    if (next === task) return;
    this.#table.put(taskId, next);
    const ended = next.lastStatus === "STOPPED" && task.lastStatus !== "STOPPED";
    if (ended) this.#network.deleteInterface(task.networkInterfaceId);
    this.#changes.announce();
  }
}
