import { label, TaskRun, type TaskRunContext } from "./task-run.ts";

/** Keeps what runs on this machine the same as what the feed says (level-triggered). */
export class Agent {
  readonly #context: TaskRunContext;
  readonly #runs = new Map<string, { readonly run: TaskRun; readonly ended: Promise<void> }>();
  #stopListening: (() => void) | undefined;

  constructor(context: TaskRunContext) {
    this.#context = context;
  }

  /** Takes tasks of before a restart up again, removes what nobody knows, and follows the feed. */
  async start(): Promise<void> {
    await this.#removeUnknown();
    this.#stopListening = this.#context.feed.onChange(() => this.#reconcile());
    this.#reconcile();
  }

  /** Tasks go on without the agent; it finds them again. */
  close(): void {
    this.#stopListening?.();
  }

  #reconcile(): void {
    for (const task of this.#context.feed.tasks()) {
      const known = this.#runs.get(task.taskId);
      if (known !== undefined) {
        if (task.desiredStatus === "STOPPED") known.run.stop();
        continue;
      }
      const run = new TaskRun(this.#context, task);
      const ended = run
        .run()
        .catch((error: unknown) => {
          this.#context.log.error({ error, taskId: task.taskId }, "a task was given up");
        })
        .finally(() => this.#runs.delete(task.taskId));
      this.#runs.set(task.taskId, { run, ended });
    }
  }

  async #removeUnknown(): Promise<void> {
    const { docker, feed, dataDirectory } = this.#context;
    const filters = { label: [`${label.instance}=${dataDirectory}`] };
    const known = new Set(feed.tasks().map((task) => task.taskId));
    for (const { Id, Labels } of await docker.listContainers({ all: true, filters })) {
      if (known.has(Labels[label.task] ?? "")) continue;
      await docker.getContainer(Id).remove({ force: true });
    }
  }
}
