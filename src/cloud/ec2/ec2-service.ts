import * as ec2 from "@aws-sdk/client-ec2";

import { page } from "../contracts/page.ts";
import type { Operation, Service } from "../contracts/service.ts";
import { reading } from "./dry-run.ts";
import { byIds, describePages, filtered } from "./filters.ts";
import { groupOperations } from "./security-group-operations.ts";
import type { InterfaceRecord, SubnetRecord, VpcRecord } from "./records.ts";
import type { VpcNetwork } from "./vpc-network.ts";

/** EC2's networking API: what tasks and mount targets need of it. */
export function ec2Service(network: VpcNetwork): Service {
  return {
    prefix: "ec2",
    signingName: "ec2",
    protocol: {
      kind: "ec2Query",
      version: "2016-11-15",
      xmlNamespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
    },
    schemas: ec2,
    operations: {
      DescribeVpcs: describeVpcs(network),
      DescribeSubnets: describeSubnets(network),
      DescribeAvailabilityZones: describeZones(network),
      DescribeNetworkInterfaces: describeInterfaces(network),
      ...groupOperations(network),
    },
  };
}

function describeVpcs(network: VpcNetwork): Operation {
  return reading("DescribeVpcs", (input: ec2.DescribeVpcsRequest, { accountId }) => {
    const idOf = (vpc: VpcRecord): string => vpc.vpcId;
    const kind = { what: "vpc ID", code: "InvalidVpcID.NotFound" };
    const found = byIds(network.vpcs.list(), input.VpcIds, idOf, kind);
    const vpcs = filtered(found, input.Filters, {
      "vpc-id": idOf,
      "is-default": () => "true",
      isDefault: () => "true",
      cidr: (vpc) => vpc.cidrBlock,
      state: () => "available",
    });
    const { items, next } = page(vpcs, input.NextToken, input.MaxResults, describePages);
    return {
      NextToken: next,
      Vpcs: items.map(({ vpcId, cidrBlock }) => ({
        VpcId: vpcId,
        CidrBlock: cidrBlock,
        IsDefault: true,
        State: "available",
        OwnerId: accountId,
        InstanceTenancy: "default",
      })),
    };
  });
}

function describeSubnets(network: VpcNetwork): Operation {
  return reading("DescribeSubnets", (input: ec2.DescribeSubnetsRequest, call) => {
    const idOf = (subnet: SubnetRecord): string => subnet.subnetId;
    const all = network.subnets.list();
    const kind = { what: "subnet ID", code: "InvalidSubnetID.NotFound" };
    const found = byIds(all, input.SubnetIds, idOf, kind);
    const subnets = filtered(found, input.Filters, {
      "subnet-id": idOf,
      "vpc-id": (subnet) => subnet.vpcId,
      "availability-zone": (subnet) => subnet.availabilityZone,
      "availability-zone-id": (subnet) => subnet.availabilityZoneId,
      "default-for-az": () => "true",
      "cidr-block": (subnet) => subnet.cidrBlock,
      state: () => "available",
    });
    const { items, next } = page(subnets, input.NextToken, input.MaxResults, describePages);
    return {
      NextToken: next,
      Subnets: items.map((subnet) => ({
        SubnetId: subnet.subnetId,
        SubnetArn: `arn:aws:ec2:${call.region}:${call.accountId}:subnet/${subnet.subnetId}`,
        VpcId: subnet.vpcId,
        CidrBlock: subnet.cidrBlock,
        AvailabilityZone: subnet.availabilityZone,
        AvailabilityZoneId: subnet.availabilityZoneId,
        State: "available",
        DefaultForAz: true,
        MapPublicIpOnLaunch: true,
        OwnerId: call.accountId,
      })),
    };
  });
}

function describeZones(network: VpcNetwork): Operation {
  return reading(
    "DescribeAvailabilityZones",
    (input: ec2.DescribeAvailabilityZonesRequest, { region }) => {
      const zones = network.subnets.list().map((subnet) => ({
        ZoneName: subnet.availabilityZone,
        ZoneId: subnet.availabilityZoneId,
        RegionName: region,
        State: "available",
        OptInStatus: "opt-in-not-required",
        ZoneType: "availability-zone",
      }));
      zones.sort((a, b) => (a.ZoneName < b.ZoneName ? -1 : 1));
      const kind = { what: "availability zone", code: "InvalidParameterValue" };
      const found = byIds(zones, input.ZoneNames, (zone) => zone.ZoneName, kind);
      return { AvailabilityZones: found };
    },
  );
}

function describeInterfaces(network: VpcNetwork): Operation {
  return reading("DescribeNetworkInterfaces", (input: ec2.DescribeNetworkInterfacesRequest) => {
    const idOf = (found: InterfaceRecord): string => found.networkInterfaceId;
    const all = network.interfaces.list();
    const kind = { what: "networkInterface ID", code: "InvalidNetworkInterfaceID.NotFound" };
    const found = byIds(all, input.NetworkInterfaceIds, idOf, kind);
    const interfaces = filtered(found, input.Filters, {
      "network-interface-id": idOf,
      "subnet-id": (each) => each.subnetId,
      "vpc-id": (each) => each.vpcId,
      "group-id": (each) => each.securityGroupIds,
      "private-ip-address": (each) => each.address,
      "addresses.private-ip-address": (each) => each.address,
      description: (each) => each.description,
    });
    const { items, next } = page(interfaces, input.NextToken, input.MaxResults, describePages);
    return {
      NextToken: next,
      NetworkInterfaces: items.map((each) => ({
        NetworkInterfaceId: each.networkInterfaceId,
        SubnetId: each.subnetId,
        VpcId: each.vpcId,
        AvailabilityZone: each.availabilityZone,
        Description: each.description,
        Groups: each.securityGroupIds.map((GroupId) => ({
          GroupId,
          GroupName: network.groups.get(GroupId)?.groupName,
        })),
        InterfaceType: "interface",
        MacAddress: each.macAddress,
        PrivateDnsName: each.privateDnsName,
        PrivateIpAddress: each.address,
        PrivateIpAddresses: [{ Primary: true, PrivateIpAddress: each.address }],
        RequesterId: each.requesterId,
        RequesterManaged: true,
        Status: "in-use",
      })),
    };
  });
}
