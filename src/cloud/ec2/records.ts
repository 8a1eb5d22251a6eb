export interface VpcRecord {
  readonly vpcId: string;
  readonly cidrBlock: string;
}

export interface SubnetRecord {
  readonly subnetId: string;
  readonly vpcId: string;
  readonly cidrBlock: string;
  readonly availabilityZone: string;
  readonly availabilityZoneId: string;
}

/** One permission of a group: ports of a protocol, to or from a range or another group. */
export interface Rule {
  readonly ruleId: string;
  readonly direction: "egress" | "ingress";
  /** "tcp", "udp", "icmp", a number, or "-1" for everything. */
  readonly protocol: string;
  readonly fromPort: number;
  readonly toPort: number;
  readonly cidr?: string;
  readonly groupId?: string;
  readonly description?: string;
}

export interface GroupRecord {
  readonly groupId: string;
  readonly groupName: string;
  readonly description: string;
  readonly vpcId: string;
  rules: Rule[];
  tags: { Key: string; Value: string }[];
}

export interface InterfaceRecord {
  readonly networkInterfaceId: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly address: string;
  readonly macAddress: string;
  readonly privateDnsName: string;
  readonly description: string;
  readonly requesterId: string;
  securityGroupIds: string[];
}
