import { Changes } from "../../base/changes.ts";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { PolicyDocument } from "../../policy/document.ts";
import { type AccessRequest, decide, type Decision } from "../../policy/evaluate.ts";
import { parsePolicy } from "../../policy/parse.ts";
import { type Principal, principalArn } from "../../policy/principal.ts";
import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import type { Credential, Identities, SessionCredential } from "../contracts/identities.ts";
import { awsManagedPolicies } from "./aws-managed-policies.ts";
import type { AccessKey, Entity, ManagedPolicy, SessionKey } from "./records.ts";

export interface IdentityStoreOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly accountId: string;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Users, roles, policies and keys, and what follows from them. */
export class IdentityStore implements Identities {
  readonly entities: Table<Entity>;
  readonly policies: Table<ManagedPolicy>;
  readonly keys: Table<AccessKey>;
  readonly #sessions: Table<SessionKey>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #accountId: string;
  readonly #changes = new Changes();
  /** Parsed policies by their text: the same few are asked for all the time. */
  readonly #parsed = new Map<string, PolicyDocument>();

  constructor({ store, clock, random, accountId }: IdentityStoreOptions) {
    this.entities = new Table(store, "iam-entities");
    this.policies = new Table(store, "iam-policies");
    this.keys = new Table(store, "iam-keys");
    this.#sessions = new Table(store, "sts-sessions");
    this.#clock = clock;
    this.#random = random;
    this.#accountId = accountId;
    this.#dropExpired();
  }

  /** The account root's key, made at the first start. */
  rootKey(): AccessKey {
    const known = this.keys.list().find((key) => key.userName === undefined);
    return known ?? this.makeKey(undefined);
  }

  makeKey(userName: string | undefined): AccessKey {
    const key: AccessKey = {
      accessKeyId: this.uniqueId("AKIA"),
      secretAccessKey: this.#secret(),
      ...(userName !== undefined && { userName }),
      status: "Active",
      createdAtMs: this.#clock.nowMs(),
    };
    this.keys.put(key.accessKeyId, key);
    return key;
  }

  /** 20 or 21 characters as IAM's unique ids: the prefix tells the kind. */
  uniqueId(prefix: string): string {
    const bytes = this.#random.bytes(16);
    return prefix + Array.from(bytes, (byte) => alphabet[byte & 31]).join("");
  }

  credential(accessKeyId: string): Credential | undefined {
    const session = this.#sessions.get(accessKeyId);
    if (session !== undefined) return session;
    const key = this.keys.get(accessKeyId);
    if (key === undefined || key.status !== "Active") return undefined;
    const { secretAccessKey, userName } = key;
    const principal = this.#principalOf(userName);
    return principal && { accessKeyId, secretAccessKey, principal };
  }

  #principalOf(userName: string | undefined): Principal | undefined {
    const accountId = this.#accountId;
    if (userName === undefined) return { kind: "root", accountId };
    const user = this.entities.get(`user/${userName}`);
    if (user === undefined) return undefined;
    return { kind: "user", accountId, userName, userId: user.id, arn: user.arn };
  }

  decide(request: AccessRequest, resource?: PolicyDocument): Decision {
    return decide(request, { identity: this.#policiesOf(request.principal), resource });
  }

  #policiesOf(principal: Principal): PolicyDocument[] {
    const entity = this.#entityOf(principal);
    if (entity === undefined) return [];
    const attached = entity.attachedPolicies.map((arn) => this.policyText(arn));
    const texts = [...Object.values(entity.inlinePolicies), ...attached];
    return texts.flatMap((text) => (text === undefined ? [] : [this.#parse(text)]));
  }

  /** A session of a role that was deleted, or made anew, has no policies any more. */
  #entityOf(principal: Principal): Entity | undefined {
    if (principal.kind === "user") return this.entities.get(`user/${principal.userName}`);
    if (principal.kind !== "assumed-role") return undefined;
    const role = this.entities.get(`role/${principal.roleName}`);
    return role?.id === principal.userId.split(":")[0] ? role : undefined;
  }

  policyText(arn: string): string | undefined {
    return awsManagedPolicies[arn] ?? this.policies.get(arn)?.document;
  }

  assumeRole(request: Parameters<Identities["assumeRole"]>[0]): SessionCredential {
    const { roleArn, sessionName, by, conditions } = request;
    const name = roleArn.split("/").at(-1) ?? "";
    const role = this.entities.get(`role/${name}`);
    if (role === undefined || role.arn !== roleArn) {
      throw new ApiError("NoSuchEntityException", `The role with name ${name} cannot be found.`);
    }
    const trust = this.#parse(role.trustPolicy!);
    const wanted: AccessRequest = {
      principal: by,
      action: "sts:AssumeRole",
      resource: roleArn,
      conditions: conditions ?? {},
    };
    // Whom the trust policy names may; the caller's own policies were asked by the gateway.
    if (!decide(wanted, { identity: [], resource: trust }).allowed && by.kind !== "root") {
      const who = `User: ${principalArn(by)}`;
      const message = `${who} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`;
      throw new ApiError("AccessDenied", message, { status: 403 });
    }
    if (by.kind !== "service" && request.durationSeconds > (role.maxSessionSeconds ?? 3600)) {
      throw new ApiError(
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
      );
    }
    return this.#makeSession(role, sessionName, request.durationSeconds);
  }

  #makeSession(role: Entity, sessionName: string, durationSeconds: number): SessionCredential {
    const accountId = this.#accountId;
    const session: SessionCredential = {
      accessKeyId: this.uniqueId("ASIA"),
      secretAccessKey: this.#secret(),
      sessionToken: Buffer.from(this.#random.bytes(192)).toString("base64"),
      expiresAtMs: Math.floor(this.#clock.nowMs() / 1000) * 1000 + durationSeconds * 1000,
      principal: {
        kind: "assumed-role",
        accountId,
        roleName: role.name,
        roleArn: role.arn,
        sessionName,
        userId: `${role.id}:${sessionName}`,
        arn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/${sessionName}`,
      },
    };
    this.#sessions.put(session.accessKeyId, session);
    return session;
  }

  onChange(call: () => void): () => void {
    return this.#changes.listen(call);
  }

  changed(): void {
    this.#changes.announce();
  }

  #parse(text: string): PolicyDocument {
    let parsed = this.#parsed.get(text);
    if (parsed === undefined) {
      if (this.#parsed.size > parsedLimit) this.#parsed.clear();
      parsed = parsePolicy(text);
      this.#parsed.set(text, parsed);
    }
    return parsed;
  }

  #dropExpired(): void {
    for (const session of this.#sessions.list()) {
      if (session.expiresAtMs < this.#clock.nowMs()) this.#sessions.remove(session.accessKeyId);
    }
  }

  #secret(): string {
    return Buffer.from(this.#random.bytes(30)).toString("base64");
  }
}

/** Parsed policies kept at once. */
const parsedLimit = 1000;
