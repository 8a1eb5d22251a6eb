import type * as ecs from "@aws-sdk/client-ecs";

import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { page } from "../contracts/page.ts";
import { type Call, type Operation, operation } from "../contracts/service.ts";
import { listPages } from "./limits.ts";
import type { Tasks } from "./tasks.ts";

interface ClusterRecord {
  readonly name: string;
  readonly createdAtMs: number;
  readonly tags: readonly ecs.Tag[];
}

export function clusterArn(name: string, { region, accountId }: Call): string {
  return `arn:aws:ecs:${region}:${accountId}:cluster/${name}`;
}

/** Clusters by name; "default" is there from the start. */
export class Clusters {
  readonly #table: Table<ClusterRecord>;

  constructor(store: Store) {
    this.#table = new Table(store, "ecs-clusters");
    if (this.#table.list().length === 0) {
      this.#table.put("default", { name: "default", createdAtMs: 0, tags: [] });
    }
  }

  /** Throws ClusterNotFoundException. */
  find(given: string | undefined): string {
    const name = (given ?? "default").split("/").at(-1)!;
    if (this.#table.get(name) !== undefined) return name;
    throw new ApiError("ClusterNotFoundException", "Cluster not found.");
  }

  list(): ClusterRecord[] {
    return this.#table.list();
  }

  get(name: string): ClusterRecord | undefined {
    return this.#table.get(name);
  }

  put(cluster: ClusterRecord): void {
    this.#table.put(cluster.name, cluster);
  }

  remove(name: string): void {
    this.#table.remove(name);
  }
}

export function clusterOperations(clusters: Clusters, tasks: Tasks): Record<string, Operation> {
  const describe = (cluster: ClusterRecord, call: Call): ecs.Cluster =>
    describeCluster(cluster, tasks, call);
  return {
    CreateCluster: operation({
      authorize: (_input: ecs.CreateClusterRequest) => ({ action: "CreateCluster", resource: "*" }),
      handle: (input: ecs.CreateClusterRequest, call) => {
        const name = input.clusterName ?? "default";
        if (!/^[A-Za-z0-9_-]{1,255}$/.test(name)) {
          throw new ApiError("InvalidParameterException", `The cluster name "${name}" is invalid.`);
        }
        const cluster = clusters.get(name) ?? {
          name,
          createdAtMs: call.nowMs,
          tags: input.tags ?? [],
        };
        clusters.put(cluster);
        return { cluster: describe(cluster, call) };
      },
    }),
    DescribeClusters: operation({
      authorize: () => ({ action: "DescribeClusters", resource: "*" }),
      handle: (input: ecs.DescribeClustersRequest, call) => {
        const found: ecs.Cluster[] = [];
        const failures: ecs.Failure[] = [];
        for (const given of input.clusters ?? ["default"]) {
          const name = given.split("/").at(-1)!;
          const cluster = clusters.get(name);
          if (cluster !== undefined) found.push(describe(cluster, call));
          else failures.push({ arn: clusterArn(name, call), reason: "MISSING" });
        }
        return { clusters: found, failures };
      },
    }),
    ListClusters: operation({
      authorize: () => ({ action: "ListClusters", resource: "*" }),
      handle: (input: ecs.ListClustersRequest, call) => {
        const { nextToken, maxResults } = input;
        const { items, next } = page(clusters.list(), nextToken, maxResults, listPages);
        return { clusterArns: items.map(({ name }) => clusterArn(name, call)), nextToken: next };
      },
    }),
    DeleteCluster: operation({
      authorize: (input: ecs.DeleteClusterRequest, call) => ({
        action: "DeleteCluster",
        resource: clusterArn(input.cluster ?? "", call),
      }),
      handle: (input: ecs.DeleteClusterRequest, call) => {
        const name = clusters.find(input.cluster);
        const busy = tasks
          .list()
          .some((task) => task.clusterName === name && task.lastStatus !== "STOPPED");
        if (busy) {
          const message = "The Cluster cannot be deleted while Tasks are active.";
          throw new ApiError("ClusterContainsTasksException", message);
        }
        const cluster = describe(clusters.get(name)!, call);
        clusters.remove(name);
        return { cluster: { ...cluster, status: "INACTIVE" } };
      },
    }),
  };
}

function describeCluster({ name, tags }: ClusterRecord, tasks: Tasks, call: Call): ecs.Cluster {
  const own = tasks.list().filter((task) => task.clusterName === name);
  return {
    clusterArn: clusterArn(name, call),
    clusterName: name,
    status: "ACTIVE",
    registeredContainerInstancesCount: 0,
    runningTasksCount: own.filter(({ lastStatus }) => lastStatus === "RUNNING").length,
    pendingTasksCount: own.filter(({ lastStatus }) => lastStatus === "PENDING").length,
    activeServicesCount: 0,
    statistics: [],
    tags: [...tags],
    settings: [],
    capacityProviders: ["FARGATE", "FARGATE_SPOT"],
    defaultCapacityProviderStrategy: [],
  };
}
