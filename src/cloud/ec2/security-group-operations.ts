import type * as ec2 from "@aws-sdk/client-ec2";

import { ApiError } from "../../wire/aws/api-error.ts";
import { page } from "../contracts/page.ts";
import { type Call, type Operation, operation } from "../contracts/service.ts";
import { parseRange } from "./addresses.ts";
import { reading, refuseDryRun } from "./dry-run.ts";
import { byIds, describePages, filtered } from "./filters.ts";
import type { GroupRecord, Rule } from "./records.ts";
import type { VpcNetwork } from "./vpc-network.ts";

/** Security groups and their rules. */
export function groupOperations(network: VpcNetwork): Record<string, Operation> {
  return {
    DescribeSecurityGroups: describeGroups(network),
    CreateSecurityGroup: createGroup(network),
    DeleteSecurityGroup: deleteGroup(network),
    AuthorizeSecurityGroupIngress: changeRules(network, "Authorize", "ingress"),
    AuthorizeSecurityGroupEgress: changeRules(network, "Authorize", "egress"),
    RevokeSecurityGroupIngress: changeRules(network, "Revoke", "ingress"),
    RevokeSecurityGroupEgress: changeRules(network, "Revoke", "egress"),
  };
}

function describeGroups(network: VpcNetwork): Operation {
  return reading("DescribeSecurityGroups", (input: ec2.DescribeSecurityGroupsRequest, call) => {
    const idOf = (group: GroupRecord): string => group.groupId;
    const kind = { what: "security group", code: "InvalidGroup.NotFound" };
    const nameOf = (group: GroupRecord): string => group.groupName;
    const named = byIds(network.groups.list(), input.GroupNames, nameOf, kind);
    const found = byIds(named, input.GroupIds, idOf, kind);
    const groups = filtered(found, input.Filters, {
      "group-id": idOf,
      "group-name": nameOf,
      "vpc-id": (group) => group.vpcId,
      description: (group) => group.description,
    });
    const { items, next } = page(groups, input.NextToken, input.MaxResults, describePages);
    return {
      NextToken: next,
      SecurityGroups: items.map((group) => describeGroup(group, call)),
    };
  });
}

function createGroup(network: VpcNetwork): Operation {
  return operation({
    authorize: (_input: ec2.CreateSecurityGroupRequest, call) => ({
      action: "CreateSecurityGroup",
      resource: `arn:aws:ec2:${call.region}:${call.accountId}:security-group/*`,
    }),
    handle: (input: ec2.CreateSecurityGroupRequest, call) => {
      refuseDryRun(input);
      const vpcId = input.VpcId ?? network.defaultVpc.vpcId;
      const { GroupName = "", Description = "" } = input;
      if (network.vpcs.get(vpcId) === undefined) {
        throw new ApiError("InvalidVpcID.NotFound", `The vpc ID '${vpcId}' does not exist`);
      }
      if (GroupName === "" || GroupName === "default" || GroupName.startsWith("sg-")) {
        throw new ApiError("InvalidParameterValue", `Invalid value '${GroupName}' for GroupName`);
      }
      if (Description === "") {
        const message = "The request must contain the parameter GroupDescription";
        throw new ApiError("MissingParameter", message);
      }
      const taken = network.groups
        .list()
        .some((group) => group.vpcId === vpcId && group.groupName === GroupName);
      if (taken) {
        throw new ApiError(
          "InvalidGroup.Duplicate",
          `The security group '${GroupName}' already exists for VPC '${vpcId}'`,
        );
      }
      const group = network.createGroup(GroupName, Description, vpcId);
      for (const { Key = "", Value = "" } of (input.TagSpecifications ?? []).flatMap(tagsOf)) {
        group.tags.push({ Key, Value });
      }
      network.saveGroup(group);
      return { GroupId: group.groupId, SecurityGroupArn: groupArn(group.groupId, call) };
    },
  });
}

function tagsOf({ Tags }: ec2.TagSpecification): ec2.Tag[] {
  return Tags ?? [];
}

function deleteGroup(network: VpcNetwork): Operation {
  return operation({
    authorize: (input: ec2.DeleteSecurityGroupRequest, call) => ({
      action: "DeleteSecurityGroup",
      resource: groupArn(input.GroupId ?? "*", call),
    }),
    handle: (input: ec2.DeleteSecurityGroupRequest) => {
      refuseDryRun(input);
      const group = needGroup(network, input);
      const { groupId } = group;
      if (group.groupName === "default") {
        const message = "the specified group: default cannot be deleted by a user";
        throw new ApiError("CannotDelete", message);
      }
      const used =
        network.interfaces.list().some((each) => each.securityGroupIds.includes(groupId)) ||
        network.groups
          .list()
          .filter((other) => other.groupId !== groupId)
          .some((other) => other.rules.some((rule) => rule.groupId === groupId));
      if (used) {
        throw new ApiError("DependencyViolation", `resource ${groupId} has a dependent object`);
      }
      network.groups.remove(groupId);
      return { Return: true, GroupId: groupId };
    },
  });
}

type RulesRequest = ec2.AuthorizeSecurityGroupIngressRequest &
  ec2.RevokeSecurityGroupIngressRequest;

function changeRules(
  network: VpcNetwork,
  change: "Authorize" | "Revoke",
  direction: Rule["direction"],
): Operation {
  const suffix = direction === "ingress" ? "Ingress" : "Egress";
  return operation({
    authorize: (input: RulesRequest, call) => ({
      action: `${change}SecurityGroup${suffix}`,
      resource: groupArn(input.GroupId ?? "*", call),
    }),
    handle: (input: RulesRequest, call) => {
      refuseDryRun(input);
      const group = needGroup(network, input);
      if (change === "Authorize") return authorizeRules(network, group, direction, input, call);
      revokeRules(network, group, direction, input);
      return { Return: true };
    },
  });
}

function authorizeRules(
  network: VpcNetwork,
  group: GroupRecord,
  direction: Rule["direction"],
  input: RulesRequest,
  call: Call,
): ec2.AuthorizeSecurityGroupIngressResult {
  const rules = rulesOf(network, direction, input);
  if (rules.length === 0) {
    throw new ApiError("MissingParameter", "The request must contain the parameter ipPermissions");
  }
  for (const rule of rules) {
    if (group.rules.some((known) => sameRule(known, rule))) {
      const what = rule.cidr ?? rule.groupId;
      throw new ApiError(
        "InvalidPermission.Duplicate",
        `the specified rule "peer: ${what}, ${rule.protocol}, from port: ${rule.fromPort}, ` +
          `to port: ${rule.toPort}, ALLOW" already exists`,
      );
    }
  }
  group.rules.push(...rules);
  network.saveGroup(group);
  return {
    Return: true,
    SecurityGroupRules: rules.map((rule) => describeRule(rule, group, call)),
  };
}

function revokeRules(
  network: VpcNetwork,
  group: GroupRecord,
  direction: Rule["direction"],
  input: RulesRequest,
): void {
  const ids = new Set(input.SecurityGroupRuleIds ?? []);
  const wanted = rulesOf(network, direction, input);
  const kept = group.rules.filter(
    (rule) => !ids.has(rule.ruleId) && !wanted.some((each) => sameRule(each, rule)),
  );
  if (kept.length === group.rules.length) {
    const message = "The specified rule does not exist in this security group.";
    throw new ApiError("InvalidPermission.NotFound", message);
  }
  group.rules = kept;
  network.saveGroup(group);
}

/** One rule for each range and each group of each permission. */
function rulesOf(network: VpcNetwork, direction: Rule["direction"], input: RulesRequest): Rule[] {
  const { IpProtocol, FromPort, ToPort, CidrIp } = input;
  const simple =
    CidrIp === undefined ? [] : [{ IpProtocol, FromPort, ToPort, IpRanges: [{ CidrIp }] }];
  const permissions: ec2.IpPermission[] = [...(input.IpPermissions ?? []), ...simple];
  return permissions.flatMap((permission) => {
    const ports = portsOf(permission);
    const ranges = (permission.IpRanges ?? []).map(({ CidrIp: cidr = "", Description }) => {
      checkCidr(cidr);
      const description = Description === undefined ? {} : { description: Description };
      return network.rule(direction, { ...ports, cidr, ...description });
    });
    const groups = (permission.UserIdGroupPairs ?? []).map(({ GroupId = "", Description }) => {
      needGroup(network, { GroupId });
      const description = Description === undefined ? {} : { description: Description };
      return network.rule(direction, { ...ports, groupId: GroupId, ...description });
    });
    return [...ranges, ...groups];
  });
}

const protocols: Readonly<Record<string, string>> = { "1": "icmp", "6": "tcp", "17": "udp" };

/** The protocol by its usual name, with the ports that it has. */
function portsOf({ IpProtocol = "-1", FromPort = -1, ToPort = -1 }: ec2.IpPermission) {
  const protocol = protocols[IpProtocol] ?? IpProtocol.toLowerCase();
  if (protocol === "-1") return { protocol, fromPort: -1, toPort: -1 };
  if (!/^(tcp|udp|icmp|icmpv6|\d{1,3})$/.test(protocol)) {
    const message = `Invalid value '${IpProtocol}' for IP protocol. Unknown protocol.`;
    throw new ApiError("InvalidParameterValue", message);
  }
  const hasPorts = protocol === "tcp" || protocol === "udp";
  if (hasPorts && !(FromPort >= 0 && FromPort <= ToPort && ToPort <= 65_535)) {
    const message = `Invalid ${protocol.toUpperCase()} port range: ${FromPort} to ${ToPort}.`;
    throw new ApiError("InvalidParameterValue", message);
  }
  return { protocol, fromPort: FromPort, toPort: ToPort };
}

function checkCidr(cidr: string): void {
  try {
    parseRange(cidr);
  } catch {
    throw new ApiError("InvalidParameterValue", `CIDR block ${cidr} is malformed`);
  }
}

function sameRule(a: Rule, b: Rule): boolean {
  return (
    a.direction === b.direction &&
    a.protocol === b.protocol &&
    a.fromPort === b.fromPort &&
    a.toPort === b.toPort &&
    a.cidr === b.cidr &&
    a.groupId === b.groupId
  );
}

function needGroup(
  network: VpcNetwork,
  { GroupId, GroupName }: { GroupId?: string | undefined; GroupName?: string | undefined },
): GroupRecord {
  const found = network.groups
    .list()
    .find(({ groupId, groupName }) =>
      GroupId === undefined ? groupName === GroupName : groupId === GroupId,
    );
  if (found !== undefined) return found;
  throw new ApiError(
    "InvalidGroup.NotFound",
    `The security group '${GroupId ?? GroupName}' does not exist`,
  );
}

function groupArn(groupId: string, { region, accountId }: Call): string {
  return `arn:aws:ec2:${region}:${accountId}:security-group/${groupId}`;
}

function describeGroup(group: GroupRecord, call: Call): ec2.SecurityGroup {
  return {
    GroupId: group.groupId,
    GroupName: group.groupName,
    Description: group.description,
    VpcId: group.vpcId,
    OwnerId: call.accountId,
    SecurityGroupArn: groupArn(group.groupId, call),
    IpPermissions: permissionsOf(group, "ingress", call),
    IpPermissionsEgress: permissionsOf(group, "egress", call),
    Tags: group.tags,
  };
}

/** Rules with the same protocol and ports are one permission. */
function permissionsOf(
  group: GroupRecord,
  direction: Rule["direction"],
  { accountId }: Call,
): ec2.IpPermission[] {
  const permissions = new Map<string, ec2.IpPermission>();
  for (const rule of group.rules) {
    if (rule.direction !== direction) continue;
    const key = `${rule.protocol} ${rule.fromPort} ${rule.toPort}`;
    const permission: ec2.IpPermission = permissions.get(key) ?? {
      IpProtocol: rule.protocol,
      ...(rule.protocol !== "-1" && { FromPort: rule.fromPort, ToPort: rule.toPort }),
      IpRanges: [],
      UserIdGroupPairs: [],
    };
    permissions.set(key, permission);
    const description = rule.description === undefined ? {} : { Description: rule.description };
    if (rule.cidr !== undefined) {
      permission.IpRanges!.push({ CidrIp: rule.cidr, ...description });
    } else {
      const pair = { GroupId: rule.groupId, UserId: accountId, ...description };
      permission.UserIdGroupPairs!.push(pair);
    }
  }
  return [...permissions.values()];
}

function describeRule(rule: Rule, group: GroupRecord, call: Call): ec2.SecurityGroupRule {
  return {
    SecurityGroupRuleId: rule.ruleId,
    GroupId: group.groupId,
    GroupOwnerId: call.accountId,
    IsEgress: rule.direction === "egress",
    IpProtocol: rule.protocol,
    FromPort: rule.fromPort,
    ToPort: rule.toPort,
    ...(rule.cidr !== undefined && { CidrIpv4: rule.cidr }),
    ...(rule.groupId !== undefined && { ReferencedGroupInfo: { GroupId: rule.groupId } }),
  };
}
