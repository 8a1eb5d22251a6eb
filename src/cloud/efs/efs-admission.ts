import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { ESTALE, type Failure } from "../../files/failure.ts";
import type { Inode } from "../../files/file-system.ts";
import type {
  Admission,
  ArrivingConnection,
  ConnectionEnds,
  ConnectionFacts,
  ConnectionGrant,
} from "../../nfs/server/admission.ts";
import type { PolicyDocument } from "../../policy/document.ts";
import type { Decision } from "../../policy/evaluate.ts";
import { parsePolicy } from "../../policy/parse.ts";
import { type Principal, principalArn } from "../../policy/principal.ts";
import { parseMountCertificate } from "../../wire/x509/mount-certificate-codec.ts";
import type { Identities } from "../contracts/identities.ts";
import type { Network, Passage } from "../contracts/network.ts";
import { accessPointRoot } from "./access-point-root.ts";
import { type Authentication, authenticate } from "./authenticate.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import type { FileSystems } from "./file-systems.ts";
import type { AccessPointRecord } from "./records.ts";
import { accessPointArn, fileSystemArn } from "./resources.ts";

export interface EfsAdmissionOptions {
  readonly fileSystems: FileSystems;
  readonly network: Network;
  readonly identities: Identities;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly log: Log;
  readonly region: string;
  readonly accountId: string;
}

/** Full access for everybody: what a file system without a policy gives (facts §2.2). */
const defaultPolicy: PolicyDocument = parsePolicy(
  JSON.stringify({
    Statement: [
      { Effect: "Allow", Principal: "*", Action: "elasticfilesystem:Client*", Resource: "*" },
    ],
  }),
);

/** Decides who may do what on each connection to a mount target, and again when rules change. */
export class EfsAdmission implements Admission {
  readonly #options: EfsAdmissionOptions;
  readonly #live = new Set<LiveGrant>();
  /** Connections that security groups let not through. */
  readonly #held = new Set<ArrivingConnection>();

  constructor(options: EfsAdmissionOptions) {
    this.#options = options;
    const again = (): void => {
      for (const grant of this.#live) grant.evaluate("UpdateClientConnection");
    };
    options.identities.onChange(again);
    options.fileSystems.onChange(again);
    options.network.onChange(() => {
      for (const grant of this.#live) if (this.#refuses(grant.ends)) grant.cut();
      this.#letThrough();
    });
  }

  arrives(connection: ArrivingConnection): "hold" | "serve" {
    if (!this.#refuses(connection)) return "serve";
    this.#held.add(connection);
    if (this.#held.size > heldSweep) this.#letThrough();
    return "hold";
  }

  /** Serves those whose way is open now, and forgets those that have given up. */
  #letThrough(): void {
    for (const held of this.#held) {
      if (!held.isOver && !this.#passage(held).passes) continue;
      this.#held.delete(held);
      held.serve();
    }
  }

  #passage(ends: ConnectionEnds): Passage {
    return this.#options.network.passes({
      sourceAddress: plainAddress(ends.remoteAddress),
      destinationAddress: ends.localAddress,
      protocol: "tcp",
      // The port that clients of AWS use, whatever this machine had free.
      destinationPort: nfsPort,
    });
  }

  /** Whether the security groups let nothing through; recorded where they don't. */
  #refuses(ends: ConnectionEnds): boolean {
    const { fileSystems, connections, clock } = this.#options;
    const sourceAddress = plainAddress(ends.remoteAddress);
    const passage = this.#passage(ends);
    if (passage.passes) return false;
    const target = fileSystems.targetAt(ends.localAddress);
    const { blockedBy, securityGroupIds } = passage;
    const side = blockedBy === "ingress" ? "the mount target" : "the client";
    connections.add({
      connection: undefined,
      atMs: clock.nowMs(),
      event: "Refused",
      sourceAddress,
      mountTargetAddress: ends.localAddress,
      mountTargetId: target?.mountTargetId,
      fileSystemId: target?.fileSystemId,
      fileSystemArn: target && fileSystemArn(target.fileSystemId, this.#options),
      accessPointId: undefined,
      secure: false,
      principal: "*",
      permissions: { ClientMount: false, ClientWrite: false, ClientRootAccess: false },
      reason: `the security groups of ${side} have no ${blockedBy} rule that lets TCP 2049 through`,
      blocked: { direction: blockedBy, securityGroupIds },
    });
    return true;
  }

  admit(facts: ConnectionFacts, cut: () => void): ConnectionGrant {
    const ended = (): boolean => this.#live.delete(grant);
    const grant: LiveGrant = new LiveGrant(this.#options, facts, { cut, ended });
    this.#live.add(grant);
    grant.evaluate("NewClientConnection");
    return grant;
  }
}

const nfsPort = 2049;
/** Held connections beyond which those that have given up are looked for. */
const heldSweep = 2048;

interface ClientDecisions {
  readonly mount: Decision;
  readonly write: Decision;
  readonly root: Decision;
}

class LiveGrant implements ConnectionGrant {
  readonly #options: EfsAdmissionOptions;
  readonly #facts: ConnectionFacts;
  readonly #ended: () => void;
  /** Closes the connection. */
  readonly cut: () => void;
  readonly #authentication: Authentication;
  readonly #fileSystemId: string | undefined;
  readonly #mountTargetId: string | undefined;
  readonly #number: number;
  #accessPoint: AccessPointRecord | undefined;
  permissions = { mount: false, write: false, root: false };
  #recorded = "";

  constructor(
    options: EfsAdmissionOptions,
    facts: ConnectionFacts,
    calls: { readonly cut: () => void; readonly ended: () => void },
  ) {
    this.#options = options;
    this.#facts = facts;
    this.#number = options.connections.next();
    this.#ended = calls.ended;
    this.cut = calls.cut;
    const target = options.fileSystems.targetAt(facts.localAddress);
    this.#fileSystemId = target?.fileSystemId;
    this.#mountTargetId = target?.mountTargetId;
    this.#authentication = authenticate({
      certificate: readCertificate(facts.certificate),
      malformed: facts.certificate !== undefined,
      fileSystemId: this.#fileSystemId,
      identities: options.identities,
      nowMs: options.clock.nowMs(),
      region: options.region,
    });
  }

  get ends(): ConnectionEnds {
    return this.#facts;
  }

  get fileSystem(): ConnectionGrant["fileSystem"] {
    return this.#fileSystemId === undefined
      ? undefined
      : this.#options.fileSystems.files(this.#fileSystemId);
  }

  get identity(): ConnectionGrant["identity"] {
    const user = this.#accessPoint?.posixUser;
    return user && { uid: user.uid, gid: user.gid, groups: user.secondaryGids };
  }

  get view(): string {
    const { accessPointId, principal } = this.#authentication;
    // Credentials of a role are renewed under another session's name.
    const who = principal.kind === "assumed-role" ? principal.roleArn : principalArn(principal);
    return `${accessPointId ?? "-"} ${who} ${this.#facts.secure}`;
  }

  get expiresAtMs(): number | undefined {
    return this.#authentication.expiresAtMs;
  }

  root(): Inode | Failure {
    const files = this.fileSystem;
    if (files === undefined) return ESTALE;
    return this.#accessPoint === undefined ? files.root : accessPointRoot(files, this.#accessPoint);
  }

  closed(): void {
    this.#options.connections.closed(this.#number);
    this.#ended();
  }

  /** Sets what is permitted from the rules as they are now. */
  evaluate(event: ConnectionRecord["event"]): void {
    const { principal } = this.#authentication;
    const refused = this.#authentication.refused ?? this.#whyKeyIsGone() ?? this.#findAccessPoint();
    const answers = refused === undefined ? this.#decideAll(principal) : undefined;
    const permissions = {
      mount: answers?.mount.allowed ?? false,
      write: answers?.write.allowed ?? false,
      root: answers?.root.allowed ?? false,
    };
    Object.assign(this.permissions, permissions);
    this.#record(event, refused ?? this.#whyNot(answers));
  }

  /** A key that was deleted or made inactive opens nothing any more. */
  #whyKeyIsGone(): string | undefined {
    const { accessKeyId } = this.#authentication;
    if (accessKeyId === undefined) return undefined;
    const known = this.#options.identities.credential(accessKeyId) !== undefined;
    return known ? undefined : `the access key ${accessKeyId} is not known any more`;
  }

  /** Why the certificate's access point can't be used; undefined where it can or none is named. */
  #findAccessPoint(): string | undefined {
    const id = this.#authentication.accessPointId;
    if (id === undefined) return undefined;
    this.#accessPoint = this.#options.fileSystems.accessPoints.get(id);
    if (this.#accessPoint === undefined) return `the access point ${id} does not exist`;
    const { fileSystemId } = this.#accessPoint;
    if (fileSystemId === this.#fileSystemId) return undefined;
    return `the access point ${id} is of the file system ${fileSystemId}`;
  }

  #decideAll(principal: Principal): ClientDecisions {
    const { identities, fileSystems } = this.#options;
    const text = fileSystems.fileSystems.get(this.#fileSystemId ?? "")?.policy;
    const policy = text === undefined ? defaultPolicy : parsePolicy(text);
    const decide = (action: string): Decision =>
      identities.decide(
        {
          principal,
          action: `elasticfilesystem:${action}`,
          resource: fileSystemArn(this.#fileSystemId ?? "", this.#options),
          conditions: this.#conditions(),
        },
        policy,
      );
    return {
      mount: decide("ClientMount"),
      write: decide("ClientWrite"),
      root: decide("ClientRootAccess"),
    };
  }

  /** The keys that EFS enforces (facts §2.2). */
  #conditions(): Record<string, readonly string[]> {
    const id = this.#accessPoint?.accessPointId;
    return {
      "aws:securetransport": [String(this.#facts.secure)],
      "aws:sourceip": [plainAddress(this.#facts.remoteAddress)],
      "elasticfilesystem:accessedviamounttarget": ["true"],
      ...(id !== undefined && {
        "elasticfilesystem:accesspointarn": [accessPointArn(id, this.#options)],
      }),
    };
  }

  #whyNot(answers: ClientDecisions | undefined): string | undefined {
    if (answers === undefined || answers.mount.allowed) return undefined;
    const who = principalArn(this.#authentication.principal);
    const by = answers.mount.why === "explicit-deny" ? "an explicit Deny" : "no policy that allows";
    const name = who === "*" ? "an anonymous client" : who;
    return `${name} has ${by} elasticfilesystem:ClientMount on ${this.#fileSystemId}`;
  }

  #record(event: ConnectionRecord["event"], reason: string | undefined): void {
    const { mount, write, root } = this.permissions;
    const state = `${mount} ${write} ${root} ${reason}`;
    if (event === "UpdateClientConnection" && state === this.#recorded) return;
    this.#recorded = state;
    const fileSystemId = this.#fileSystemId;
    this.#options.connections.add({
      connection: this.#number,
      atMs: this.#options.clock.nowMs(),
      event,
      sourceAddress: plainAddress(this.#facts.remoteAddress),
      mountTargetAddress: this.#facts.localAddress,
      mountTargetId: this.#mountTargetId,
      fileSystemId,
      fileSystemArn: fileSystemId && fileSystemArn(fileSystemId, this.#options),
      accessPointId: this.#authentication.accessPointId,
      secure: this.#facts.secure,
      principal: principalArn(this.#authentication.principal),
      permissions: { ClientMount: mount, ClientWrite: write, ClientRootAccess: root },
      reason,
      blocked: undefined,
    });
  }
}

function readCertificate(
  der: Uint8Array | undefined,
): ReturnType<typeof parseMountCertificate> | undefined {
  if (der === undefined) return undefined;
  try {
    return parseMountCertificate(der);
  } catch {
    return undefined;
  }
}

function plainAddress(address: string): string {
  return address.replace(/^::ffff:/, "");
}
