/** What others need of EC2's networking. Implemented by `cloud/ec2`, handed over by `main`. */
export interface Network {
  subnet(subnetId: string): Subnet | undefined;
  securityGroup(groupId: string): { readonly groupId: string; readonly vpcId: string } | undefined;
  defaultSecurityGroup(vpcId: string): string;
  /**
   * Makes a network interface with an address of the subnet (the given one, or a free one).
   * Throws ApiError with EC2's codes: InvalidSubnetID.NotFound, InvalidGroup.NotFound,
   * InvalidIPAddress.InUse, InsufficientFreeAddressesInSubnet, InvalidParameterValue.
   */
  createInterface(request: {
    readonly subnetId: string;
    readonly securityGroupIds: readonly string[];
    readonly description: string;
    readonly address?: string;
    /** Who manages it, e.g. "amazon-elasticfilesystem"; users can't delete it then. */
    readonly requesterId: string;
  }): NetworkInterface;
  deleteInterface(networkInterfaceId: string): void;
  interface(networkInterfaceId: string): NetworkInterface | undefined;
  interfaceAt(address: string): NetworkInterface | undefined;
  /** Throws InvalidGroup.NotFound. */
  setSecurityGroups(networkInterfaceId: string, securityGroupIds: readonly string[]): void;
  /**
   * Whether the security groups of both ends let a connection through: egress of the source's,
   * ingress of the destination's. An address that is no interface's (the machine itself) counts
   * as one with the VPC's default security group.
   */
  passes(connection: Connection): Passage;
  /** Calls back after any change to security groups or interfaces; returns how to stop it. */
  onChange(call: () => void): () => void;
}

export interface Subnet {
  readonly subnetId: string;
  readonly vpcId: string;
  readonly cidrBlock: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string;
}

export interface NetworkInterface {
  readonly networkInterfaceId: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly address: string;
  readonly macAddress: string;
  readonly securityGroupIds: readonly string[];
  readonly privateDnsName: string;
}

export interface Connection {
  readonly sourceAddress: string;
  readonly destinationAddress: string;
  readonly protocol: "tcp" | "udp";
  readonly destinationPort: number;
}

export type Passage =
  | { readonly passes: true }
  | {
      readonly passes: false;
      /** Whose groups lack the rule: the source's outbound or the destination's inbound. */
      readonly blockedBy: "egress" | "ingress";
      readonly securityGroupIds: readonly string[];
    };
