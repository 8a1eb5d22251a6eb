import type * as ecs from "@aws-sdk/client-ecs";

import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { page } from "../contracts/page.ts";
import {
  type AuthorizationNeed,
  type Call,
  type Operation,
  operation,
} from "../contracts/service.ts";
import { checkDefinition } from "./definition-rules.ts";
import { listPages } from "./limits.ts";
import { parseCpu, parseMemory } from "./task-size.ts";

/** Registered definitions, with times as numbers, by family and revision. */
export class TaskDefinitions {
  readonly #table: Table<StoredDefinition>;

  constructor(store: Store) {
    this.#table = new Table(store, "ecs-definitions");
  }

  register(input: ecs.RegisterTaskDefinitionRequest, call: Call): ecs.TaskDefinition {
    checkDefinition(input);
    const family = input.family!;
    const revision = (this.#revisions(family).at(-1)?.revision ?? 0) + 1;
    const definition: StoredDefinition = {
      ...input,
      family,
      revision,
      taskDefinitionArn: definitionArn(`${family}:${revision}`, call),
      containerDefinitions: (input.containerDefinitions ?? []).map(withDefaults),
      volumes: input.volumes ?? [],
      status: "ACTIVE",
      placementConstraints: input.placementConstraints ?? [],
      compatibilities: ["EC2", "FARGATE"],
      ...(input.cpu !== undefined && { cpu: String(parseCpu(input.cpu)) }),
      ...(input.memory !== undefined && { memory: String(parseMemory(input.memory)) }),
      registeredAtMs: call.nowMs,
    };
    this.#save(definition);
    return describe(definition);
  }

  /** By family (the newest active one), `family:revision` or ARN. Throws ClientException. */
  find(given: string | undefined): ecs.TaskDefinition {
    const found = this.#find(given);
    if (found !== undefined) return describe(found);
    throw new ApiError("ClientException", "Unable to describe task definition.");
  }

  get(given: string | undefined): ecs.TaskDefinition | undefined {
    const found = this.#find(given);
    return found && describe(found);
  }

  tags(given: string | undefined): readonly ecs.Tag[] {
    return this.#find(given)?.tags ?? [];
  }

  #find(given: string | undefined): StoredDefinition | undefined {
    const name = (given ?? "").split("/").at(-1)!;
    const [family = "", revision] = name.split(":");
    const revisions = this.#revisions(family);
    if (revision === undefined) return revisions.findLast(({ status }) => status === "ACTIVE");
    return revisions.find((each) => String(each.revision) === revision);
  }

  list(prefix: string | undefined, status: string): string[] {
    return this.#table
      .list(prefix === undefined ? "" : `${prefix}:`)
      .filter((each) => each.status === status)
      .map((each) => each.taskDefinitionArn);
  }

  families(prefix: string, status: string): string[] {
    const wanted = this.#table
      .list(prefix)
      .filter((each) => status === "ALL" || each.status === status);
    return [...new Set(wanted.map(({ family }) => family))];
  }

  deregister(given: string | undefined): ecs.TaskDefinition {
    const { family, revision } = this.find(given);
    const stored = this.#revisions(family!).find((each) => each.revision === revision)!;
    const inactive: StoredDefinition = { ...stored, status: "INACTIVE" };
    this.#save(inactive);
    return describe(inactive);
  }

  #revisions(family: string): StoredDefinition[] {
    return this.#table.list(`${family}:`);
  }

  #save(definition: StoredDefinition): void {
    const number = String(definition.revision).padStart(8, "0");
    this.#table.put(`${definition.family}:${number}`, definition);
  }
}

type StoredDefinition = Omit<ecs.TaskDefinition, "registeredAt"> & {
  readonly family: string;
  readonly revision: number;
  readonly taskDefinitionArn: string;
  readonly registeredAtMs: number;
  readonly tags?: readonly ecs.Tag[] | undefined;
};

function describe(stored: StoredDefinition): ecs.TaskDefinition {
  const { registeredAtMs, tags: _tags, ...definition } = stored;
  return { ...definition, registeredAt: new Date(registeredAtMs) };
}

/** What ECS fills in. */
function withDefaults(container: ecs.ContainerDefinition): ecs.ContainerDefinition {
  return {
    cpu: 0,
    essential: true,
    environment: [],
    mountPoints: [],
    volumesFrom: [],
    systemControls: [],
    ...container,
    portMappings: (container.portMappings ?? []).map((port) => ({
      hostPort: port.containerPort,
      protocol: "tcp",
      ...port,
    })),
  };
}

export function definitionArn(name: string, { region, accountId }: Call): string {
  return `arn:aws:ecs:${region}:${accountId}:task-definition/${name}`;
}

/** Roles that a definition or a run hands over must be passable by whoever does. */
export function passRoles(arns: readonly (string | undefined)[]): AuthorizationNeed[] {
  const given = [...new Set(arns)].filter((arn) => arn !== undefined);
  return given.map((resource) => ({
    action: "iam:PassRole",
    resource,
    conditions: { "iam:passedtoservice": ["ecs-tasks.amazonaws.com"] },
  }));
}

export function definitionOperations(definitions: TaskDefinitions): Record<string, Operation> {
  const anywhere = (action: string) => () => ({ action, resource: "*" });
  return {
    RegisterTaskDefinition: operation({
      authorize: (input: ecs.RegisterTaskDefinitionRequest, call) => [
        {
          action: "RegisterTaskDefinition",
          resource: definitionArn(`${input.family}:*`, call),
        },
        ...passRoles([input.taskRoleArn, input.executionRoleArn]),
      ],
      handle: (input: ecs.RegisterTaskDefinitionRequest, call) => ({
        taskDefinition: definitions.register(input, call),
        tags: input.tags ?? [],
      }),
    }),
    DescribeTaskDefinition: operation({
      authorize: anywhere("DescribeTaskDefinition"),
      handle: (input: ecs.DescribeTaskDefinitionRequest) => ({
        taskDefinition: definitions.find(input.taskDefinition),
        tags: input.include?.includes("TAGS") ? definitions.tags(input.taskDefinition) : [],
      }),
    }),
    DeregisterTaskDefinition: operation({
      authorize: anywhere("DeregisterTaskDefinition"),
      handle: (input: ecs.DeregisterTaskDefinitionRequest) => ({
        taskDefinition: definitions.deregister(input.taskDefinition),
      }),
    }),
    ListTaskDefinitions: operation({
      authorize: anywhere("ListTaskDefinitions"),
      handle: (input: ecs.ListTaskDefinitionsRequest) => {
        const arns = definitions.list(input.familyPrefix, input.status ?? "ACTIVE");
        const sorted = input.sort === "DESC" ? arns.toReversed() : arns;
        const { items, next } = page(sorted, input.nextToken, input.maxResults, listPages);
        return { taskDefinitionArns: items, nextToken: next };
      },
    }),
    ListTaskDefinitionFamilies: operation({
      authorize: anywhere("ListTaskDefinitionFamilies"),
      handle: (input: ecs.ListTaskDefinitionFamiliesRequest) => {
        const { familyPrefix = "", status = "ACTIVE" } = input;
        const found = definitions.families(familyPrefix, status);
        const { items, next } = page(found, input.nextToken, input.maxResults, listPages);
        return { families: items, nextToken: next };
      },
    }),
  };
}
