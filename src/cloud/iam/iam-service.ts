import * as iam from "@aws-sdk/client-iam";

import type { Clock } from "../../base/clock.ts";
import { MalformedPolicy, parsePolicy } from "../../policy/parse.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import { page } from "../contracts/page.ts";
import { type Call, type Operation, operation, type Service } from "../contracts/service.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { AccessKey, Entity, ManagedPolicy } from "./records.ts";

const namePattern = /^[\w+=,.@-]{1,64}$/;
const namesOf = { role: "Role", user: "User" } as const;

/** IAM's API over the identity store. */
export class IamService {
  readonly #identities: IdentityStore;
  readonly #clock: Clock;
  readonly #accountId: string;

  constructor(identities: IdentityStore, clock: Clock, accountId: string) {
    this.#identities = identities;
    this.#clock = clock;
    this.#accountId = accountId;
  }

  service(): Service {
    return {
      prefix: "iam",
      signingName: "iam",
      protocol: {
        kind: "awsQuery",
        version: "2010-05-08",
        xmlNamespace: "https://iam.amazonaws.com/doc/2010-05-08/",
      },
      schemas: iam,
      operations: {
        ...this.#roleOperations(),
        ...this.#userOperations(),
        ...this.#policyOperations(),
        ...this.#inlinePolicyOperations("role"),
        ...this.#inlinePolicyOperations("user"),
        ...this.#attachmentOperations("role"),
        ...this.#attachmentOperations("user"),
      },
    };
  }

  #row<Input extends object, Output>(
    action: string,
    kind: "role" | "user",
    handle: (input: Input, name: string) => Output,
  ): Operation<Input, Output> {
    // Users who name nobody mean themselves.
    const nameOf = (input: Input, { principal }: Call): string =>
      (input as Record<string, string>)[`${namesOf[kind]}Name`] ??
      (kind === "user" && principal.kind === "user" ? principal.userName : "");
    return operation({
      authorize: (input: Input, call) => ({
        action,
        resource: this.#arn(kind, nameOf(input, call)),
      }),
      handle: (input: Input, call) => handle(input, nameOf(input, call)),
    });
  }

  #roleOperations(): Record<string, Operation> {
    return {
      CreateRole: this.#row("CreateRole", "role", (input: iam.CreateRoleRequest, name) => {
        const trustPolicy = checkPolicy(input.AssumeRolePolicyDocument);
        const { Description, MaxSessionDuration } = input;
        const seconds = MaxSessionDuration ?? 3600;
        if (seconds < 3600 || seconds > 43_200) {
          throw new ApiError("ValidationError", "MaxSessionDuration must be from 3600 to 43200.");
        }
        const role = this.#create("role", name, input, {
          trustPolicy,
          ...(Description !== undefined && { description: Description }),
          ...(MaxSessionDuration !== undefined && { maxSessionSeconds: MaxSessionDuration }),
        });
        return { Role: describeRole(role) };
      }),
      GetRole: this.#row("GetRole", "role", (_input: iam.GetRoleRequest, name) => ({
        Role: describeRole(this.#entity("role", name)),
      })),
      ListRoles: operation({
        authorize: () => ({ action: "ListRoles", resource: "*" }),
        handle: (input: iam.ListRolesRequest) => {
          const { items, more } = paged(this.#under("role", input.PathPrefix), input);
          return { Roles: items.map(describeRole), ...more };
        },
      }),
      UpdateAssumeRolePolicy: this.#row(
        "UpdateAssumeRolePolicy",
        "role",
        (input: iam.UpdateAssumeRolePolicyRequest, name) => {
          const role = this.#entity("role", name);
          role.trustPolicy = checkPolicy(input.PolicyDocument);
          this.#save(role);
        },
      ),
      DeleteRole: this.#row("DeleteRole", "role", (_input: iam.DeleteRoleRequest, name) =>
        this.#delete("role", name),
      ),
      TagRole: this.#row("TagRole", "role", (input: iam.TagRoleRequest, name) => {
        const role = this.#entity("role", name);
        role.tags = mergeTags(role.tags, input.Tags ?? []);
        this.#save(role);
      }),
      ListRoleTags: this.#row("ListRoleTags", "role", (_i: iam.ListRoleTagsRequest, name) => ({
        Tags: this.#entity("role", name).tags,
        IsTruncated: false,
      })),
      ListInstanceProfilesForRole: this.#row(
        "ListInstanceProfilesForRole",
        "role",
        (_input: iam.ListInstanceProfilesForRoleRequest, name) => {
          this.#entity("role", name);
          return { InstanceProfiles: [], IsTruncated: false };
        },
      ),
    };
  }

  #userOperations(): Record<string, Operation> {
    return {
      CreateUser: this.#row("CreateUser", "user", (input: iam.CreateUserRequest, name) => ({
        User: describeUser(this.#create("user", name, input, {})),
      })),
      GetUser: this.#row("GetUser", "user", (_input: iam.GetUserRequest, name) => ({
        User: describeUser(this.#entity("user", name)),
      })),
      ListUsers: operation({
        authorize: () => ({ action: "ListUsers", resource: "*" }),
        handle: (input: iam.ListUsersRequest) => {
          const { items, more } = paged(this.#under("user", input.PathPrefix), input);
          return { Users: items.map(describeUser), ...more };
        },
      }),
      DeleteUser: this.#row("DeleteUser", "user", (_input: iam.DeleteUserRequest, name) => {
        if (this.#keysOf(name).length > 0) {
          throw conflict("Cannot delete entity, must delete access keys first.");
        }
        this.#delete("user", name);
      }),
      CreateAccessKey: this.#row(
        "CreateAccessKey",
        "user",
        (_input: iam.CreateAccessKeyRequest, name) => {
          this.#entity("user", name);
          const key = this.#identities.makeKey(name);
          const described = { ...describeKey(key), SecretAccessKey: key.secretAccessKey };
          return { AccessKey: described };
        },
      ),
      ListAccessKeys: this.#row(
        "ListAccessKeys",
        "user",
        (input: iam.ListAccessKeysRequest, name) => {
          const { items, more } = paged(this.#keysOf(name), input);
          return { AccessKeyMetadata: items.map(describeKey), ...more };
        },
      ),
      DeleteAccessKey: this.#row(
        "DeleteAccessKey",
        "user",
        (input: iam.DeleteAccessKeyRequest, name) => {
          const known = this.#keysOf(name).find((key) => key.accessKeyId === input.AccessKeyId);
          if (known === undefined) throw missing(`The Access Key with id ${input.AccessKeyId}`);
          this.#identities.keys.remove(known.accessKeyId);
          this.#identities.changed();
        },
      ),
    };
  }

  #policyOperations(): Record<string, Operation> {
    const { policies } = this.#identities;
    const find = (arn: string | undefined): ManagedPolicy => {
      const known = policies.get(arn ?? "");
      if (known !== undefined) return known;
      const document = this.#identities.policyText(arn ?? "");
      if (document === undefined) throw missing(`Policy ${arn}`);
      const name = arn!.split("/").at(-1)!;
      return { arn: arn!, name, path: "/", id: "ANPAAWS", document, createdAtMs: 0 };
    };
    const onPolicy = (action: string) => (input: { PolicyArn?: string | undefined }) => ({
      action,
      resource: input.PolicyArn ?? "*",
    });
    return {
      CreatePolicy: operation({
        authorize: (input: iam.CreatePolicyRequest) => ({
          action: "CreatePolicy",
          resource: `arn:aws:iam::${this.#accountId}:policy/${input.PolicyName}`,
        }),
        handle: (input: iam.CreatePolicyRequest) => this.#createPolicy(input),
      }),
      GetPolicy: operation({
        authorize: onPolicy("GetPolicy"),
        handle: (input: iam.GetPolicyRequest) => ({
          Policy: describePolicy(find(input.PolicyArn)),
        }),
      }),
      GetPolicyVersion: operation({
        authorize: onPolicy("GetPolicyVersion"),
        handle: (input: iam.GetPolicyVersionRequest) => ({
          PolicyVersion: {
            Document: encodeURIComponent(find(input.PolicyArn).document),
            VersionId: "v1",
            IsDefaultVersion: true,
          },
        }),
      }),
      ListPolicies: operation({
        authorize: () => ({ action: "ListPolicies", resource: "*" }),
        handle: (input: iam.ListPoliciesRequest) => {
          const { items, more } = paged(policies.list(), input);
          return { Policies: items.map(describePolicy), ...more };
        },
      }),
      DeletePolicy: operation({
        authorize: onPolicy("DeletePolicy"),
        handle: (input: iam.DeletePolicyRequest) => {
          const policy = find(input.PolicyArn);
          const users = this.#identities.entities.list();
          if (users.some(({ attachedPolicies }) => attachedPolicies.includes(policy.arn))) {
            throw conflict("Cannot delete a policy attached to entities.");
          }
          policies.remove(policy.arn);
        },
      }),
    };
  }

  #createPolicy(input: iam.CreatePolicyRequest): iam.CreatePolicyResponse {
    const { policies } = this.#identities;
    const path = input.Path ?? "/";
    const name = policyName(input.PolicyName);
    const arn = `arn:aws:iam::${this.#accountId}:policy${path}${name}`;
    if (policies.get(arn) !== undefined) throw exists(`A policy called ${name} already exists.`);
    const policy: ManagedPolicy = {
      arn,
      name,
      path,
      id: this.#identities.uniqueId("ANPA"),
      document: checkPolicy(input.PolicyDocument),
      createdAtMs: this.#clock.nowMs(),
      ...(input.Description !== undefined && { description: input.Description }),
    };
    policies.put(arn, policy);
    return { Policy: describePolicy(policy) };
  }

  #inlinePolicyOperations(kind: "role" | "user"): Record<string, Operation> {
    const noun = namesOf[kind];
    type Input = {
      PolicyName?: string;
      PolicyDocument?: string;
      Marker?: string;
      MaxItems?: number;
    };
    const find = (name: string, policyName = ""): string => {
      const text = this.#entity(kind, name).inlinePolicies[policyName];
      if (text === undefined) throw missing(`The ${kind} policy with name ${policyName}`);
      return text;
    };
    return {
      [`Put${noun}Policy`]: this.#row(`Put${noun}Policy`, kind, (input: Input, name) => {
        const entity = this.#entity(kind, name);
        entity.inlinePolicies[policyName(input.PolicyName)] = checkPolicy(input.PolicyDocument);
        this.#save(entity);
      }),
      [`Get${noun}Policy`]: this.#row(`Get${noun}Policy`, kind, (input: Input, name) => ({
        [`${noun}Name`]: name,
        PolicyName: input.PolicyName,
        PolicyDocument: encodeURIComponent(find(name, input.PolicyName)),
      })),
      [`Delete${noun}Policy`]: this.#row(`Delete${noun}Policy`, kind, (input: Input, name) => {
        find(name, input.PolicyName);
        const entity = this.#entity(kind, name);
        delete entity.inlinePolicies[input.PolicyName ?? ""];
        this.#save(entity);
      }),
      [`List${noun}Policies`]: this.#row(`List${noun}Policies`, kind, (input: Input, name) => {
        const names = Object.keys(this.#entity(kind, name).inlinePolicies);
        const { items, more } = paged(names, input);
        return { PolicyNames: items, ...more };
      }),
    };
  }

  #attachmentOperations(kind: "role" | "user"): Record<string, Operation> {
    const noun = namesOf[kind];
    type Input = { PolicyArn?: string };
    return {
      [`Attach${noun}Policy`]: this.#row(`Attach${noun}Policy`, kind, (input: Input, name) => {
        const arn = input.PolicyArn ?? "";
        if (this.#identities.policyText(arn) === undefined) {
          throw missing(`Policy ${arn}`);
        }
        const entity = this.#entity(kind, name);
        entity.attachedPolicies = [...new Set([...entity.attachedPolicies, arn])];
        this.#save(entity);
      }),
      [`Detach${noun}Policy`]: this.#row(`Detach${noun}Policy`, kind, (input: Input, name) => {
        const entity = this.#entity(kind, name);
        if (!entity.attachedPolicies.includes(input.PolicyArn ?? "")) {
          throw missing(`Policy ${input.PolicyArn}`);
        }
        entity.attachedPolicies = entity.attachedPolicies.filter((arn) => arn !== input.PolicyArn);
        this.#save(entity);
      }),
      [`ListAttached${noun}Policies`]: this.#row(
        `ListAttached${noun}Policies`,
        kind,
        (_input: Input, name) => ({
          AttachedPolicies: this.#entity(kind, name).attachedPolicies.map((arn) => ({
            PolicyArn: arn,
            PolicyName: arn.split("/").at(-1),
          })),
          IsTruncated: false,
        }),
      ),
    };
  }

  #create(
    kind: "role" | "user",
    name: string,
    input: { Path?: string | undefined; Tags?: iam.Tag[] | undefined },
    more: Partial<Entity>,
  ): Entity {
    if (!namePattern.test(name)) {
      throw new ApiError("ValidationError", `The name "${name}" is not a valid ${kind} name.`);
    }
    const { entities } = this.#identities;
    if (entities.get(`${kind}/${name}`) !== undefined) {
      throw exists(`${namesOf[kind]} with name ${name} already exists.`);
    }
    const path = input.Path ?? "/";
    const entity: Entity = {
      kind,
      name,
      path,
      arn: `arn:aws:iam::${this.#accountId}:${kind}${path}${name}`,
      id: this.#identities.uniqueId(kind === "role" ? "AROA" : "AIDA"),
      createdAtMs: this.#clock.nowMs(),
      inlinePolicies: {},
      attachedPolicies: [],
      tags: mergeTags([], input.Tags ?? []),
      ...more,
    };
    this.#save(entity);
    return entity;
  }

  #delete(kind: "role" | "user", name: string): void {
    const entity = this.#entity(kind, name);
    if (entity.attachedPolicies.length > 0) {
      throw conflict("Cannot delete entity, must detach all policies first.");
    }
    if (Object.keys(entity.inlinePolicies).length > 0) {
      throw conflict("Cannot delete entity, must delete policies first.");
    }
    this.#identities.entities.remove(`${kind}/${name}`);
    this.#identities.changed();
  }

  #entity(kind: "role" | "user", name: string): Entity {
    const entity = this.#identities.entities.get(`${kind}/${name}`);
    if (entity === undefined) throw missing(`The ${kind} with name ${name}`);
    return entity;
  }

  #save(entity: Entity): void {
    this.#identities.entities.put(`${entity.kind}/${entity.name}`, entity);
    this.#identities.changed();
  }

  #under(kind: "role" | "user", pathPrefix = "/"): Entity[] {
    const all = this.#identities.entities.list(`${kind}/`);
    return all.filter(({ path }) => path.startsWith(pathPrefix));
  }

  #keysOf(userName: string): AccessKey[] {
    return this.#identities.keys.list().filter((key) => key.userName === userName);
  }

  #arn(kind: "role" | "user", name: string): string {
    const entity = this.#identities.entities.get(`${kind}/${name}`);
    return entity?.arn ?? `arn:aws:iam::${this.#accountId}:${kind}/${name}`;
  }
}

interface PageRequest {
  readonly Marker?: string | undefined;
  readonly MaxItems?: number | undefined;
}

/** A page as IAM tells of it (IAM API reference: 100 items, at most 1000). */
function paged<T>(all: readonly T[], { Marker, MaxItems }: PageRequest) {
  const rules = { least: 1, usual: 100, most: 1000, errorCode: "ValidationError" };
  const { items, next } = page(all, Marker, MaxItems, rules);
  return { items, more: { IsTruncated: next !== undefined, Marker: next } };
}

function policyName(name = ""): string {
  if (/^[\w+=,.@-]{1,128}$/.test(name)) return name;
  throw new ApiError("ValidationError", `The name "${name}" is not a valid policy name.`);
}

function checkPolicy(text: string | undefined): string {
  try {
    parsePolicy(text ?? "");
  } catch (error) {
    if (!(error instanceof MalformedPolicy)) throw error;
    throw new ApiError("MalformedPolicyDocumentException", error.message);
  }
  return text!;
}

function missing(what: string): ApiError {
  return new ApiError("NoSuchEntityException", `${what} cannot be found.`);
}

function exists(message: string): ApiError {
  return new ApiError("EntityAlreadyExistsException", message);
}

function conflict(message: string): ApiError {
  return new ApiError("DeleteConflictException", message);
}

function mergeTags(known: Entity["tags"], given: readonly iam.Tag[]): Entity["tags"] {
  const merged = new Map(known.map(({ Key, Value }) => [Key, Value]));
  for (const { Key, Value } of given) merged.set(Key ?? "", Value ?? "");
  return Array.from(merged, ([Key, Value]) => ({ Key, Value }));
}

function describeRole(role: Entity): iam.Role {
  return {
    Path: role.path,
    RoleName: role.name,
    RoleId: role.id,
    Arn: role.arn,
    CreateDate: new Date(role.createdAtMs),
    AssumeRolePolicyDocument: encodeURIComponent(role.trustPolicy ?? ""),
    MaxSessionDuration: role.maxSessionSeconds ?? 3600,
    ...(role.description !== undefined && { Description: role.description }),
    ...(role.tags.length > 0 && { Tags: role.tags }),
  };
}

function describeUser(user: Entity): iam.User {
  return {
    Path: user.path,
    UserName: user.name,
    UserId: user.id,
    Arn: user.arn,
    CreateDate: new Date(user.createdAtMs),
    ...(user.tags.length > 0 && { Tags: user.tags }),
  };
}

function describeKey(key: AccessKey): iam.AccessKeyMetadata {
  return {
    UserName: key.userName,
    AccessKeyId: key.accessKeyId,
    Status: key.status,
    CreateDate: new Date(key.createdAtMs),
  };
}

function describePolicy(policy: ManagedPolicy): iam.Policy {
  const created = new Date(policy.createdAtMs);
  return {
    PolicyName: policy.name,
    PolicyId: policy.id,
    Arn: policy.arn,
    Path: policy.path,
    DefaultVersionId: "v1",
    IsAttachable: true,
    CreateDate: created,
    UpdateDate: created,
    ...(policy.description !== undefined && { Description: policy.description }),
  };
}
