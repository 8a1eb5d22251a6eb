import { Changes } from "../../base/changes.ts";
import { type Random, randomHex } from "../../base/random.ts";
import type { Store } from "../../store/store.ts";
import { Table } from "../../store/table.ts";
import { ApiError } from "../../wire/aws/api-error.ts";
import type { Connection, Network, NetworkInterface, Passage } from "../contracts/network.ts";
import { addressNumber, addressText, inRange, parseRange } from "./addresses.ts";
import type { GroupRecord, InterfaceRecord, Rule, SubnetRecord, VpcRecord } from "./records.ts";

export interface VpcNetworkOptions {
  readonly store: Store;
  readonly random: Random;
  readonly region: string;
  /** Of the default VPC, /16 to /26. */
  readonly cidrBlock: string;
}

const zones = ["a", "b", "c"];
/** AWS keeps the first four addresses of a subnet, and the last one. */
const reservedAddresses = 4;

/** The default VPC with a subnet in each zone, its security groups and network interfaces. */
export class VpcNetwork implements Network {
  readonly vpcs: Table<VpcRecord>;
  readonly subnets: Table<SubnetRecord>;
  readonly groups: Table<GroupRecord>;
  readonly interfaces: Table<InterfaceRecord>;
  readonly #random: Random;
  readonly #region: string;
  readonly #changes = new Changes();
  readonly #lastAddress = new Map<string, number>();

  constructor({ store, random, region, cidrBlock }: VpcNetworkOptions) {
    this.vpcs = new Table(store, "ec2-vpcs");
    this.subnets = new Table(store, "ec2-subnets");
    this.groups = new Table(store, "ec2-groups");
    this.interfaces = new Table(store, "ec2-interfaces");
    this.#random = random;
    this.#region = region;
    if (this.vpcs.list().length === 0) this.#makeDefault(cidrBlock);
  }

  get defaultVpc(): VpcRecord {
    return this.vpcs.list()[0]!;
  }

  #makeDefault(cidrBlock: string): void {
    const range = parseRange(cidrBlock);
    const vpcId = this.#id("vpc");
    this.vpcs.put(vpcId, { vpcId, cidrBlock });
    const size = range.size / 16;
    const bits = 32 - Math.log2(size);
    for (const [index, letter] of zones.entries()) {
      const subnetId = this.#id("subnet");
      this.subnets.put(subnetId, {
        subnetId,
        vpcId,
        cidrBlock: `${addressText(range.first + index * size)}/${bits}`,
        availabilityZone: `${this.#region}${letter}`,
        availabilityZoneId: `${zoneIdPrefix(this.#region)}-az${index + 1}`,
      });
    }
    const group = this.createGroup("default", "default VPC security group", vpcId);
    group.rules.push(this.rule("ingress", { protocol: "-1", groupId: group.groupId }));
    this.groups.put(group.groupId, group);
  }

  createGroup(groupName: string, description: string, vpcId: string): GroupRecord {
    const group: GroupRecord = {
      groupId: this.#id("sg"),
      groupName,
      description,
      vpcId,
      rules: [this.rule("egress", { protocol: "-1", cidr: "0.0.0.0/0" })],
      tags: [],
    };
    this.groups.put(group.groupId, group);
    this.#changes.announce();
    return group;
  }

  saveGroup(group: GroupRecord): void {
    this.groups.put(group.groupId, group);
    this.#changes.announce();
  }

  rule(
    direction: Rule["direction"],
    fields: Omit<Rule, "direction" | "fromPort" | "ruleId" | "toPort"> & Partial<Rule>,
  ): Rule {
    return { fromPort: -1, toPort: -1, ...fields, direction, ruleId: this.#id("sgr") };
  }

  subnet(subnetId: string): SubnetRecord | undefined {
    return this.subnets.get(subnetId);
  }

  securityGroup(groupId: string): GroupRecord | undefined {
    return this.groups.get(groupId);
  }

  defaultSecurityGroup(vpcId: string): string {
    const group = this.groups
      .list()
      .find((each) => each.vpcId === vpcId && each.groupName === "default");
    return group!.groupId;
  }

  createInterface(request: Parameters<Network["createInterface"]>[0]): NetworkInterface {
    const subnet = this.subnets.get(request.subnetId);
    if (subnet === undefined) {
      throw new ApiError(
        "InvalidSubnetID.NotFound",
        `The subnet ID '${request.subnetId}' does not exist`,
      );
    }
    for (const groupId of request.securityGroupIds) this.#needGroup(groupId);
    const address = this.#takeAddress(subnet, request.address);
    const record: InterfaceRecord = {
      networkInterfaceId: this.#id("eni"),
      subnetId: subnet.subnetId,
      vpcId: subnet.vpcId,
      availabilityZone: subnet.availabilityZone,
      address,
      macAddress: macAddressOf(address),
      privateDnsName: `ip-${address.replaceAll(".", "-")}.ec2.internal`,
      description: request.description,
      requesterId: request.requesterId,
      securityGroupIds: [...request.securityGroupIds],
    };
    this.interfaces.put(record.networkInterfaceId, record);
    this.#changes.announce();
    return record;
  }

  deleteInterface(networkInterfaceId: string): void {
    this.interfaces.remove(networkInterfaceId);
    this.#changes.announce();
  }

  interface(networkInterfaceId: string): NetworkInterface | undefined {
    return this.interfaces.get(networkInterfaceId);
  }

  interfaceAt(address: string): NetworkInterface | undefined {
    return this.interfaces.list().find((each) => each.address === address);
  }

  setSecurityGroups(networkInterfaceId: string, securityGroupIds: readonly string[]): void {
    for (const groupId of securityGroupIds) this.#needGroup(groupId);
    const record = this.interfaces.get(networkInterfaceId);
    if (record === undefined) return;
    record.securityGroupIds = [...securityGroupIds];
    this.interfaces.put(networkInterfaceId, record);
    this.#changes.announce();
  }

  passes(connection: Connection): Passage {
    const { sourceAddress, destinationAddress } = connection;
    const source = this.#groupsAt(sourceAddress);
    const destination = this.#groupsAt(destinationAddress);
    const leaves = this.#allows("egress", source, destination, destinationAddress, connection);
    if (!leaves) return { passes: false, blockedBy: "egress", securityGroupIds: source };
    const enters = this.#allows("ingress", destination, source, sourceAddress, connection);
    if (!enters) return { passes: false, blockedBy: "ingress", securityGroupIds: destination };
    return { passes: true };
  }

  onChange(call: () => void): () => void {
    return this.#changes.listen(call);
  }

  #groupsAt(address: string): readonly string[] {
    const found = this.interfaceAt(address);
    if (found !== undefined) return found.securityGroupIds;
    return [this.defaultSecurityGroup(this.defaultVpc.vpcId)];
  }

  #allows(
    direction: Rule["direction"],
    groupIds: readonly string[],
    peerGroupIds: readonly string[],
    peerAddress: string,
    { protocol, destinationPort }: Connection,
  ): boolean {
    const rules = groupIds.flatMap((groupId) => this.groups.get(groupId)?.rules ?? []);
    return rules.some((rule) => {
      if (rule.direction !== direction) return false;
      if (rule.protocol !== "-1" && rule.protocol !== protocol) return false;
      const anyPort = rule.protocol === "-1" || rule.fromPort === -1;
      const portFits = rule.fromPort <= destinationPort && destinationPort <= rule.toPort;
      if (!anyPort && !portFits) return false;
      if (rule.groupId !== undefined) return peerGroupIds.includes(rule.groupId);
      return rule.cidr !== undefined && inRange(peerAddress, rule.cidr);
    });
  }

  #needGroup(groupId: string): void {
    if (this.groups.get(groupId) !== undefined) return;
    throw new ApiError("InvalidGroup.NotFound", `The security group '${groupId}' does not exist`);
  }

  /** The asked one, or the next free one: one that was given back is not taken again at once. */
  #takeAddress(subnet: SubnetRecord, asked: string | undefined): string {
    const { first, size } = parseRange(subnet.cidrBlock);
    const used = new Set(this.interfaces.list().map((each) => each.address));
    if (asked !== undefined) {
      const offset = addressNumber(asked) - first;
      if (!(offset >= reservedAddresses && offset < size - 1)) {
        throw new ApiError(
          "InvalidParameterValue",
          `Address ${asked} does not fall within the subnet's address range`,
        );
      }
      if (!used.has(asked)) return asked;
      throw new ApiError("InvalidIPAddress.InUse", `Address ${asked} is in use.`);
    }
    const count = size - reservedAddresses - 1;
    const start = (this.#lastAddress.get(subnet.subnetId) ?? used.size) + 1;
    for (let step = 0; step < count; step += 1) {
      const offset = (start + step) % count;
      const address = addressText(first + reservedAddresses + offset);
      if (used.has(address)) continue;
      this.#lastAddress.set(subnet.subnetId, offset);
      return address;
    }
    throw new ApiError(
      "InsufficientFreeAddressesInSubnet",
      `There are not enough free addresses in subnet '${subnet.subnetId}'.`,
    );
  }

  #id(prefix: string): string {
    return `${prefix}-${randomHex(this.#random, 17)}`;
  }
}

/** E.g. use1 for us-east-1, as in AWS's zone ids. */
function zoneIdPrefix(region: string): string {
  const [area = "", direction = "", number = ""] = region.split("-");
  return `${area}${direction.charAt(0)}${number}`;
}

/** A locally administered address that the IPv4 address makes unique. */
function macAddressOf(address: string): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "00", ...bytes].join(":");
}
